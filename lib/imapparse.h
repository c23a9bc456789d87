/*
 * IMAP commands as sent by a client, parsed into plain structs: RFC 3501,
 * and of what came later the syntax of the extensions in enum imap_ext.
 *
 * How a command comes together.  The caller reads a line and asks
 * imap_literal_tail() whether it ends with the announcement of a literal;
 * if so it checks the size against its limits, sends the continuation if
 * the literal waits for one, appends CRLF and the literal's bytes to its
 * buffer, then the next line, and so on.  imap_parse() gets it all, without
 * the last CRLF:
 *
 *	a1 LOGIN {3} CRLF joe {4} CRLF pass
 *
 * APPEND's message is not collected.  When imap_is_append() says that a
 * buffer ending in an announcement is an APPEND, imap_parse() is called at
 * once: it returns IMAP_OK if what was announced is the message (its size is
 * in append.literal, and it streams), IMAP_WANT_LITERAL if it was the
 * mailbox name (collect it, go on).  What follows the message, and so on to
 * the command's end, is for imap_parse_more().  REPLACE is parsed as APPEND
 * is.  IMAP_WANT_LITERAL is also what any
 * other command gives whose last announcement has no bytes behind it, so
 * a caller may parse early to refuse a bad command before its continuation.
 * A literal that does not wait ("{5+}") must be read whatever the parser
 * says: its bytes are on their way.
 *
 * Ownership: strings point into the caller's buffer, which must stay and
 * stay unchanged, or into memory of the struct imap_cmd, given back by
 * imap_cmd_free() (always call it, after errors too).  A struct hstr is
 * not NUL-terminated and has p NULL for NIL and for what was not given; a
 * char pointer is NUL-terminated.
 *
 * Bounds: IMAP_*_MAX below, over which a command is refused; memory is at
 * most IMAP_ARENA_MAX for a command; no recursion deeper than
 * IMAP_DEPTH_MAX; time is linear in the command's length, but for doubles
 * among FETCH items, which are few.
 */
#ifndef IMAPPARSE_H
#define IMAPPARSE_H

#include <sys/types.h>
#include <stdint.h>

#include "flags.h"
#include "header.h"
#include "rfcdate.h"
#include "seqset.h"

#define IMAP_TAG_MAX		64
#define IMAP_ARENA_MAX		(2 * 1024 * 1024)
#define IMAP_DEPTH_MAX		50	/* nested parentheses and NOT OR */
#define IMAP_KEYS_MAX		1000	/* search keys */
#define IMAP_ATTS_MAX		100	/* fetch items */
#define IMAP_FIELDS_MAX		200	/* header fields of one fetch item */
#define IMAP_PARTS_MAX		64	/* numbers in a section: 1.2.3... */
#define IMAP_PATTERNS_MAX	50
#define IMAP_ID_MAX		30	/* fields (RFC 2971, 3.3) */
#define IMAP_OBJECTID_MAX	255
#define IMAP_META_MAX		100	/* entries of a command */
#define IMAP_META_NAME_MAX	255	/* bytes of an entry's name */
#define IMAP_APPEND_MAX		1000	/* items in a piece of an APPEND */
#define IMAP_URL_MAX		8000	/* bytes of a URL */

/*
 * Extensions whose syntax the parser knows.  The caller passes the set it
 * offers; what belongs to others is refused as if unknown.  Those that only
 * give capabilities of the server a name have no place here.
 */
