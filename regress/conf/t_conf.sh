# Good files give the configuration that is beside them, bad ones the errors.

dump="$(atf_get_srcdir)/confdump"
long=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
long=$long$long

# What the files name: certificates, tokens, password files of all kinds.
fixtures() {
	umask 077
	for n in a b; do
		openssl req -x509 -newkey ec -pkeyopt \
		    ec_paramgen_curve:P-256 -nodes -keyout $n.key -out $n.pem \
		    -days 2 -subj /CN=$n 2>/dev/null || atf_fail openssl
	done
	openssl ec -in a.key -aes128 -passout pass:secret -out encrypted.key \
	    2>/dev/null || atf_fail openssl
	hash='$2b$10$abcdefghijklmnopqrstuuVWXYZabcdefghijklmnopqrstuvwxyz01'
	echo "demo:$hash" >passwd
	printf '%s\n' "demo:$hash" "# comment" "demo" "joe:secret" \
	    "Demo:$hash" ":$hash" "a@b@c:$hash" "ann:$hash" "demo:!" \
	    >passwd.bad
	# an umlaut in one piece, in two, and beside capitals
	printf 'j\303\266rg:*\njo\314\210rg:*\nJ\303\266RG:*\n' >>passwd.bad
	echo 'tok-123~' >token
	: >empty
	dd if=/dev/zero of=big bs=65536 count=1 2>/dev/null
	mkfifo fifo
	for n in pem key; do
		cp a.$n writable.$n
		chmod 666 writable.$n
	done
	echo '# nothing' >absolute.conf
}

# run FILE [OPTION ...]: confdump, with this folder's and the source's names
# replaced in what it prints, and what libtls and this system say their way
# (statedir and rundir come from the Makefile).
run() {
	file=$1
	shift
	"$dump" -D dir="$PWD" -D long=$long "$@" "$file" >out.raw 2>err.raw
	status=$?
	for o in out err; do
		sed -e "s|$PWD|DIR|g" -e "s|$(atf_get_srcdir)|SRC|g" \
		    -e "s|$long|LONG|g" -e "s|embedded $statedir\$|STATEDIR|" \
		    -e "s|$rundir/mfrontd|RUNDIR/mfrontd|g" -e 's/\( with key [^:]*: \)..*/\1TLS/' \
		    -e 's/\(:[0-9]*: ca [^:]*passwd: \)..*/\1TLS/' $o.raw >$o
	done
	return $status
}

good() {	# good NAME [OPTION ...]
	name=$1
	shift
	fixtures
	run "$(atf_get_srcdir)/good/$name.conf" "$@" || atf_fail "$(tr '\n' ' ' <err)"
	atf_check -o file:"$(atf_get_srcdir)/good/$name.out" cat out
}

bad() {		# bad NAME
	fixtures
	run "$(atf_get_srcdir)/bad/$1.conf"
	atf_check_equal 1 $?
	atf_check -o file:"$(atf_get_srcdir)/bad/$1.err" cat err
	atf_check cat out
}

tests=
test_case() {	# test_case NAME COMMAND ...
	name=$1
	shift
	atf_test_case "$name"
	eval "${name}_head() { atf_set require.progs openssl; }"
	eval "${name}_body() { $*; }"
	tests="$tests $name"
}

test_case good_full good full -h
test_case good_small good small
test_case good_include good include -D port=2143
test_case good_macros good macros -D port=2024
test_case good_words good words

for n in syntax control numbers listen certificates nocert storages places \
    auth nodomains empty names macros include many; do
	test_case bad_$n bad $n
done

# The system's own list of CAs is taken where none is named.
default_ca() {
	fixtures
	run "$(atf_get_srcdir)/good/default_ca.conf" || {
		grep -q 'this system has no list of CAs' err &&
		    atf_skip "no list of CAs here"
		atf_fail "$(tr '\n' ' ' <err)"
	}
	atf_check -o match:'	ca /.*' grep '	ca ' out
}
test_case default_ca default_ca

# conf LINE ...: a file of these lines, and what a good one needs.
conf() {
	printf '%s\n' "$@" 'listen imap on 127.0.0.1 tls' \
	    "certificate cert \"$PWD/a.pem\" key \"$PWD/a.key\"" >x.conf
}

modes() {
	fixtures
	conf 'storage embedded "/x"' "auth file \"$PWD/passwd\""
	run x.conf -q || atf_fail "$(tr '\n' ' ' <err)"
	atf_check cat out
	chmod 644 passwd a.key a.pem x.conf
	run x.conf -q || atf_fail "$(tr '\n' ' ' <err)"
	atf_check -o inline:'x.conf:2: warning: password file DIR/passwd: everybody may read it
x.conf:4: warning: key DIR/a.key: everybody may read it
' cat out
	chmod 602 passwd
	chmod 646 x.conf
	run x.conf -q && atf_fail "x.conf was read"
	atf_check -o inline:'x.conf: configuration x.conf: everybody may write it
' cat err
	chmod 600 x.conf
	run x.conf -q && atf_fail "passwd was read"
	atf_check -o inline:'x.conf:2: password file DIR/passwd: everybody may write it
' cat err
}
test_case modes modes

