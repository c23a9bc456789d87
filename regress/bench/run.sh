#!/bin/sh
# make bench: the same steps against mfrontd and against dovecot, each with
# a configuration of its own, on loopback, in a temporary folder; needs root,
# as both change users.  Prints a table, or with -j JSON.
#
#	BENCH=quick make bench		in two minutes rather than ten
#	sh regress/bench/run.sh -j	for programs
#
#	-j		JSON
#	-q		quick: as BENCH=quick
#	-r number	runs of each step
#	-t seconds	of each step
#	-s "steps"	only these: login cycle noop flags flags1000 body
#			store pop3 append lmtp memory idle
#	-o "sides"	only mfrontd, or only dovecot
#	-v		what each process costs
#	-k		keep the folder
#
# Everything is stopped and removed at the end, by its process id.

set -u
cd "$(dirname "$0")/../.." || exit 1
top=$PWD
: "${MAKE:=make}"
: "${BENCH:=}"
runs=3 seconds=3 warm=0.7 deliveries=100
steps="login cycle noop flags flags1000 body store pop3 append lmtp"
steps="$steps memory idle"
sides="mfrontd dovecot"
json=0 verbose='' keep=0
conns=16 memory=1000 idle=2000
workers=2	# of each kind, on both sides: a process for each processor
lmtps=$conns	# dovecot's LMTP has one client a process at a time

quick() {
	runs=1 seconds=1 warm=0.3 deliveries=20
}

case $BENCH in *quick*) quick ;; esac
while getopts jqr:t:s:o:vk opt; do
	case $opt in
	j) json=1 ;;
	q) quick ;;
	r) runs=$OPTARG ;;
	t) seconds=$OPTARG ;;
	s) steps=$OPTARG ;;
	o) sides=$OPTARG ;;
	v) verbose=-v ;;
	k) keep=1 ;;
	*) exit 2 ;;
	esac
done

start=$(date +%s)
say() {
	printf '%4d s  %s\n' $(($(date +%s) - start)) "$*" >&2
}

if [ "$(uname -s)" != Linux ] || [ "$(id -u)" != 0 ]; then
	say "make bench needs Linux, for /proc, and root"
	exit 1
fi
sh etc/packages.sh build >&2 || exit 1
sh etc/packages.sh bench >&2 || exit 1
sh etc/users.sh
dir=$(mktemp -d "${TMPDIR:-/tmp}/mfbench.XXXXXX") || exit 1
chmod 755 "$dir"
load=$top/regress/bench/load
mfrontd_pid='' dovecot_pid=''

stop() {	# stop PID ...: ends them, and waits
	[ $# -gt 0 ] || return
	kill "$@" 2>/dev/null
	wait "$@" 2>/dev/null
}

finish() {
	say "stopping"
	# shellcheck disable=SC2086	# those that there are
	stop $mfrontd_pid $dovecot_pid
	mfrontd_pid='' dovecot_pid=''
	if [ $keep = 1 ]; then
		say "kept: $dir"
	else
		rm -rf "$dir"
	fi
	say "stopped"
}
trap finish EXIT
trap 'exit 1' INT TERM HUP

fail() {
	say "bench: $*"
	for f in mfrontd dovecot; do
		[ -s "$dir/$f.log" ] && { say "-- $f:"; tail -5 "$dir/$f.log" >&2; }
	done
	exit 1
}

if ! ($MAKE all && cd regress/bench && $MAKE all) >"$dir/build.log" 2>&1; then
	tail -20 "$dir/build.log" >&2
	exit 1
fi
ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"

# A hash that costs nothing: logins are compared, not hashes.
hash=$($load hash) || exit 1
awk -v hash="$hash" -v idle=$idle 'BEGIN {
	for (i = 0; i < 2000 + idle; i++)
		printf "u%d:%s\n", i, hash
}' >"$dir/passwd"
chmod 644 "$dir/passwd"	# dovecot reads it as its own user
$load ports 6 >"$dir/ports" || exit 1
ports=$(cat "$dir/ports")
set -- $ports
m_imap=$1 m_pop3=$2 m_lmtp=$3 d_imap=$4 d_pop3=$5 d_lmtp=$6

mfrontd_conf() {
	cat <<EOF
hostname "localhost"
rundir "$dir/run"
chroot "$dir/empty"
control socket "$dir/mfrontd.sock"
log stderr brief
storage embedded "$dir/store"
auth file "$dir/passwd" domains { localhost }
plaintext login on loopback
listen imap on 127.0.0.1 port $m_imap
listen pop3 on 127.0.0.1 port $m_pop3
listen lmtp on 127.0.0.1 port $m_lmtp
prefork { imap $workers, pop3 $workers, lmtp $workers }
limits { connections per address 10000, recipients per second 100000 }
EOF
}

dovecot_service() {	# dovecot_service NAME PROCESSES CLIENTS [LISTENER]
	cat <<EOF
service $1 {
  service_count = 0
  process_min_avail = $2
  process_limit = $2
  client_limit = $3
  ${4:-}
}
EOF
}