enum imap_ext {
	IMAP_EXT_BASE,			/* RFC 3501: always there */
	IMAP_EXT_BINARY,		/* RFC 3516 */
	IMAP_EXT_CATENATE,		/* RFC 4469 */
	IMAP_EXT_CONDSTORE,		/* RFC 7162 */
	IMAP_EXT_CREATE_SPECIAL_USE,	/* RFC 6154 */
	IMAP_EXT_ENABLE,		/* RFC 5161 */
	IMAP_EXT_ESEARCH,		/* RFC 4731 */
	IMAP_EXT_ESORT,			/* RFC 5267 */
	IMAP_EXT_ID,			/* RFC 2971 */
	IMAP_EXT_IDLE,			/* RFC 2177 */
	IMAP_EXT_LIST_EXTENDED,		/* RFC 5258 */
	IMAP_EXT_LIST_STATUS,		/* RFC 5819 */
	IMAP_EXT_METADATA,		/* RFC 5464 */
	IMAP_EXT_MOVE,			/* RFC 6851 */
	IMAP_EXT_MULTIAPPEND,		/* RFC 3502 */
	IMAP_EXT_NAMESPACE,		/* RFC 2342 */
	IMAP_EXT_OBJECTID,		/* RFC 8474 */
	IMAP_EXT_QRESYNC,		/* RFC 7162 */
	IMAP_EXT_QUOTA,			/* RFC 9208 */
	IMAP_EXT_REPLACE,		/* RFC 8508 */
	IMAP_EXT_SASL_IR,		/* RFC 4959 */
	IMAP_EXT_SAVEDATE,		/* RFC 8514 */
	IMAP_EXT_SEARCHRES,		/* RFC 5182 */
	IMAP_EXT_SORT,			/* RFC 5256 */
	IMAP_EXT_SORT_DISPLAY,		/* RFC 5957 */
	IMAP_EXT_SPECIAL_USE,		/* RFC 6154 */
	IMAP_EXT_STATUS_DELETED,	/* RFC 9051 */
	IMAP_EXT_STATUS_SIZE,		/* RFC 8438 */
	IMAP_EXT_THREAD,		/* RFC 5256: both algorithms */
	IMAP_EXT_UIDPLUS,		/* RFC 4315 */
	IMAP_EXT_UNSELECT,		/* RFC 3691 */
	IMAP_EXT_IMAP4REV2,		/* RFC 9051: implies most above */
	IMAP_EXT_MAX
};

/* A set of them. */
struct imap_exts {
	uint64_t	w[2];
};

/* Adds one and what it implies (QRESYNC CONDSTORE, IMAP4rev2 its parts). */
void	 imap_ext_add(struct imap_exts *, enum imap_ext);
int	 imap_ext_has(const struct imap_exts *, enum imap_ext);
/* By capability name, any case; IMAP_EXT_MAX if it is none of these. */
enum imap_ext imap_ext_lookup(const char *, size_t);
const char *imap_ext_name(enum imap_ext);

struct imap_parse_opts {
	struct imap_exts exts;
	int		 utf8;	/* the client enabled UTF8=ACCEPT or
				 * IMAP4rev2: quoted strings and mailbox
				 * names are UTF-8, not modified UTF-7 */
};

/* The announcement of a literal (RFC 9051, 4.3; RFC 7888; RFC 3516). */
struct imap_literal {
	uint64_t	 size;		/* bytes that follow */
	int		 sync;		/* the client waits for "+" */
	int		 binary;	/* "~{": may hold NUL */
};

/*
 * Does a line (without its CRLF; of a command in pieces only the piece
 * after the last literal) end with one?  1: yes, 0: no, -1: its number is
 * over 2^63 - 1 (nobody can tell then where the next command begins).
 */
int	 imap_literal_tail(const char *, size_t, struct imap_literal *);

/*
 * Every command.  Those behind "UID" have the same name and imap_cmd.uid.
 */
enum imap_verb {
	IMAP_UNKNOWN,
	IMAP_APPEND,
	IMAP_AUTHENTICATE,
	IMAP_CAPABILITY,
	IMAP_CHECK,
	IMAP_CLOSE,
	IMAP_COPY,
	IMAP_CREATE,
	IMAP_DELETE,
	IMAP_ENABLE,
	IMAP_EXAMINE,
	IMAP_EXPUNGE,
	IMAP_FETCH,
	IMAP_GETMETADATA,
	IMAP_GETQUOTA,
	IMAP_GETQUOTAROOT,
	IMAP_ID,
	IMAP_IDLE,
	IMAP_LIST,
	IMAP_LOGIN,
	IMAP_LOGOUT,
	IMAP_LSUB,
	IMAP_MOVE,
	IMAP_NAMESPACE,
	IMAP_NOOP,
	IMAP_RENAME,
	IMAP_REPLACE,
	IMAP_SEARCH,
	IMAP_SELECT,
	IMAP_SETMETADATA,
	IMAP_SETQUOTA,
	IMAP_SORT,
	IMAP_STARTTLS,
	IMAP_STATUS,
	IMAP_STORE,
	IMAP_SUBSCRIBE,
	IMAP_THREAD,
	IMAP_UNSELECT,
	IMAP_UNSUBSCRIBE,
	IMAP_VERB_MAX
};