# What is said of the ways to log in, and of a socket open to all.
warnings() {
	fixtures
	printf '%s\n' 'listen imap on 127.0.0.1' 'listen imap on 192.0.2.1' \
	    'listen pop3 on ::1' 'listen lmtp on 192.0.2.1' \
	    'storage a url "http://192.0.2.1" token file "'"$PWD"'/token"' \
	    'storage b url "http://localhost"' \
	    'control socket "/run/x" mode 0666' \
	    "auth file \"$PWD/empty\" domains x" >x.conf
	run x.conf -q || atf_fail "$(tr '\n' ' ' <err)"
	atf_check -o inline:'x.conf:5: warning: storage "a": mail and token will travel to 192.0.2.1 unencrypted
x.conf:7: warning: control socket: with mode 0666 everybody may stop mfrontd
x.conf:8: warning: password file DIR/empty: no accounts
x.conf:1: warning: nobody can log in on 127.0.0.1:143 without tls or "plaintext login on loopback"
x.conf:2: warning: nobody can log in on 192.0.2.1:143: it has neither tls nor starttls
x.conf:3: warning: nobody can log in on [::1]:110 without tls or "plaintext login on loopback"
' cat out
	echo 'plaintext login on loopback' >>x.conf
	run x.conf -q || atf_fail "$(tr '\n' ' ' <err)"
	atf_check -o inline:'1
' grep -c 'nobody can' out
}
test_case warnings warnings

# A thousand errors are not all told, and a line has its bounds.
many_errors() {
	fixtures
	i=0
	while [ $i -lt 1000 ]; do
		echo "foo $i"
		i=$((i + 1))
	done >x.conf
	run x.conf && atf_fail "no errors"
	atf_check -o inline:'200 err
' sh -c 'wc -l err | sed "s/^ *//"'
	atf_check -o inline:'x.conf:200: too many errors
' tail -1 err
	w=$long$long$long$long$long$long$long
	w=$w$w$w$w$w
	printf '%s\n' "hostname $w" "hostname \"$w\"" "m = \"$long\"" \
	    'hostname "$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m$m"' \
	    >x.conf
	run x.conf && atf_fail "no errors"
	atf_check -o inline:'x.conf:1: a word is too long
x.conf:2: a string is too long
x.conf:4: a string is too long
' cat err
}
test_case many_errors many_errors

# Includes that go too deep, or are too many.
includes() {
	fixtures
	i=0
	while [ $i -lt 20 ]; do
		echo "include \"$((i + 1)).conf\"" >$i.conf
		i=$((i + 1))
	done
	run 0.conf && atf_fail "no errors"
	atf_check -o inline:'./15.conf:1: include: ./16.conf is included too deep
' cat err
	i=0
	while [ $i -lt 300 ]; do
		echo 'include "absolute.conf"'
		i=$((i + 1))
	done >x.conf
	run x.conf && atf_fail "no errors"
	atf_check -o inline:'x.conf:257: include: more than 256
' cat err
	# twice the same is no circle, and a name may be a keyword
	printf '%s\n' 'include "b.conf"' 'include "b.conf"' 'port = "2143"' \
	    'listen imap on 127.0.0.1 port $port' 'auth storage' \
	    'storage embedded' >x.conf
	echo '# nothing' >b.conf
	run x.conf || atf_fail "$(tr '\n' ' ' <err)"
}
test_case includes includes

# The file itself: not there, a folder, a fifo (not waited for), too big.
files() {
	fixtures
	run nothing.conf && atf_fail "it was read"
	atf_check -o inline:'nothing.conf: configuration nothing.conf: No such file or directory
' cat err
	for f in . fifo /dev/null; do
		run $f && atf_fail "$f was read"
		atf_check -o match:'not a regular file' cat err
	done
	dd if=/dev/zero of=huge bs=65536 count=17 2>/dev/null
	run huge && atf_fail "it was read"
	atf_check -o match:'longer than 1048576 bytes' cat err
	run x.conf -D 'no equals sign' && atf_fail "macro taken"
	atf_check -o match:'^-D: "no equals sign" is not name=value' cat err
}
test_case files files

# The sample that is installed, with its files put here.
sample() {
	fixtures
	sed -e "s|/etc/ssl/private/|$PWD/|; s|/etc/ssl/|$PWD/|" \
	    -e "s|/etc/mfrontd.passwd|$PWD/passwd|" \
	    "$(atf_get_srcdir)/../../etc/mfrontd.conf" >x.conf
	cp a.pem mail.example.org.fullchain.pem
	cp a.key mail.example.org.key
	run x.conf -q || atf_fail "$(tr '\n' ' ' <err)"
	atf_check cat out
}
test_case sample sample

# The manual's examples that are whole configurations are good ones.
manual() {
	fixtures
	cp a.pem cert.pem
	cp a.key key.pem
	awk -v n=0 '/^\.Bd -literal/ { n++; on = 1; next } /^\.Ed/ { on = 0 }
	    on { print >"example." n }' \
	    "$(atf_get_srcdir)/../../mfrontd/mfrontd.conf.5"
	count=0
	for f in example.*; do
		grep -q '^storage' $f && grep -q '^listen' $f || continue
		sed -e "s|\"/etc/ssl/private/[^\"]*\"|\"$PWD/a.key\"|" \
		    -e "s|\"/etc/ssl/[^\"]*\"|\"$PWD/a.pem\"|" \
		    -e "s|\"/etc/mfrontd\.|\"$PWD/|" -e 's|\\e|\\|g' $f >x.conf
		run x.conf -q || atf_fail "$f: $(tr '\n' ' ' <err)"
		atf_check cat out
		count=$((count + 1))
	done
	atf_check_equal 4 $count
}
test_case manual manual

# Nonsense neither ends the one who reads it nor stays in memory.
fuzz() {
	fixtures
	atf_check -o match:'no crash' "$(atf_get_srcdir)/fuzz_conf.f" -n 5000
}
test_case fuzz fuzz

atf_init_test_cases() {
	for t in $tests; do
		atf_add_test_case $t
	done
}
