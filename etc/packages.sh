#!/bin/sh
# usage: packages.sh build|run|regress|bench|lint
#
# Installs what is missing for that, with the system's package manager: as
# root, or through sudo where there is one; else says what to run and fails.
# This is the one list of what the project needs.

set -u
what=${1:-build}
os=$(uname -s)
manager=

debian_build="gcc libc6-dev make byacc pkg-config libbsd-dev libevent-dev
    libtls-dev libssl-dev libjsmn-dev libseccomp-dev libsqlite3-dev
    libc-ares-dev libutf8proc-dev libcrypt-dev zlib1g-dev"
debian_run="openssl"
debian_lint="clang cppcheck mandoc"
debian_regress="openssl clang libclang-rt-14-dev kyua atf-sh libatf-dev bmake
    mandoc python3 sqlite3 strace curl swaks libio-socket-ssl-perl
    isync libsasl2-modules mutt gsasl getmail6 nodejs postfix procps iproute2
    mount systemd mksh"
debian_bench="dovecot-imapd dovecot-pop3d dovecot-lmtpd openssl python3"

alpine_build="gcc musl-dev make byacc pkgconf libbsd-dev libevent-dev
    libretls-dev openssl-dev libseccomp-dev sqlite-dev c-ares-dev
    utf8proc-dev zlib-dev linux-headers"
alpine_run="openssl"

freebsd_build="pkgconf libevent libretls jsmn sqlite3 c-ares utf8proc"
freebsd_run=""

openbsd_build="jsmn sqlite3 c-ares utf8proc"
openbsd_run=""

list() {	# list SYSTEM: what of ours, and what it builds on
	eval "_l=\${$1_build:-}"
	case $what in
	build)
		;;
	run)
		eval "_l=\"\$_l \${$1_run:-}\"" ;;
	*)
		eval "_l=\"\$_l \${$1_run:-} \${$1_$what:-}\"" ;;
	esac
	echo $_l
}

missing_debian() {
	for _p in $(list debian); do
		dpkg-query -W -f '${Status}\n' "$_p" 2>/dev/null |
		    grep -q '^install ok installed' || echo "$_p"
	done
}

missing_other() {	# missing_other SYSTEM TEST-COMMAND
	for _p in $(list "$1"); do
		$2 "$_p" >/dev/null 2>&1 || echo "$_p"
	done
}

case $what in
build|run|regress|bench|lint)
	;;
*)
	echo "usage: packages.sh build|run|regress|bench|lint" >&2
	exit 2
esac

case $os in
Linux)
	if command -v dpkg-query >/dev/null 2>&1; then
		need=$(missing_debian)
		update="apt-get -q update"
		install="env DEBIAN_FRONTEND=noninteractive apt-get -q install"
		install="$install -y --no-install-recommends"
	elif command -v apk >/dev/null 2>&1; then
		need=$(missing_other alpine "apk info -e")
		update=:
		install="apk add"
	else
		echo "packages.sh: this system is not known;" \
		    "these are needed, by their Debian names:" >&2
		echo $(list debian) >&2
		exit 0
	fi
	;;
FreeBSD)
	need=$(missing_other freebsd "pkg info -e")
	update=:
	install="pkg install -y"
	;;
OpenBSD)
	need=$(missing_other openbsd "pkg_info -e")
	update=:
	install="pkg_add"
	;;
*)
	need=
	;;
esac

need=$(echo $need)
[ -z "$need" ] && exit 0
if [ "$(id -u)" = 0 ]; then
	as=
elif command -v sudo >/dev/null 2>&1; then
	as=sudo
else
	echo "These packages are missing; as root, run:" >&2
	echo "    $install $need" >&2
	exit 1
fi
echo "installing: $need"
$as $update >/dev/null || true
# a mail server that is only tested must not start by itself
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ] && command -v dpkg-query >/dev/null 2>&1; then
	trap '$as rm -f $policy' EXIT INT TERM
	$as sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod +x $policy"
fi
log=$(mktemp) || exit 1
if ! $as $install $need >"$log" 2>&1; then
	tail -20 "$log" >&2
	echo "packages.sh: could not install: $need" >&2
	rm -f "$log"
	exit 1
fi
rm -f "$log"