dovecot_conf() {	# dovecot_conf FSYNC
	cat <<EOF
base_dir = $dir/dovecot/run
state_dir = $dir/dovecot/state
log_path = $dir/dovecot.log
listen = 127.0.0.1
protocols = imap pop3 lmtp
ssl = no
disable_plaintext_auth = no
auth_username_format = %n
auth_cache_size = 16M
auth_cache_ttl = 5 mins
mail_location = $mailbox:~/mail
mail_fsync = $1
mail_uid = mail
mail_gid = mail
first_valid_uid = 1
mail_max_userip_connections = 0
default_client_limit = 20000
default_vsz_limit = 4G
verbose_proctitle = no
postmaster_address = postmaster@localhost
passdb {
  driver = passwd-file
  args = scheme=CRYPT username_format=%n $dir/passwd
}
userdb {
  driver = static
  args = uid=mail gid=mail home=$dir/dovecot/home/%n allow_all_users=yes
}
namespace inbox {
  inbox = yes
  separator = /
}
EOF
	dovecot_service imap $workers 10000
	dovecot_service pop3 $workers 10000
	dovecot_service imap-login $workers 10000 "inet_listener imap {
    port = $d_imap
  }
  inet_listener imaps {
    port = 0
  }"
	dovecot_service pop3-login $workers 10000 "inet_listener pop3 {
    port = $d_pop3
  }
  inet_listener pop3s {
    port = 0
  }"
	dovecot_service lmtp $lmtps 1 "user = mail
  inet_listener lmtp {
    port = $d_lmtp
  }"
}

wait_for() {	# wait_for TEXT FILE PID
	i=0
	while ! grep -q "$1" "$2" 2>/dev/null; do
		kill -0 "$3" 2>/dev/null && [ $((i += 1)) -lt 200 ] ||
			fail "it does not start"
		sleep 0.1
	done
}

start_mfrontd() {
	mkdir -p "$dir/empty"
	mfrontd_conf >"$dir/mfrontd.conf"
	"$top/mfrontd/mfrontd" -d -f "$dir/mfrontd.conf" \
	    >"$dir/mfrontd.log" 2>&1 &
	mfrontd_pid=$!
	wait_for 'mfrontd: ready' "$dir/mfrontd.log" $mfrontd_pid
}

start_dovecot() {	# start_dovecot FSYNC
	mkdir -p "$dir/dovecot/home"
	chown mail:mail "$dir/dovecot/home"
	dovecot_conf "$1" >"$dir/dovecot.conf"
	: >"$dir/dovecot.log"
	dovecot -F -c "$dir/dovecot.conf" >"$dir/dovecot.out" 2>&1 &
	dovecot_pid=$!
	wait_for 'starting up' "$dir/dovecot.log" $dovecot_pid
}

measure() {	# measure SIDE RUN WHAT...
	_side=$1 _run=$2
	shift 2
	case $_side in
	mfrontd) set -- -p $mfrontd_pid -I $m_imap -P $m_pop3 -L $m_lmtp "$@" ;;
	dovecot) set -- -p $dovecot_pid -I $d_imap -P $d_pop3 -L $d_lmtp "$@" ;;
	esac
	$load $verbose -l $_side -r "$_run" -c $conns -t "$seconds" -w $warm \
	    "$@" >>"$dir/results" || fail "$_side failed"
}

# What deliveries leave to be done later is measured by itself.
settle() {	# settle RUN
	say "until all is quiet"
	_settling=''
	for side in $sides; do
		measure "$side" "$1" settle &
		_settling="$_settling $!"
	done
	for _p in $_settling; do
		wait "$_p" || exit 1
	done
}

# Dovecot fills its mailboxes without fsync: that would take minutes.
prepare() {
	say "prepare: $1"
	if [ "$1" = dovecot ]; then
		# shellcheck disable=SC2086
		stop $dovecot_pid
		start_dovecot never
	fi
	measure "$1" 0 prepare
	if [ "$1" = dovecot ]; then
		stop "$dovecot_pid"
		find "$dir/dovecot" -type f -exec sync {} +
		start_dovecot optimized
	fi
}

settings() {
	cat <<EOF
machine: $(nproc) processors, $(uname -sr), $(df -PT "$dir" | awk 'NR == 2 { print $2 }') in $dir
load: one thread, $conns connections, each with one request under way; messages of 8 KB, 1,000 in each INBOX; $runs runs of $seconds s, medians
both: $workers processes for each protocol, since there are $(nproc) processors; the same passwords, hashed with one round of SHA-1, so that logins are compared and not hashes (both remember logins, dovecot the hash, mfrontd that the password was right); no TLS; delivery, APPEND and expunge fsynced before the answer, flag changes not
mfrontd: embedded store (SQLite, WAL, in groups), 1 engine, 2 hash workers, 32 MB of cached contents, 3 MB of listings
dovecot: $(dovecot --version | cut -d' ' -f1), $mailbox, mail_fsync=optimized, login services and imap and pop3 with service_count=0 and client_limit=10000, $lmtps lmtp processes with service_count=0 (one client a process: it has no more), auth cache on
EOF
}

mailbox=${DOVECOT_MAILBOX:-mdbox}
: >"$dir/results"
case " $sides " in *" mfrontd "*) start_mfrontd ;; esac
case " $sides " in *" dovecot "*) start_dovecot optimized ;; esac

# Quiet sessions first, in processes that have done nothing yet.
for step in $steps; do
	case $step in
	memory)
		for side in $sides; do
			say "memory: $side"
			measure "$side" 0 -n $memory memory
		done ;;
	idle)
		for side in $sides; do
			say "idle: $side"
			measure "$side" 0 -n $idle -d $deliveries idle
		done ;;
	*)
		loads="${loads:-} $step" ;;
	esac
done
if [ -n "${loads:-}" ]; then
	for side in $sides; do
		prepare "$side"
	done
	settle 0
	run=0 order=$sides
	while [ $((run += 1)) -le "$runs" ]; do
		for step in $loads; do
			say "run $run: $step"
			for side in $order; do
				measure "$side" $run "$step"
			done
		done
		case "$loads " in *" append "*|*" lmtp "*) settle $run ;; esac
		order=$(echo $order | awk '{ print $2, $1 }')
	done
fi
settings >"$dir/settings"
awk -v json=$json -f regress/bench/report.awk "$dir/settings" "$dir/results"
