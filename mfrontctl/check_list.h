/*
 * The checks: name, section of mfront-storage(7), capability, others that
 * it needs, function, what is kept.  Included by check_funcs.h and by
 * check_table.c, which say what becomes of it.
 */

/* in every answer */
WATCHED("problem-documents", "ERROR CODES", LEVEL0,
    "errors are problem documents with a code and its status")
WATCHED("json-answers", "WIRE FORMAT, JSON", LEVEL0,
    "one value is application/json, at most 256 KiB")
WATCHED("ndjson-lines", "WIRE FORMAT, NDJSON", LEVEL0,
    "a header first, each line an object of at most 65,536 bytes")
WATCHED("ndjson-ends", "WIRE FORMAT, NDJSON", LEVEL0,
    "every answer has its last line")
WATCHED("sets-canonical", "WIRE FORMAT, Sets", LEVEL0,
    "sets are ascending, disjoint, not adjacent")
WATCHED("rows-ordered", "WIRE FORMAT, Rows", LEVEL0,
    "each uid is in one row, rows are in order")
WATCHED("list-header", "CALLS, List messages", LEVEL0,
    "uidnext, uidvalidity, flags, applied are in each header")
WATCHED("change-shape", "WIRE FORMAT, Changes", CAP_WRITE,
    "changes name their mailbox and, with modseq, two numbers")

/* what is read: check_read.c */
CHECK("service-document", "CALLS, The service document", LEVEL0, 0,
    read_service, "name, version, api, capabilities and limits are right")
CHECK("reserved-names", "LEVELS AND CAPABILITIES", LEVEL0, 0,
    read_reserved, "capabilities are the page's, or have a dot")
CHECK("token-needed", "SECURITY", LEVEL0, 0,
    read_token, "without the token, or with another, nothing is told")
CHECK("base-alone", "WIRE FORMAT, Requests", LEVEL0, 0,
    read_base, "the base without the last / is the same")
CHECK("unknown-call", "CALLS", LEVEL0, 0,
    read_unknown_call, "a call that there is not is 404 bad-request")
CHECK("unknown-method", "CALLS", LEVEL0, 0,
    read_unknown_method, "a method that there is not is 405, or 501")
CHECK("large-head", "WIRE FORMAT, Connections", LEVEL0, 0,
    read_large_head, "heads of 16,000 bytes are taken")
CHECK("unknown-fields", "WIRE FORMAT, Requests", LEVEL0, 0,
    read_unknown_fields, "unknown header fields and parameters are ignored")
CHECK("path-encoding", "WIRE FORMAT, Requests", LEVEL0, 0,
    read_path, "segments of paths are percent-decoded")
CHECK("mailbox-rows", "CALLS, List mailboxes", LEVEL0, 0,
    read_mailboxes, "rows have what they must, in good form")
CHECK("inbox-exists", "RULES, inbox-exists", LEVEL0, 0,
    read_inbox, "the account has an INBOX")
CHECK("mailbox-row", "CALLS, Look at one mailbox", LEVEL0, 0,
    read_mailbox, "one mailbox's row is that of the list")
CHECK("no-such-account", "WIRE FORMAT, Requests", LEVEL0, 0,
    read_no_account, "what can be no account is no-such-account")
CHECK("no-such-mailbox", "CALLS", LEVEL0, 0,
    read_no_mailbox, "a mailbox that is not there is no-such-mailbox")
CHECK("list-all", "CALLS, List messages", LEVEL0, 0,
    read_list, "a whole listing has as many messages as the row says")
CHECK("list-members", "CALLS, List messages", LEVEL0, 0,
    read_members, "rows have all members, in good form")
CHECK("list-fields", "CALLS, List messages", LEVEL0, 0,
    read_fields, "fields, where applied, gives exactly these members")
CHECK("list-unknown-field", "CALLS, List messages", LEVEL0, 0,
    read_unknown_field, "a field that is not known is not applied")
CHECK("list-uids", "CALLS, List messages", LEVEL0, 0,
    read_uids, "uids, where applied, gives these alone")