/*
 * What answering takes, cheapest first: the mailbox mirror (uid, sequence
 * number, flags), the message's row (date, size, modseq), its summary
 * (envelope, structure, common header fields), its bytes.  Summary and
 * bytes: the summary's structure tells which bytes.  A header field that is
 * searched and not among the common ones is said to need the bytes; the
 * summary at hand may know better (summary_knows_fields()).
 */
#define IMAP_NEED_MIRROR	0x1
#define IMAP_NEED_ROW		0x2
#define IMAP_NEED_SUMMARY	0x4
#define IMAP_NEED_CONTENT	0x8
#define IMAP_NEED_HEADER	0x10	/* of the message: all its fields */

/* Mailbox names: UTF-8, INBOX in capitals, list_name_ok(), no NFC check. */

struct imap_login {
	struct hstr	 user;
	struct hstr	 pass;
};

struct imap_authenticate {
	struct hstr	 mech;		/* an atom, as sent */
	struct hstr	 initial;	/* base64; p NULL: none; len 0: "=" */
};

/* RFC 7162, 3.2.5: what the client has of the mailbox. */
struct imap_qresync {
	uint32_t	 uidvalidity;
	uint64_t	 modseq;
	int		 has_uids;
	struct seqset	 uids;		/* no "*" in any of these */
	int		 has_match;
	struct seqset	 match_seqs;	/* equally many numbers in both */
	struct seqset	 match_uids;
};

struct imap_select {			/* SELECT, EXAMINE */
	const char	*mailbox;
	int		 condstore;	/* also set by QRESYNC */
	int		 qresync;
	struct imap_qresync q;
};

/* Special uses (RFC 6154, RFC 8457), as bits; imap_use_role() names one. */
#define IMAP_USE_ALL		0x01
#define IMAP_USE_ARCHIVE	0x02
#define IMAP_USE_DRAFTS		0x04
#define IMAP_USE_FLAGGED	0x08
#define IMAP_USE_IMPORTANT	0x10
#define IMAP_USE_JUNK		0x20
#define IMAP_USE_SENT		0x40
#define IMAP_USE_TRASH		0x80

/* A bit's name as the storage API has it ("sent"), NULL for no such bit. */
const char *imap_use_role(uint32_t);
/* The attribute of a role: "\\Sent" for "sent", NULL if there is none. */
const char *imap_use_attr(const char *);

struct imap_mailbox {			/* DELETE, SUBSCRIBE, GETQUOTAROOT */
	const char	*mailbox;
};

struct imap_create {
	const char	*mailbox;	/* a "/" at its end is gone */
	uint32_t	 use;		/* IMAP_USE_* */
};

struct imap_rename {
	const char	*from;
	const char	*to;
};

#define IMAP_STATUS_MESSAGES		0x01
#define IMAP_STATUS_RECENT		0x02
#define IMAP_STATUS_UIDNEXT		0x04
#define IMAP_STATUS_UIDVALIDITY		0x08
#define IMAP_STATUS_UNSEEN		0x10
#define IMAP_STATUS_DELETED		0x20
#define IMAP_STATUS_SIZE		0x40
#define IMAP_STATUS_HIGHESTMODSEQ	0x80
#define IMAP_STATUS_DELETED_STORAGE	0x100
#define IMAP_STATUS_MAILBOXID		0x200	/* the last one */

const char *imap_status_name(uint32_t);

struct imap_statuscmd {
	const char	*mailbox;
	uint32_t	 items;
};

#define IMAP_LIST_SUBSCRIBED		0x01	/* select and return */
#define IMAP_LIST_REMOTE		0x02	/* select */
#define IMAP_LIST_RECURSIVEMATCH	0x04	/* select */
#define IMAP_LIST_SPECIAL_USE		0x08	/* select and return */
#define IMAP_LIST_CHILDREN		0x10	/* return */
#define IMAP_LIST_STATUS		0x20	/* return */

