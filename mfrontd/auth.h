/*
 * Numbers that the listeners and auth share, and what auth writes to the
 * log for others to read.
 *
 * A failed login is exactly one line, whatever it failed of, if it was the
 * client's fault (a storage that is down makes none):
 *
 *	auth: session=8f31c2aa-9-100002 event=auth-failed remote=192.0.2.7
 *	    service=imap user="joe" reason="bad password"
 *
 * (in one line).  remote is an address or "local"; user is what was typed,
 * cut at 128 bytes, everything but plain printable characters as \ooo, so
 * that no user can write a line of his own.  For fail2ban:
 *
 *	failregex = event=auth-failed remote=<HOST> service=\S+ user="
 *
 * Reasons: "bad password", "unknown user", "account disabled", "another
 * identity asked for", "account changed", "too many failures" (refused
 * without a look at the password), "bad exchange" (an answer that belongs to
 * no question of ours), and with "auth storage" the code that the storage
 * gave.
 */
#ifndef AUTH_H
#define AUTH_H

enum auth_mech {
	AUTH_PASSWORD,		/* LOGIN, PLAIN, USER and PASS: it is sent */
	AUTH_SCRAM,		/* SCRAM-SHA-256: it is not */
	AUTH_MECH_MAX
};

#define AUTH_MECH(m)	(UINT32_C(1) << (m))

/* Why a session is ended by others than its client. */
enum kick_why {
	KICK_ADDRESS,		/* too many connections from there */
	KICK_REMOVED,		/* the account is gone */
	KICK_STORAGE,		/* the storage wants it no more */
	KICK_ADMIN		/* mfrontctl kick */
};

#endif /* AUTH_H */