CHECK("set-intersected", "WIRE FORMAT, Sets", LEVEL0, 0,
    read_expand, "a set may name what is not there")
CHECK("set-refused", "WIRE FORMAT, Sets", LEVEL0, 0,
    read_bad_sets, "another spelling of a set is bad-request")
CHECK("size-is-exact", "RULES, size-is-exact", LEVEL0, 0,
    read_sizes, "contents have as many bytes as the listing says")
CHECK("content-is-constant", "RULES, content-is-constant", LEVEL0, 0,
    read_constant, "an id means the same bytes each time")
CHECK("lines-end-with-crlf", "CALLS, Read a message", LEVEL0, 0,
    read_crlf, "lines of contents end with CRLF")
CHECK("no-such-message", "CALLS, Read a message", LEVEL0, 0,
    read_no_message, "a content that is not there is no-such-message")
CHECK("not-announced", "LEVELS AND CAPABILITIES", LEVEL0, 0,
    read_not_announced, "calls that are not announced are not there")
CHECK("range", "CALLS, Read a message", CAP_RANGE, 0,
    read_range, "a range is answered with its bytes, or the whole")
CHECK("range-outside", "CALLS, Read a message", CAP_RANGE, 0,
    read_range_outside, "a range that is not there is not answered as one")

/* mailboxes: check_box.c */
CHECK("mailbox-create", "CALLS, Create a mailbox", CAP_WRITE, 0,
    box_create, "201 with the row, which is then in the list")
CHECK("mailbox-roles", "CALLS, Create a mailbox", CAP_WRITE, 0,
    box_roles, "roles are kept")
CHECK("mailbox-exists", "CALLS, Create a mailbox", CAP_WRITE, 0,
    box_exists, "a second of the name is exists")
CHECK("mailbox-names", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    box_names, "what may not be a name is refused, what may is kept")
CHECK("names-normal-form", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    box_normal, "a name not in normal form C is refused")
CHECK("mailbox-children", "CALLS, List mailboxes", CAP_WRITE, 0,
    box_children, "names are flat: a parent need not be there")
CHECK("mailbox-rename", "CALLS, Rename mailboxes", CAP_WRITE, 0,
    box_rename, "the mailbox and all below it have their new names")
CHECK("rename-refused", "CALLS, Rename mailboxes", CAP_WRITE, 0,
    box_rename_refused, "not onto another, below itself, or from nothing")
CHECK("mailbox-delete", "CALLS, Delete a mailbox", CAP_WRITE, 0,
    box_delete, "it is gone, those below it are not")
CHECK("inbox-protected", "CALLS, Delete a mailbox", CAP_WRITE, 0,
    box_inbox, "INBOX is neither deleted nor renamed")
CHECK("uidvalidity-grows", "RULES, uidvalidity-grows", CAP_WRITE, 0,
    box_uidvalidity, "each mailbox has a larger one than those before")
CHECK("id-is-uidvalidity", "RULES, id-is-uidvalidity", CAP_WRITE, 0,
    box_ids, "an id is never used again, nor with another uidvalidity")

/* uploads: check_store.c */
CHECK("upload", "CALLS, Store a message", CAP_WRITE, 0,
    store_one, "a row with uid, uidvalidity, id, change; bytes as sent")
CHECK("upload-flags", "CALLS, Store a message", CAP_WRITE, 0,
    store_flags, "flags and date are kept, the offset too")
CHECK("upload-plain", "CALLS, Store a message", CAP_WRITE, 0,
    store_plain, "without flags there are none, without date it is now")
CHECK("upload-chunked", "CALLS, Store a message", CAP_WRITE, 0,
    store_chunked, "a chunk may begin and end anywhere")
CHECK("upload-large", "CALLS, Store a message", CAP_WRITE, 0,
    store_large, "a large one, offered with Expect: 100-continue")
CHECK("upload-bytes", "CALLS, Store a message", CAP_WRITE, 0,
    store_bytes, "all bytes are kept, and no byte is added")