struct imap_list {			/* LIST, LSUB */
	const char	*reference;
	const char	**patterns;	/* for list_match(), reference joined */
	uint32_t	 npatterns;
	int		 root;		/* the one pattern was "": asks for the
					 * delimiter only */
	int		 extended;	/* the syntax of RFC 5258 was used */
	uint32_t	 select;	/* IMAP_LIST_* */
	uint32_t	 ret;
	uint32_t	 status;	/* IMAP_STATUS_* of STATUS () */
};

struct imap_copy {			/* COPY, MOVE */
	struct seqset	 set;
	const char	*mailbox;
};

struct imap_expunge {			/* UID EXPUNGE only */
	struct seqset	 set;
};

enum imap_att {
	ATT_BINARY,			/* BINARY[1.2]<0.9>, decoded content */
	ATT_BINARY_SIZE,
	ATT_BODY,			/* BODY without a section */
	ATT_BODYSTRUCTURE,
	ATT_EMAILID,
	ATT_ENVELOPE,
	ATT_FLAGS,
	ATT_INTERNALDATE,
	ATT_MODSEQ,
	ATT_PREVIEW,			/* RFC 8970 */
	ATT_SAVEDATE,
	ATT_SECTION,			/* BODY[..], RFC822, .HEADER, .TEXT */
	ATT_SIZE,			/* RFC822.SIZE */
	ATT_THREADID,
	ATT_UID
};

enum imap_section_what {
	SECTION_ALL,			/* BODY[], BODY[1.2] */
	SECTION_HEADER,
	SECTION_FIELDS,			/* HEADER.FIELDS */
	SECTION_FIELDS_NOT,
	SECTION_MIME,
	SECTION_TEXT
};

struct imap_section {
	enum imap_section_what what;
	const uint32_t	*part;		/* 1.2.3 */
	size_t		 nparts;
	const struct hstr *field;	/* names as sent: printable, no ":" */
	size_t		 nfields;
	const char	*text;		/* "1.2.HEADER", "", "TEXT": the
					 * section without a field list */
};

/*
 * What CATENATE's URLs name (RFC 5092, relative ones): a message or a
 * section of one, or some bytes of that.
 */
struct imap_url {
	const char	*mailbox;	/* "": the selected one */
	int		 relative;	/* to the one above the selected one */
	uint32_t	 uidvalidity;	/* 0: not said */
	uint32_t	 uid;
	int		 has_section;
	struct imap_section section;
	int		 partial;
	uint64_t	 offset;
	uint64_t	 count;		/* UINT64_MAX: to the end */
};

/*
 * An APPEND in the order in which it is to be done: a message begins; what
 * it is made of follows, one literal or, with CATENATE, literals and URLs.
 * A literal is always the last item: its bytes follow.
 */
enum imap_append_what {
	APPEND_MESSAGE,
	APPEND_URL,
	APPEND_TEXT
};

struct imap_append_item {
	enum imap_append_what what;
	struct flag_list flags;		/* APPEND_MESSAGE */
	int		 has_date;
	struct rfcdate	 date;
	int		 catenate;
	struct hstr	 text;		/* APPEND_URL: as it was sent */
	int		 bad;		/* it is no URL of ours */
	struct imap_url	 url;
	struct imap_literal literal;	/* APPEND_TEXT */
	struct imap_append_item *next;
};

struct imap_append {			/* APPEND, REPLACE */
	const char	*mailbox;	/* not of imap_parse_more() */
	struct seqset	 set;		/* REPLACE: one number, or "*" */
	struct imap_append_item *item;	/* the first is APPEND_MESSAGE, but
					 * of imap_parse_more() any or NULL */
	int		 open;		/* CATENATE's list is not closed */
	int		 whole;		/* nothing follows */
};

/*
 * One item.  name is the text of the response's item, as in
 * "BODY[HEADER.FIELDS (From To)]<0>" or "RFC822".
 */
