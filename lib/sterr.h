/*
 * The storage API's error codes and what each becomes in the mail
 * protocols: one table for the engine, the listeners and the store.
 */
#ifndef STERR_H
#define STERR_H

enum st_code {
	ST_OK,
	ST_BAD_REQUEST,
	ST_UNKNOWN_PARAMETER,
	ST_BAD_TOKEN,
	ST_BAD_CREDENTIALS,
	ST_ACCOUNT_DISABLED,
	ST_EXPIRED,
	ST_NOT_PERMITTED,
	ST_READ_ONLY,
	ST_NO_SUCH_ACCOUNT,
	ST_NO_SUCH_MAILBOX,
	ST_NO_SUCH_TARGET,
	ST_NO_SUCH_MESSAGE,
	ST_UNKNOWN_RECIPIENT,
	ST_NO_SUCH_ENTRY,	/* of dict */
	ST_NO_SUCH_BLOB,
	ST_EXISTS,
	ST_IN_USE,
	ST_KEY_IN_PROGRESS,
	ST_SINCE_TOO_OLD,
	ST_CURSOR_TOO_OLD,
	ST_CHANGED,		/* dict: another value by now */
	ST_TOO_LARGE,
	ST_KEY_REUSED,
	ST_UNSUPPORTED_SEARCH,
	ST_TRY_LATER,
	ST_OVER_QUOTA,
	ST_STORAGE_FULL,
	ST_INTERNAL,
	/* what no backend says, but the engine finds */
	ST_UNAVAILABLE,		/* down, unreachable, or not answering */
	ST_NONSENSE,		/* answered what is not the API */
	ST_CUT,			/* the answer ended in the middle */
	ST_NO_GRANT,		/* the session may not act (any more) */
	ST_LIMIT,		/* our own: of connections to an account */
	ST_CODE_MAX
};

struct st_error {
	const char	*name;		/* in problem+json, "" for our own */
	int		 http;		/* status */
	const char	*imap;		/* response code, "" for none */
	const char	*lmtp;		/* reply and enhanced status code */
	const char	*pop3;		/* response code */
	int		 permanent;	/* for a delivery */
	const char	*text;		/* for people */
};

const struct st_error *st_error(enum st_code);
/*
 * The reply to a recipient: permanent only for the codes that the
 * specification lists, so that a misconfigured proxy does not bounce mail.
 */
const char	*st_lmtp(enum st_code);
/* By the name in an answer; one that is not in the table: ST_NONSENSE. */
enum st_code	 st_code_by_name(const char *, size_t);

/* Capabilities a service document may announce, as bits of a mask. */
enum st_cap {
	CAP_WRITE, CAP_MODSEQ, CAP_EVENTS, CAP_IDEMPOTENCY, CAP_COPY,
	CAP_AUTH, CAP_SCRAM, CAP_SUBSCRIPTIONS, CAP_SEARCH, CAP_SORT,
	CAP_THREAD, CAP_CACHE, CAP_DICT, CAP_QUOTA, CAP_METADATA, CAP_ACL,
	CAP_RANGE, CAP_BATCH, CAP_OBJECTID, CAP_SAVEDATE, CAP_UIDL,
	CAP_RECIPIENTS, CAP_MAX
};

#define CAP(c)		(UINT64_C(1) << (c))

/*
 * What no storage announces, but its engine adds: keys of dict that begin
 * with INDEX_PREFIX are kept, by the storage or in a file here.
 */
#define CAP_INDEX	((enum st_cap)48)
#define INDEX_PREFIX	"ix1."
/* ... and of objectid's details: rows of messages can have a threadid. */
#define CAP_THREADID	((enum st_cap)49)

extern const char *const st_cap_names[CAP_MAX];

#endif /* STERR_H */
