#!/bin/sh
# make run: builds what is not built, sets up ./var, and starts mfrontd in
# the foreground with the embedded store and the account demo, password demo.

set -eu
cd "$(dirname "$0")/.."
sh etc/packages.sh run
[ -x mfrontd/mfrontd ] || echo "building"
log=$(mktemp)
# as many at once as there are processors, whatever called this
unset MAKEFLAGS MFLAGS
jobs=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
if ! ${MAKE:-make} -j"$jobs" all >"$log" 2>&1; then
	tail -30 "$log" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"

var=$PWD/var
if [ -e "$var" ] && [ ! -w "$var" ]; then
	echo "$var is somebody else's, who ran this before: move it away" >&2
	exit 1
fi
mkdir -p "$var" "$var/empty"
chmod 755 "$var" "$var/empty"
if [ ! -s "$var/cert.pem" ]; then
	echo "making a self-signed certificate"
	(umask 077 && openssl req -x509 -newkey rsa:2048 -nodes -days 3650 \
	    -subj /CN=localhost -addext subjectAltName=DNS:localhost \
	    -keyout "$var/key.pem" -out "$var/cert.pem.new" 2>/dev/null)
	mv "$var/cert.pem.new" "$var/cert.pem"
fi
if [ ! -s "$var/passwd" ]; then
	hash=$(echo demo | mfrontctl/mfrontctl encrypt)
	(umask 077 && echo "demo:$hash" >"$var/passwd")
fi
if [ ! -s "$var/mfrontd.conf" ]; then
	cat >"$var/mfrontd.conf" <<EOF
# Made by "make run" on its first start; change it as you like.
dir = "$var"

hostname "localhost"
rundir "\$dir/run"
chroot "\$dir/empty"
control socket "\$dir/mfrontd.sock"
log stderr

certificate cert "\$dir/cert.pem" key "\$dir/key.pem"
storage embedded "\$dir/store"
auth file "\$dir/passwd" domains { localhost }
plaintext login on loopback

listen imap on 127.0.0.1 port 1143 starttls
listen imap on 127.0.0.1 port 1993 tls
listen pop3 on 127.0.0.1 port 1110 starttls
listen pop3 on 127.0.0.1 port 1995 tls
listen lmtp on 127.0.0.1 port 1024
EOF
fi
[ "$(id -u)" = 0 ] && sh etc/users.sh
exec mfrontd/mfrontd -d -f "$var/mfrontd.conf"