struct imap_fetch_att {
	enum imap_att	 att;
	const char	*name;
	uint32_t	 needs;		/* IMAP_NEED_* */
	int		 peek;		/* does not set \Seen */
	int		 lazy;		/* PREVIEW: only if it is at hand */
	int		 partial;
	uint64_t	 offset;	/* <offset.count> */
	uint64_t	 count;
	struct imap_section section;
};

/*
 * Macros are expanded, doubles dropped.  UID FETCH has UID as its first
 * item, CHANGEDSINCE adds MODSEQ.
 */
struct imap_fetch {
	struct seqset	 set;
	struct imap_fetch_att *att;
	uint32_t	 natts;
	uint32_t	 needs;		/* of all items together */
	int		 sets_seen;	/* some item is without peek */
	int		 has_changedsince;
	uint64_t	 changedsince;
	int		 vanished;
};

enum imap_store_op {
	STORE_SET,
	STORE_ADD,
	STORE_REMOVE
};

struct imap_store {
	struct seqset	 set;
	enum imap_store_op op;
	int		 silent;
	struct flag_list flags;
	int		 has_unchangedsince;
	uint64_t	 unchangedsince;
};

/*
 * SEARCH.  NOT is the neg of a key; NEW, UNSEEN, FROM and the like come as
 * what they stand for, so few kinds are left to evaluate.  AND and OR have
 * any number of children (at least one), cheapest first by needs; OR of OR
 * and AND of AND are one.
 */
enum imap_key_type {
	KEY_ALL,
	KEY_AND,
	KEY_OR,
	KEY_SEQ,			/* set: sequence numbers or $ */
	KEY_UID,			/* set */
	KEY_FLAG,			/* num: FLAG_* */
	KEY_KEYWORD,			/* str */
	KEY_RECENT,
	KEY_MODSEQ,			/* num: modseq is num or more */
	KEY_THREADID,			/* str */
	KEY_SAVEDATESUPPORTED,
	KEY_EMAILID,			/* str */
	KEY_SAVEDBEFORE,		/* day: of the save date */
	KEY_SAVEDON,
	KEY_SAVEDSINCE,
	KEY_BEFORE,			/* day: INTERNALDATE's day is earlier */
	KEY_ON,
	KEY_SINCE,			/* or later */
	KEY_LARGER,			/* num: bytes */
	KEY_SMALLER,
	KEY_SENTBEFORE,			/* day: of the Date field */
	KEY_SENTON,
	KEY_SENTSINCE,
	KEY_HEADER,			/* field, str ("": it is there) */
	KEY_BODY,			/* str */
	KEY_TEXT
};

struct imap_key {
	enum imap_key_type type;
	int		 neg;
	uint32_t	 needs;		/* with all children */
	struct imap_key	*child;
	struct imap_key	*next;
	struct seqset	 set;
	uint64_t	 num;
	int32_t		 day;		/* days since 1970-01-01 */
	struct hstr	 field;
	struct hstr	 str;		/* UTF-8 */
};

#define IMAP_RETURN_MIN		0x01
#define IMAP_RETURN_MAX		0x02
#define IMAP_RETURN_ALL		0x04
#define IMAP_RETURN_COUNT	0x08
#define IMAP_RETURN_SAVE	0x10

/* SORT (RFC 5256, RFC 5957) and THREAD (RFC 5256). */
enum imap_sort {
	SORT_ARRIVAL,
	SORT_CC,
	SORT_DATE,
	SORT_DISPLAYFROM,
	SORT_DISPLAYTO,
	SORT_FROM,
	SORT_SIZE,
	SORT_SUBJECT,
	SORT_TO,
	IMAP_SORT_MAX
};

enum imap_thread {
	THREAD_ORDEREDSUBJECT,
	THREAD_REFERENCES,
	IMAP_THREAD_MAX
};

const char *imap_sort_name(enum imap_sort);
const char *imap_thread_name(enum imap_thread);

struct imap_sort_by {
	enum imap_sort	 by;
	int		 reverse;
};

