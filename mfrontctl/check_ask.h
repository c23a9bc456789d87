/*
 * What checks ask.  Paths begin with "/" and come behind the base.  All
 * functions leave the check (check_fail()) when there is no answer, or not
 * one that can be understood; what is merely wrong in it is watched.
 */
#ifndef CHECK_ASK_H
#define CHECK_ASK_H

#include "check_int.h"
#include "http.h"
#include "uidset.h"

struct request {
	const char	*method;
	const char	*path;
	const char	*fields;	/* more lines, each with its CRLF */
	const char	*type;		/* NULL: application/json */
	const char	*key;		/* NULL: a new one */
	const char	*body;		/* NULL: none */
	size_t		 len;
	int		 chunked;
	int		 notoken;
	int		 expect;
	int		 nokey;
};

struct answer	*ask(struct ck *, const struct request *);
struct answer	*ask_get(struct ck *, const char *, ...)
		    __attribute__((__format__ (printf, 2, 3)));
/* Method, path, JSON text (NULL: none). */
struct answer	*ask_do(struct ck *, const char *, const char *,
		    const char *);
/* In two steps, for bytes that are not a good request. */
struct net	*ask_open(struct ck *);
void		 ask_write(struct ck *, struct net *, const void *, size_t);
char		*ask_head(struct ck *, const struct request *, size_t);
struct answer	*ask_answer(struct ck *, struct net *, const char *);
/* Sends it, and waits for nothing: the answer to be, to show what was sent. */
struct answer	*ask_post(struct ck *, struct net *, const struct request *);
/* Sends it, and takes the answer's head alone, with what reads the rest. */
struct answer	*ask_begin(struct ck *, struct net *, const struct request *,
		    struct http_body *);
char		*ask_key(struct ck *);
/* Percent-encoded; and as JSON, with its quotes. */
const char	*ask_encoded(struct ck *, const char *);
const char	*ask_quoted(struct ck *, const char *);
/* Memory of the check, for val_parse(). */
void		*ask_val_alloc(void *, size_t);

/* Leave unless the answer is so. */
void		 ask_status(struct ck *, struct answer *, int);
void		 ask_ok(struct ck *, struct answer *);
/* One of some codes, with blanks between them. */
void		 ask_refused(struct ck *, struct answer *, const char *);
struct val	*ask_json(struct ck *, struct answer *);

/* An NDJSON answer that has come to its good end. */
struct lines {
	struct answer	 *a;
	struct val	 *header;
	struct val	**row;
	int		  n;
};

struct lines	*ask_lines(struct ck *, struct answer *);

/* A set or a uid, as a sorted array. */
struct uids {
	uint32_t	*u;
	uint32_t	 n;
};

void		 ask_set(struct ck *, struct answer *, const char *,
		    struct uids *);
void		 ask_row_uids(struct ck *, struct answer *, struct val *,
		    struct uids *);
int		 ask_in(const struct uids *, uint32_t);

/* Mailboxes. */
struct box {
	struct box	*next;
	char		*id;
	char		*name;
	uint32_t	 uidvalidity;
	uint32_t	 uidnext;
	uint64_t	 modseq;
	int		 gone;
};

struct lines	*ask_mailboxes(struct ck *);
struct val	*ask_mailbox_named(struct ck *, struct lines *,
		    const char *);
/* A new one, with a word in its name. */
struct box	*ask_box(struct ck *, const char *);
char		*ask_box_name(struct ck *, const char *);
struct box	*ask_box_of(struct ck *, struct val *, struct answer *);
struct val	*ask_box_row(struct ck *, struct box *);
char		*ask_box_path(struct ck *, const struct box *,
		    const char *);
/* Gives it another name, and perhaps another id. */
void		 ask_rename(struct ck *, struct box *);
/* The mailbox that is only looked at: see there. */
struct box	*ask_subject(struct ck *);

/* Listings. */
struct message {
	uint32_t	 uid;
	struct val	*row;
};

struct list {
	struct answer	*a;
	struct val	*header;
	struct val	*applied;
	uint64_t	 modseq;	/* 0: none */
	uint64_t	 since;		/* applied; 0: not */
	uint32_t	 uidnext;
	uint32_t	 uidvalidity;
	struct message	*m;
	uint32_t	 n;
	struct uids	 vanished;
	int		 rows;		/* lines that are rows */
	int		 merged;	/* rows of more than one message */
};

/* A mailbox and a query, "?fields=uid" or "". */
struct list	*ask_list(struct ck *, const struct box *, const char *, ...)
		    __attribute__((__format__ (printf, 3, 4)));
struct list	*ask_list_of(struct ck *, struct answer *);
struct val	*ask_find(const struct list *, uint32_t);
/* Leaves if it is not there. */
struct val	*ask_message(struct ck *, const struct list *, uint32_t);
int		 ask_has_flag(const struct val *, const char *);
/* The flags of a row are these, with blanks between them. */
int		 ask_flags_are(const struct val *, const char *);
int		 ask_applied(const struct list *, const char *);
int		 ask_applied_field(const struct list *, const char *);

/* Changes: the member of this name in a header or row. */
struct change {
	struct answer	*a;
	struct lines	*l;
	const char	*mailbox;
	uint64_t	 before;
	uint64_t	 modseq;
	struct uids	 vanished;
	struct uids	 modified;
	struct message	*m;		/* rows */
	uint32_t	 n;
};

void		 ask_change_of(struct ck *, struct answer *, struct val *,
		    const char *, struct change *);
struct change	*ask_patch(struct ck *, const struct box *, const char *,
		    ...) __attribute__((__format__ (printf, 3, 4)));
struct change	*ask_expunge(struct ck *, const struct box *, const char *,
		    const char *);
struct change	*ask_changed(struct ck *, struct answer *);

struct copied {
	struct answer	*a;
	struct change	 from;
	struct change	 to;
	uint32_t	 uidvalidity;
	struct uids	 froms;
	struct uids	 tos;
	struct uids	 vanished;
};

struct copied	*ask_copy(struct ck *, const struct box *, const char *,
		    const struct box *, int);

/* Uploads. */
struct stored {
	struct answer	*a;
	uint32_t	 uid;
	uint32_t	 uidvalidity;
	const char	*id;
	struct change	 change;
};

/* A message like no other, of about so many bytes. */
char		*ask_new_message(struct ck *, size_t);
/* The upload's body: its line, LF, the message. */
char		*ask_upload_body(struct ck *, const char *, const char *,
		    size_t, size_t *);
struct answer	*ask_upload(struct ck *, const char *, const char *, size_t,
		    const char *);
void		 ask_stored_row(struct ck *, struct answer *, struct val *,
		    struct stored *);
/* Stores a message in a mailbox: members of its "to", or "". */
struct stored	*ask_store(struct ck *, const struct box *, const char *,
		    const char *, size_t);
/* An upload that is no message yet: its id. */
const char	*ask_blob(struct ck *, const char *, size_t);
/* So many short messages; the uids, ascending. */
void		 ask_fill(struct ck *, const struct box *, int,
		    struct uids *);

/* The stream of events. */
struct stream {
	struct net	*net;
	struct answer	*a;		/* its body grows with what comes */
	struct http_body b;
	struct val	*header;
	size_t		 at;		/* bytes of it that were read */
	size_t		 cap;
};

/* A stream that has said its header; a cursor or NULL. */
struct stream	*ask_events(struct ck *, const char *);
/* The next line until a moment, NULL when it has come. */
struct val	*ask_event(struct ck *, struct stream *, int64_t);

#endif /* CHECK_ASK_H */
