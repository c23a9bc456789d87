#include <stddef.h>
#include <string.h>

#include "sterr.h"

static const struct st_error errors[ST_CODE_MAX] = {
	[ST_OK] = { "", 200, "", "250 2.0.0", "", 0, "Done" },
	[ST_BAD_REQUEST] = { "bad-request", 400, "SERVERBUG",
	    "451 4.3.0", "SYS/PERM", 0, "The storage refused the request" },
	[ST_UNKNOWN_PARAMETER] = { "unknown-parameter", 400, "SERVERBUG",
	    "451 4.3.0", "SYS/PERM", 0, "The storage refused a parameter" },
	[ST_BAD_TOKEN] = { "bad-token", 401, "UNAVAILABLE",
	    "451 4.3.0", "SYS/TEMP", 0, "The storage refused our token" },
	[ST_BAD_CREDENTIALS] = { "bad-credentials", 403,
	    "AUTHENTICATIONFAILED", "550 5.2.1", "AUTH", 0,
	    "Authentication failed" },
	[ST_ACCOUNT_DISABLED] = { "account-disabled", 403,
	    "AUTHORIZATIONFAILED", "550 5.2.1", "AUTH", 1,
	    "Account disabled" },
	[ST_EXPIRED] = { "expired", 403, "EXPIRED", "550 5.2.1", "AUTH", 0,
	    "Password expired" },
	[ST_NOT_PERMITTED] = { "not-permitted", 403, "NOPERM",
	    "550 5.2.1", "AUTH", 1, "Not permitted" },
	[ST_READ_ONLY] = { "read-only", 403, "NOPERM", "550 5.2.1", "AUTH",
	    0, "Read-only" },
	[ST_NO_SUCH_ACCOUNT] = { "no-such-account", 404, "NONEXISTENT",
	    "550 5.1.1", "SYS/PERM", 1, "No such account" },
	[ST_NO_SUCH_MAILBOX] = { "no-such-mailbox", 404, "NONEXISTENT",
	    "550 5.1.1", "SYS/PERM", 0, "No such mailbox" },
	[ST_NO_SUCH_TARGET] = { "no-such-target", 404, "TRYCREATE",
	    "451 4.3.2", "SYS/PERM", 0, "No such target mailbox" },
	[ST_NO_SUCH_MESSAGE] = { "no-such-message", 404, "EXPUNGEISSUED",
	    "550 5.1.1", "SYS/PERM", 0, "The message is gone" },
	[ST_UNKNOWN_RECIPIENT] = { "unknown-recipient", 404, "",
	    "550 5.1.1", "SYS/PERM", 1, "No such user here" },
	[ST_NO_SUCH_ENTRY] = { "no-such-entry", 404, "SERVERBUG",
	    "451 4.3.0", "SYS/PERM", 0, "No such entry" },
	[ST_NO_SUCH_BLOB] = { "no-such-blob", 404, "UNAVAILABLE",
	    "451 4.3.0", "SYS/TEMP", 0, "What was uploaded is gone" },
	[ST_EXISTS] = { "exists", 409, "ALREADYEXISTS", "451 4.3.0",
	    "IN-USE", 0, "It exists already" },
	[ST_IN_USE] = { "in-use", 409, "INUSE", "451 4.3.0", "IN-USE", 0,
	    "It is in use" },
	[ST_KEY_IN_PROGRESS] = { "key-in-progress", 409, "UNAVAILABLE",
	    "451 4.3.0", "IN-USE", 0, "The same request is still running" },
	[ST_SINCE_TOO_OLD] = { "since-too-old", 410, "UNAVAILABLE",
	    "451 4.3.0", "SYS/TEMP", 0, "Changes are not known that far" },
	[ST_CURSOR_TOO_OLD] = { "cursor-too-old", 410, "UNAVAILABLE",
	    "451 4.3.0", "SYS/TEMP", 0, "Events are not known that far" },
	[ST_CHANGED] = { "changed", 412, "UNAVAILABLE", "451 4.3.0",
	    "SYS/TEMP", 0, "It has changed meanwhile" },
	[ST_TOO_LARGE] = { "too-large", 413, "TOOBIG", "552 5.3.4",
	    "SYS/PERM", 1, "Message too big" },
	[ST_KEY_REUSED] = { "key-reused", 422, "SERVERBUG", "451 4.3.0",
	    "SYS/TEMP", 0, "The storage saw our key before" },
	[ST_UNSUPPORTED_SEARCH] = { "unsupported-search", 422, "SERVERBUG",
	    "451 4.3.0", "SYS/TEMP", 0, "The storage cannot search so" },
	[ST_TRY_LATER] = { "try-later", 503, "UNAVAILABLE", "451 4.3.2",
	    "SYS/TEMP", 0, "The storage is busy, try again later" },
	[ST_OVER_QUOTA] = { "over-quota", 507, "OVERQUOTA", "452 4.2.2",
	    "SYS/TEMP", 0, "Over quota" },
	[ST_STORAGE_FULL] = { "storage-full", 507, "UNAVAILABLE",
	    "452 4.3.1", "SYS/TEMP", 0, "The storage is full" },
	[ST_INTERNAL] = { "internal", 500, "SERVERBUG", "451 4.3.0",
	    "SYS/TEMP", 0, "The storage failed" },
	[ST_UNAVAILABLE] = { "", 0, "UNAVAILABLE", "451 4.3.2",
	    "SYS/TEMP", 0, "The storage does not answer, try again later" },
	[ST_NONSENSE] = { "", 0, "UNAVAILABLE", "451 4.3.0", "SYS/TEMP", 0,
	    "The storage answered what we do not understand" },
	[ST_CUT] = { "", 0, "UNAVAILABLE", "451 4.3.0", "SYS/TEMP", 0,
	    "The storage's answer was cut off" },
	[ST_NO_GRANT] = { "", 0, "UNAVAILABLE", "451 4.3.0", "SYS/TEMP", 0,
	    "The session is not authorised any more" },
	[ST_LIMIT] = { "", 0, "LIMIT", "451 4.3.2", "IN-USE", 0,
	    "Too many connections of this account" },
};

const struct st_error *
st_error(enum st_code code)
{
	return &errors[(unsigned int)code < ST_CODE_MAX ? code : ST_INTERNAL];
}

const char *
st_lmtp(enum st_code code)
{
	const struct st_error *e = st_error(code);

	return *e->lmtp == '5' && !e->permanent ? "451 4.3.0" : e->lmtp;
}

enum st_code
st_code_by_name(const char *name, size_t len)
{
	enum st_code c;

	for (c = ST_BAD_REQUEST; c < ST_UNAVAILABLE; c++)
		if (strlen(errors[c].name) == len &&
		    memcmp(errors[c].name, name, len) == 0)
			return c;
	return ST_NONSENSE;
}

const char *const st_cap_names[CAP_MAX] = {
	"write", "modseq", "events", "idempotency", "copy", "auth", "scram",
	"subscriptions", "search", "sort", "thread", "cache", "dict",
	"quota", "metadata", "acl", "range", "batch", "objectid",
	"savedate", "uidl", "recipients"
};