struct imap_search {			/* SEARCH, SORT, THREAD */
	struct imap_key	*key;		/* one: AND if there were several */
	uint32_t	 nkeys;
	int		 esearch;	/* RETURN was there */
	uint32_t	 ret;		/* IMAP_RETURN_*; RETURN () gives ALL */
	int		 modseq;	/* a MODSEQ key is in it: CONDSTORE is
					 * on from here, answer with MODSEQ */
	struct imap_sort_by sort[IMAP_SORT_MAX];
	uint32_t	 nsort;		/* each criterion once */
	enum imap_thread thread;
};

struct imap_id {
	const struct hstr *field;
	const struct hstr *value;	/* p NULL: NIL */
	uint32_t	 n;		/* 0: ID NIL */
};

struct imap_quota {			/* GETQUOTA, SETQUOTA */
	struct hstr	 root;
};

struct imap_meta_entry {
	const char	*name;		/* lower case, meta_name_ok() */
	struct hstr	 value;		/* SETMETADATA: may hold NUL; p NULL:
					 * NIL */
};

enum imap_meta_depth {
	META_DEPTH_0,
	META_DEPTH_1,
	META_DEPTH_INFINITY
};

struct imap_metadata {			/* GETMETADATA, SETMETADATA */
	const char	*mailbox;	/* "": the server's */
	struct imap_meta_entry *entry;	/* each name once */
	uint32_t	 n;
	int		 has_maxsize;
	uint32_t	 maxsize;
	enum imap_meta_depth depth;
};

struct imap_enable {
	const struct hstr *name;
	uint32_t	 n;
};

enum imap_result {
	IMAP_BAD = -1,			/* refused: imap_cmd.error */
	IMAP_OK = 0,
	IMAP_WANT_LITERAL = 1
};

struct imap_chunk;

struct imap_cmd {
	struct hstr	 tag;		/* p NULL: not even that was right */
	enum imap_verb	 verb;
	int		 uid;		/* UID FETCH and so on */
	const char	*name;		/* "UID FETCH", NULL if unknown */
	union {
		struct imap_append	 append;
		struct imap_authenticate authenticate;
		struct imap_copy	 copy;
		struct imap_create	 create;
		struct imap_enable	 enable;
		struct imap_expunge	 expunge;
		struct imap_fetch	 fetch;
		struct imap_id		 id;
		struct imap_list	 list;
		struct imap_login	 login;
		struct imap_mailbox	 mailbox;
		struct imap_metadata	 metadata;
		struct imap_quota	 quota;
		struct imap_rename	 rename;
		struct imap_search	 search;
		struct imap_select	 select;
		struct imap_statuscmd	 status;
		struct imap_store	 store;
	};

	const char	*error;		/* constant text, "[CODE] " in front
					 * where there is one */
	size_t		 errpos;	/* byte of the buffer */
	int		 no;		/* right syntax: answer NO, not BAD */

	struct imap_chunk *chunks;	/* memory of the result */
	size_t		 used;
};

/*
 * Parse one command; the struct need not be initialised, buffer and options
 * must outlive it.  Never fails for want of memory in another way than
 * IMAP_BAD.
 */
enum imap_result imap_parse(struct imap_cmd *, const struct imap_parse_opts *,
	    const char *, size_t);
void	 imap_cmd_free(struct imap_cmd *);

/*
 * The next piece of an APPEND or REPLACE: what stands between the bytes of
 * one literal and the next one's announcement, or the end.  open as it was
 * left.  Results are as of imap_parse().
 */
enum imap_result imap_parse_more(struct imap_cmd *,
	    const struct imap_parse_opts *, const char *, size_t,
	    enum imap_verb, int);

/* Only the tag (of a line too long to collect); 0, or -1. */
int	 imap_parse_tag(struct hstr *, const char *, size_t);
/* Is the command in this buffer, perhaps unfinished, APPEND or REPLACE? */
int	 imap_is_append(const char *, size_t);
/* The line that ends IDLE. */
int	 imap_is_done(const char *, size_t);

/* The tagged line (untagged without a tag) that says why: BAD or NO. */
struct ibuf;
int	 imap_put_refusal(struct ibuf *, const struct imap_cmd *);

/*
 * The key as IMAP text again, canonical: for logs and tests, and for a
 * backend that takes it.  Parsing it gives the same key.
 */
int	 imap_put_key(struct ibuf *, const struct imap_key *);

#endif /* IMAPPARSE_H */