CHECK("upload-several", "CALLS, Store a message", CAP_WRITE, 0,
    store_several, "a row for each, in order, with its index")
CHECK("each-recipient-alone", "RULES, each-recipient-alone", CAP_WRITE, 0,
    store_alone, "one that fails does not touch the others")
CHECK("upload-refused", "CALLS, Store a message", CAP_WRITE, 0,
    store_refused, "a bad first line is refused, and stores nothing")
CHECK("dates-refused", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    store_dates, "a day, a time or an offset that cannot be is refused")
CHECK("upload-delivery", "CALLS, Store a message", CAP_WRITE, 0,
    store_delivery, "a delivery's from, address and delivery are taken")
CHECK("cut-stores-nothing", "RULES, cut-stores-nothing", CAP_WRITE, 0,
    store_cut, "a body that is cut off leaves no trace")
CHECK("too-large", "CALLS, Store a message", CAP_WRITE, 0,
    store_too_large, "more than limits.message is too-large")
CHECK("visible-at-once", "RULES, visible-at-once", CAP_WRITE, 0,
    store_visible, "what was answered is seen on any connection")

/* flags and expunge: check_flags.c */
CHECK("flags-add-remove", "CALLS, Change flags", CAP_WRITE, 0,
    flags_add, "add and remove, alone and together")
CHECK("flags-set", "CALLS, Change flags", CAP_WRITE, 0,
    flags_set, "set replaces all flags")
CHECK("flags-rows", "CALLS, Change flags", CAP_WRITE, 0,
    flags_rows, "rows are of those that really changed")
CHECK("flags-gone-uids", "CALLS, Change flags", CAP_WRITE, 0,
    flags_gone, "uids that do not exist are ignored")
CHECK("flags-together", "CALLS, Change flags", CAP_WRITE, 0,
    flags_together, "set with add, or a flag in both, is refused")
CHECK("flags-refused", "CALLS, Change flags", CAP_WRITE, 0,
    flags_refused, "\\Recent, or what is no flag, changes nothing")
CHECK("flags-limit", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    flags_limit, "256 keywords of a message are taken, more are refused")
CHECK("flags-bytes", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    flags_bytes, "a message's flags of more than 8,000 bytes are refused")
CHECK("keywords-limit", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    flags_keywords, "more than 1,000 keywords of a mailbox are refused")
CHECK("keywords-bytes", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    flags_keyword_bytes, "a mailbox's flags of more than 32,000 bytes are")
CHECK("flags-case", "WIRE FORMAT, Names and numbers", CAP_WRITE, 0,
    flags_case, "flags are the same in any case, kept as first written")
CHECK("flags-known", "CALLS, List messages", CAP_WRITE, 0,
    flags_known, "the header of a listing has every flag in use")
CHECK("set-in-body", "WIRE FORMAT, Sets", CAP_WRITE, 0,
    flags_sets, "another spelling of a set in a body is bad-request")
CHECK("expunge", "CALLS, Expunge", CAP_WRITE, 0,
    flags_expunge, "vanished names exactly what was removed")
CHECK("uid-never-again", "RULES, uids-ascend", CAP_WRITE, 0,
    flags_never_again, "the uid of what went is given to no other message")
CHECK("only-if-flag", "CALLS, Expunge", CAP_WRITE, 0,
    flags_only_if, "only messages that have the flag go")
CHECK("only-if-flag-needed", "CALLS, Expunge", CAP_WRITE, 0,
    flags_only_if_needed, "without only_if_flag nothing goes")
CHECK("chunked-json", "WIRE FORMAT, Connections", CAP_WRITE, 0,
    flags_chunked, "a JSON body may be chunked")
CHECK("unknown-members", "WIRE FORMAT, JSON", CAP_WRITE, 0,
    flags_unknown, "a member that is not known is unknown-parameter")
CHECK("unknown-null", "WIRE FORMAT, JSON", CAP_WRITE, 0,
    flags_unknown_null, "null does not make it a member that is known")
