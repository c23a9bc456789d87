#!/bin/sh
# make regress: installs what the tests need, builds everything, runs all
# tests, builds it again with the sanitizers in obj/asan and runs all tests
# again.  The last line is "N passed, N failed".
#
#	REGRESS=plain or asan	only that half
#	TESTS="imap pop3"	only these folders

set -u
cd "$(dirname "$0")/.." || exit 1
top=$PWD
: "${MAKE:=make}"
: "${REGRESS:=plain asan}"
: "${TESTS:=}"
asan="-g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all"
asan="$asan -fno-omit-frame-pointer"
# what the package list installed goes before what else is there
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
# tests wait more than they work
jobs=$(($(getconf _NPROCESSORS_ONLN) + 1))
passed=0 failed=0 skipped=0

sh etc/packages.sh build || exit 1
sh etc/packages.sh regress || exit 1
[ "$(id -u)" = 0 ] && sh etc/users.sh
mkdir -p obj

build() {	# build FOLDER [CFLAGS]
	(
		cd "$1" || exit 1
		log=$top/obj/build.log
		for d in . regress; do
			if ! (cd $d && $MAKE -j"$jobs" \
			    ${2:+CFLAGS="$2"} all) >"$log" 2>&1; then
				tail -40 "$log" >&2
				exit 1
			fi
		done
	)
}

# The tree as it is, but for what was built in it; times are kept, so that
# only what changed is built again.
copy() {
	mkdir -p "$1"
	tar -cf - --exclude ./obj --exclude ./.git --exclude ./var \
	    --exclude '*.o' --exclude '*.a' --exclude '*.d' \
	    --exclude '.depend' --exclude '*.t' --exclude '*.f' \
	    --exclude '*.lf' --exclude '*.so' --exclude __pycache__ \
	    --exclude ./mfrontd/mfrontd --exclude ./mfrontctl/mfrontctl \
	    --exclude ./mstored/mstored --exclude ./regress/mstored/bench \
	    --exclude ./regress/bench/load --exclude ./regress/conf/confdump \
	    . | tar -xpf - -C "$1"
}

run() {		# run FOLDER NAME
	log=$top/obj/$2.log
	res=$top/obj/$2.results
	rm -f "$res"
	echo "== $2"
	(
		cd "$1/regress" || exit 1
		set --
		for t in $TESTS; do
			for f in "$t"/*; do
				case $f in
				*/t_*.t|*/t_*.py|*/t_*.sh|*/fuzz_*.f)
					[ -x "$f" ] && set -- "$@" "$f" ;;
				esac
			done
		done
		kyua -v parallelism="$jobs" test --results-file="$res" "$@"
	) >"$log" 2>&1
	grep -E ' ->  (failed|broken|skipped)' "$log"
	passed=$((passed + $(grep -c ' ->  passed' "$log")))
	passed=$((passed + $(grep -c ' ->  expected_failure' "$log")))
	skipped=$((skipped + $(grep -c ' ->  skipped' "$log")))
	failed=$((failed + $(grep -cE ' ->  (failed|broken)' "$log")))
	if ! grep -qE '^[0-9]+/[0-9]+ passed' "$log"; then
		tail -20 "$log"
		failed=$((failed + 1))
	fi
	if grep -qE ' ->  (failed|broken)' "$log"; then
		kyua report --verbose --results-file="$res" \
		    --results-filter=broken,failed 2>&1 | tail -200
	fi
}

# Every parser through its fuzzer's seeds once more: none keeps memory.
leaks() {	# leaks FOLDER
	for f in "$1"/regress/fuzz/fuzz_*.f; do
		case " ${TESTS:-fuzz} " in
		*" fuzz "*) ;;
		*) return ;;
		esac
		if ASAN_OPTIONS=detect_leaks=1 "$f" >"$log" 2>&1; then
			passed=$((passed + 1))
		else
			echo "$f: memory leaks, or what $log says"
			tail -20 "$log"
			failed=$((failed + 1))
		fi
	done
}

for half in $REGRESS; do
	case $half in
	plain)
		build "$top" || exit 1
		run "$top" plain
		;;
	asan)
		copy "$top/obj/asan"
		# a core of a sandboxed process cannot find its own program;
		# leaks are looked for by ptrace, which a sandbox forbids, and
		# ATF itself has some: the fuzzers are run for them below
		export ASAN_OPTIONS=detect_leaks=0:symbolize=0
		export UBSAN_OPTIONS=symbolize=0:print_stacktrace=1
		export SANITIZED=1 SLOW=4
		build "$top/obj/asan" "$asan" || exit 1
		run "$top/obj/asan" asan
		leaks "$top/obj/asan"
		;;
	esac
done
echo "$skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
