#!/bin/sh
# Makes the users that the processes run as, one a role, where they are not
# there yet.  As root.

set -eu
os=$(uname -s)
for role in imap pop3 lmtp auth hash engine conn ctl store; do
	name=_mf$role
	id "$name" >/dev/null 2>&1 && continue
	case $os in
	Linux)
		if command -v useradd >/dev/null 2>&1; then
			useradd --system --user-group --no-create-home \
			    --home-dir /nonexistent --shell /usr/sbin/nologin \
			    --comment "mfrontd $role" "$name"
		else
			addgroup -S "$name"
			adduser -S -D -H -h /nonexistent -s /sbin/nologin \
			    -G "$name" -g "mfrontd $role" "$name"
		fi
		;;
	FreeBSD)
		pw useradd -n "$name" -c "mfrontd $role" -d /nonexistent \
		    -s /usr/sbin/nologin
		;;
	OpenBSD)
		groupadd "$name"
		useradd -g "$name" -c "mfrontd $role" -d /var/empty \
		    -s /sbin/nologin "$name"
		;;
	esac
done