CHECK("members-not-announced", "WIRE FORMAT, JSON", CAP_WRITE, 0,
    flags_not_announced, "nor are those of what is not announced")
CHECK("uids-ascend", "RULES, uids-ascend", CAP_WRITE, 0,
    race_uids, "8 at once: no uid appears below a uidnext that was seen")

/* numbered changes: check_modseq.c */
CHECK("modseq-everywhere", "LEVELS AND CAPABILITIES", CAP_MODSEQ, 0,
    modseq_everywhere, "rows, headers and changes have a modseq")
CHECK("modseq-of-mailbox", "CALLS, List mailboxes", CAP_MODSEQ,
    CAP(CAP_WRITE), modseq_mailbox,
    "the row's is that of the last change in this mailbox")
CHECK("one-modseq", "RULES, one-change-one-modseq", CAP_MODSEQ,
    CAP(CAP_WRITE), modseq_one,
    "all messages of a request get the same, others keep theirs")
CHECK("modseq-unchanged", "WIRE FORMAT, Changes", CAP_MODSEQ,
    CAP(CAP_WRITE), modseq_unchanged,
    "what changes nothing has modseq_before and modseq equal")
CHECK("since", "CALLS, List messages", CAP_MODSEQ, CAP(CAP_WRITE),
    modseq_since, "only what was added or changed after it, and vanished")
CHECK("since-uids", "CALLS, List messages", CAP_MODSEQ, CAP(CAP_WRITE),
    modseq_since_uids, "rows are limited by uids, vanished is not")
CHECK("since-rows-modseq", "CALLS, List messages", CAP_MODSEQ,
    CAP(CAP_WRITE), modseq_since_rows,
    "with since rows have their modseq, whatever fields says")
CHECK("since-too-new", "CALLS, List messages", CAP_MODSEQ, 0,
    modseq_since_new, "after the mailbox's own it is since-too-old")
CHECK("since-zero", "CALLS, List messages", CAP_MODSEQ, 0,
    modseq_since_zero, "since=0 is bad-request")
CHECK("unchanged-since", "CALLS, Change flags", CAP_MODSEQ, CAP(CAP_WRITE),
    modseq_unchanged_since, "what changed later is left alone, and told")
CHECK("unchanged-since-null", "CALLS, Change flags", CAP_MODSEQ,
    CAP(CAP_WRITE), modseq_unchanged_null,
    "null as unchanged_since is no condition, and refused")
CHECK("unchanged-since-0", "CALLS, Change flags", CAP_MODSEQ,
    CAP(CAP_WRITE), modseq_unchanged_zero,
    "0 is a number like another: nothing is changed")
CHECK("modseqs-ascend", "RULES, modseqs-ascend", CAP_MODSEQ,
    CAP(CAP_WRITE), race_modseqs,
    "9 at once: no change appears at a modseq that was seen")
CHECK("one-change-one-modseq", "RULES, one-change-one-modseq", CAP_MODSEQ,
    CAP(CAP_WRITE), race_one,
    "9 at once: no two changes share modseqs")
CHECK("since-misses-nothing", "RULES, since-misses-nothing", CAP_MODSEQ,
    CAP(CAP_WRITE), race_since,
    "9 at once: what since gives, applied, is what is there")
CHECK("changes-at-once", "RULES, all-or-nothing", CAP_MODSEQ,
    CAP(CAP_WRITE), race_flags,
    "flags of many, or an expunge, are seen wholly or not at all")

/* copies: check_copy.c */
CHECK("copy", "CALLS, Copy and move", CAP_COPY, CAP(CAP_WRITE),
    copy_plain, "new ascending uids; rows and header tell all")
CHECK("copy-keeps", "CALLS, Copy and move", CAP_COPY, CAP(CAP_WRITE),
    copy_keeps, "content, date and flags are those of the original")
CHECK("copy-into-itself", "CALLS, Copy and move", CAP_COPY, CAP(CAP_WRITE),
    copy_itself, "a mailbox may be its own target")
