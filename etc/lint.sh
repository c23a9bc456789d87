#!/bin/sh
# make lint: manuals through mandoc, sources through cppcheck.

set -u
cd "$(dirname "$0")/.."
bad=0
for page in */*.[578]; do
	mandoc -Tlint -W warning "$page" || bad=1
done
# Of the suppressed: parse.c is yacc's; a search key of a tree is filled only as
# far as it is compared, which ctuuninitvar cannot see.
cppcheck --quiet --error-exitcode=1 --std=c11 --inline-suppr \
    --enable=warning,portability,performance \
    --suppress=missingIncludeSystem --suppress=missingInclude \
    --suppress=varFuncNullUB --suppress=ctuuninitvar \
    '--suppress=*:*parse.c' '--suppress=*:/usr/include/*' \
    -DLIBBSD_OVERLAY -D__linux__ -D__unused= \
    -I/usr/include/bsd -Ilib -Ilib/compat \
    lib mfrontd mfrontctl mstored || bad=1
exit $bad
