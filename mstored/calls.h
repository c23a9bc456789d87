/*
 * The calls of the storage API: each is one handler, named in the table of
 * route.c, or a few where the body comes piece by piece.
 */
#ifndef CALLS_H
#define CALLS_H

#include "conn.h"

#define CACHE_MAX	32768		/* bytes of a summary */
#define CACHE_JSON_MAX	(48 * 1024)	/* the same as a JSON string */
#define SET_MAX		32768		/* bytes of a set in a body */
#define SET_URL_MAX	4096		/* and in a URL */
#define DICT_VALUE	65536		/* bytes of a value of dict */
#define METADATA_VALUE	8192		/* of metadata, in a row as JSON too */
#define METADATA_ENTRY	NAME_ENTRY_MAX
#define METADATA_BODY	(1024 * 1024)
#define UPLOAD_MEM	(128 * 1024)	/* a message that stays in memory */
#define BLOB_SECONDS	3600		/* a content without a message stays */
#define BATCH_MESSAGES	1000		/* of one request */
#define BATCH_PARTS	1000		/* of all of them */
#define UPLOAD_LINE	(1024 * 1024)	/* of JSON before a message */

void	 call_service(struct req *, const struct head *);
void	 call_mailboxes(struct req *, const struct head *);
void	 call_mailbox(struct req *, const struct head *);
void	 call_list(struct req *, const struct head *);
void	 call_content(struct req *, const struct head *);
void	 call_create(struct req *, const struct head *);
void	 call_rename(struct req *, const struct head *);
void	 call_delete(struct req *, const struct head *);
void	 call_subscriptions(struct req *, const struct head *);
void	 call_cache(struct req *, const struct head *);
void	 call_patch(struct req *, const struct head *);
void	 call_expunge(struct req *, const struct head *);
void	 call_copy(struct req *, const struct head *);
void	 call_upload(struct req *, const struct head *);
int	 call_upload_data(struct req *, const void *, size_t);
void	 call_upload_end(struct req *);
void	 call_recipients(struct req *, const struct head *);
void	 call_auth(struct req *, const struct head *);
void	 call_events(struct req *, const struct head *);

void	 call_dict_get(struct req *, const struct head *);
void	 call_dict_put(struct req *, const struct head *);
void	 call_dict_del(struct req *, const struct head *);
void	 call_dict_list(struct req *, const struct head *);
void	 call_quota(struct req *, const struct head *);
void	 call_metadata(struct req *, const struct head *);
void	 call_metadata_set(struct req *, const struct head *);
void	 call_scram(struct req *, const struct head *);
void	 call_blob(struct req *, const struct head *);
void	 call_batch(struct req *, const struct head *);
/* call_batch.c: the file worker is gone. */
void	 batch_close(void);
void	 call_search(struct req *, const struct head *);

/*
 * call_search.c: open before there are threads, start, then stop and close;
 * the details of its capabilities.
 */
int	 search_open(void);
int	 search_start(void);
void	 search_stop(void);
void	 search_close(void);
int	 search_put_keys(struct ibuf *);
int	 search_put_sort(struct ibuf *);
int	 search_put_thread(struct ibuf *);

/* call_content.c: can this be a summary? */
int	 cache_is_text(const char *, size_t);

/* Does the server offer this? */
#define HAS(cap)	((server.conf->caps & CAP(cap)) != 0)

#endif /* CALLS_H */