CHECK("copy-gone-uids", "CALLS, Copy and move", CAP_COPY, CAP(CAP_WRITE),
    copy_gone, "uids that do not exist are ignored")
CHECK("copy-refused", "CALLS, Copy and move", CAP_COPY, CAP(CAP_WRITE),
    copy_refused, "no target is no-such-target; move must be there")
CHECK("move", "CALLS, Copy and move", CAP_COPY, CAP(CAP_WRITE),
    copy_move, "vanished names all that went, and they are gone")
CHECK("all-or-nothing", "RULES, all-or-nothing", CAP_COPY, CAP(CAP_WRITE),
    race_copy, "no reader sees a part of a copy")
CHECK("moved-is-in-one", "RULES, all-or-nothing", CAP_COPY, CAP(CAP_WRITE),
    race_move, "a moved message is never in both, nor in neither")

/* repeats: check_key.c */
CHECK("key-once", "RULES, key-once", CAP_IDEMPOTENCY, CAP(CAP_WRITE),
    key_once, "a repeated upload gives the same answer, and one message")
CHECK("key-each-change", "WIRE FORMAT, Repeats", CAP_IDEMPOTENCY,
    CAP(CAP_WRITE), key_changes,
    "flags, expunge, create, delete, copy, repeated, answer the same")
CHECK("key-batch", "WIRE FORMAT, Repeats", CAP_BATCH,
    CAP(CAP_WRITE) | CAP(CAP_IDEMPOTENCY), key_batch,
    "an upload and a batch, repeated, answer the same, and store once")
CHECK("key-dict", "WIRE FORMAT, Repeats", CAP_DICT, CAP(CAP_IDEMPOTENCY),
    key_dict, "a repeat of a PUT or a DELETE does nothing")
CHECK("key-metadata", "WIRE FORMAT, Repeats", CAP_METADATA,
    CAP(CAP_WRITE) | CAP(CAP_IDEMPOTENCY), key_metadata,
    "annotations that are set again by a repeat stay as they are")
CHECK("key-subscriptions", "WIRE FORMAT, Repeats", CAP_SUBSCRIPTIONS,
    CAP(CAP_IDEMPOTENCY), key_subscriptions,
    "a repeat does not subscribe again")
CHECK("key-reused", "WIRE FORMAT, Repeats", CAP_IDEMPOTENCY,
    CAP(CAP_WRITE), key_reused,
    "another body, path or method under a key is key-reused")
CHECK("key-refused", "WIRE FORMAT, Repeats", CAP_IDEMPOTENCY,
    CAP(CAP_WRITE), key_refused, "what is no key is bad-request")
CHECK("key-of-failure", "WIRE FORMAT, Repeats", CAP_IDEMPOTENCY,
    CAP(CAP_WRITE), key_failure, "a request that failed is not remembered")
CHECK("key-other", "RULES, key-once", CAP_IDEMPOTENCY, CAP(CAP_WRITE),
    key_other, "equal bytes under different keys are two messages")
CHECK("key-concurrent", "WIRE FORMAT, Repeats", CAP_IDEMPOTENCY,
    CAP(CAP_WRITE), key_concurrent,
    "the same request eight times at once is done once")
CHECK("key-per-index", "CALLS, Store a message", CAP_IDEMPOTENCY,
    CAP(CAP_WRITE), key_index,
    "a repeat gives the stored rows again and tries the others anew")

/* the stream of changes: check_events.c */
CHECK("events-header", "EVENTS", CAP_EVENTS, 0,
    events_header, "a header with a cursor, which since repeats")
CHECK("events-told", "EVENTS", CAP_EVENTS, CAP(CAP_WRITE),
    events_told, "every change of a mailbox is told within bound_ms")
CHECK("events-bound", "EVENTS", CAP_EVENTS, CAP(CAP_WRITE),
    events_bound, "most changes are told within bound_ms, none much later")
CHECK("events-account", "EVENTS", CAP_EVENTS, CAP(CAP_WRITE),
    events_account, "mailboxes, subscriptions and annotations are told")
