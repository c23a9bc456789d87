# mfrontd: IMAP, POP3 and LMTP in front of an open HTTP storage API.
#
#	make			builds it all
#	make run		starts it here, with a demo account
#	make regress		builds and runs all tests
#	make bench		measures it against dovecot
#	make install		DESTDIR= PREFIX=
#	make lint fuzz clean

PROGS =	lib mfrontd mfrontctl mstored

all: config.mk
	@for d in ${PROGS}; do (cd $$d && ${MAKE}) || exit 1; done

config.mk: configure
	./configure

run:
	@sh etc/run.sh

regress:
	@sh regress/run.sh

bench:
	@sh regress/bench/run.sh

fuzz: all
	cd regress/fuzz && ${MAKE} fuzz

lint: config.mk
	@sh etc/packages.sh lint
	@sh etc/lint.sh

install: all
	cd etc && ${MAKE} install

clean: config.mk
	@for d in ${PROGS} regress etc; do (cd $$d && ${MAKE} clean) || exit 1; done
	rm -rf obj config.mk config.mk.tmp

.PHONY: all run regress bench fuzz lint install clean