CHECK("events-visible", "EVENTS", CAP_EVENTS, CAP(CAP_WRITE),
    events_visible, "what a line tells can be seen when it comes")
CHECK("events-resume", "EVENTS", CAP_EVENTS, CAP(CAP_WRITE),
    events_resume, "from a cursor on nothing is missed")
CHECK("events-list-cursor", "CALLS, List mailboxes", CAP_EVENTS,
    CAP(CAP_WRITE), events_list,
    "from the list's cursor on everything is told that it lacks")
CHECK("events-many", "EVENTS", CAP_EVENTS, CAP(CAP_WRITE),
    events_many, "200 changes in 5 mailboxes: the last of each is told")
CHECK("events-two", "EVENTS", CAP_EVENTS, CAP(CAP_WRITE),
    events_two, "two streams are told the same")
CHECK("events-too-old", "CALLS, Listen for changes", CAP_EVENTS, 0,
    events_old, "a cursor that is none is refused")
CHECK("events-heartbeat", "EVENTS", CAP_EVENTS, 0,
    events_beat, "a line with the cursor alone within 15 seconds")

/* the others: check_other.c */
CHECK("recipients", "CALLS, Find a recipient", CAP_RECIPIENTS, 0,
    other_recipients, "an account and a mailbox of it, or a refusal")
CHECK("recipients-unknown", "CALLS, Find a recipient", CAP_RECIPIENTS, 0,
    other_unknown, "nobody's address is unknown-recipient")
CHECK("subscriptions", "CALLS, Subscribe", CAP_SUBSCRIPTIONS,
    CAP(CAP_WRITE), other_subscribe, "names are added, shown and removed")
CHECK("subscriptions-stay", "CALLS, Subscribe", CAP_SUBSCRIPTIONS,
    CAP(CAP_WRITE), other_stay, "a subscription outlives its mailbox")
CHECK("subscriptions-renamed", "CALLS, Rename mailboxes", CAP_SUBSCRIPTIONS,
    CAP(CAP_WRITE), other_stay_renamed,
    "a subscription is of a name, and stays when that is renamed")
CHECK("auth-refused", "CALLS, Check a password", CAP_AUTH, 0,
    other_auth_refused, "a wrong password, and nobody, is bad-credentials")
CHECK("auth", "CALLS, Check a password", CAP_AUTH, 0,
    other_auth, "a right password gives account and name")
CHECK("cache", "CALLS, Keep a summary", CAP_CACHE, CAP(CAP_WRITE),
    other_cache, "a summary is kept, replaced, and listed")
CHECK("cache-no-change", "CALLS, Keep a summary", CAP_CACHE,
    CAP(CAP_WRITE) | CAP(CAP_MODSEQ), other_cache_silent,
    "a summary is no change: no modseq, no row with since")
CHECK("cache-size", "CALLS, Keep a summary", CAP_CACHE, CAP(CAP_WRITE),
    other_cache_size, "32,768 bytes are kept")
CHECK("cache-apart", "CALLS, Keep a summary", CAP_CACHE, CAP(CAP_WRITE),
    other_cache_apart, "another account neither sees nor gives it")
CHECK("accounts-apart", "RULES, accounts-apart", CAP_WRITE, 0,
    other_apart, "nothing is seen through another account's path")
CHECK("batch-apart", "RULES, accounts-apart", CAP_BATCH, CAP(CAP_WRITE),
    other_batch_apart, "a batch takes no content of another account")
CHECK("subscriptions-apart", "RULES, accounts-apart", CAP_SUBSCRIPTIONS, 0,
    other_subscriptions_apart, "another account has other subscriptions")
CHECK("metadata-apart", "RULES, accounts-apart", CAP_METADATA,
    CAP(CAP_WRITE), other_metadata_apart,
    "another account has other annotations")
CHECK("keys-apart", "WIRE FORMAT, Repeats", CAP_IDEMPOTENCY, CAP(CAP_WRITE),
    other_keys_apart, "a key of one account is none of another")

/* searches: check_search.c */
CHECK("search-flags", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_flags, "flag, uids, and, or, not find exactly these")
CHECK("search-uids", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_uids, "with uids only these are found")
CHECK("search-sizes", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_sizes, "larger and smaller, both without the size itself")
CHECK("search-dates", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_dates, "days of arrival and of the Date field, in their offsets")
CHECK("search-text", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_text, "header, body and text, in any case, decoded")
CHECK("search-changes", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_changes, "what is new is found at once, what went is not")
CHECK("search-header", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_header, "the header has total, superset, modseq and highest")
CHECK("search-limit", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_limit, "limit gives the first of them, and counts them all")
CHECK("search-refused", "CALLS, Search", CAP_SEARCH, CAP(CAP_WRITE),
    search_refused, "what is no query is refused")
CHECK("sort", "CALLS, Search", CAP_SORT, CAP(CAP_WRITE),
    search_sort, "each announced key orders, reverse too, then uids")
CHECK("sort-refused", "CALLS, Search", CAP_SORT, CAP(CAP_WRITE),
    search_sort_refused, "what is no criterion is refused")
CHECK("thread", "CALLS, Search", CAP_THREAD, CAP(CAP_WRITE),
    search_thread, "answers are below what they answer, each uid once")

/* what else may be announced: check_more.c */
CHECK("dict", "CALLS, Keep small values", CAP_DICT, 0,
    more_dict, "values are kept, replaced and removed, bytes as they are")
CHECK("dict-compare", "CALLS, Keep small values", CAP_DICT, 0,
    more_dict_compare, "If-Match and If-None-Match compare and swap")
CHECK("dict-list", "CALLS, Keep small values", CAP_DICT, 0,
    more_dict_list, "keys with a prefix are listed, in order")
CHECK("dict-apart", "CALLS, Keep small values", CAP_DICT, 0,
    more_dict_apart, "another account has other values")
CHECK("dict-size", "CALLS, Keep small values", CAP_DICT, 0,
    more_dict_size, "as many bytes are kept as are announced")
CHECK("quota", "CALLS, Look at the quota", CAP_QUOTA, 0,
    more_quota, "roots with what is used and what may be")
CHECK("quota-used", "CALLS, Look at the quota", CAP_QUOTA, CAP(CAP_WRITE),
    more_quota_used, "a message is counted as long as it is there")
CHECK("metadata", "CALLS, Annotate", CAP_METADATA, CAP(CAP_WRITE),
    more_metadata, "entries are set, listed and removed, and renamed along")
CHECK("metadata-at-once", "CALLS, Annotate", CAP_METADATA, CAP(CAP_WRITE),
    more_metadata_once, "entries of one request are set wholly or not at all")
CHECK("objectid", "CALLS, List mailboxes", CAP_OBJECTID, CAP(CAP_WRITE),
    more_objectid, "a mailbox's objectid survives its rename")
CHECK("threadid", "CALLS, List messages", CAP_OBJECTID, CAP(CAP_WRITE),
    more_threadid, "messages of one content are in one conversation")
CHECK("savedate", "CALLS, List messages", CAP_SAVEDATE, CAP(CAP_WRITE),
    more_savedate, "the moment that a message came into this mailbox")
CHECK("scram", "CALLS, Look up SCRAM keys", CAP_SCRAM, 0,
    more_scram, "salt, iterations and keys, the same salt for nobody")

/* batches: check_batch.c */
CHECK("blob", "CALLS, Store several messages", CAP_BATCH, 0,
    batch_blob, "an upload is a content, before a message has it")
CHECK("batch", "CALLS, Store several messages", CAP_BATCH, CAP(CAP_WRITE),
    batch_plain, "contents become messages, and others go, in one change")
CHECK("batch-parts", "CALLS, Store several messages", CAP_BATCH,
    CAP(CAP_WRITE), batch_parts, "a content can be made of pieces")
CHECK("batch-all-or-nothing", "RULES, all-or-nothing", CAP_BATCH,
    CAP(CAP_WRITE), batch_all, "if one cannot be stored none is")
