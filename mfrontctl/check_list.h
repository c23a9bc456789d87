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
    read_reserved, "no capability is announced that this page lacks")
CHECK("token-needed", "SECURITY", LEVEL0, 0,
    read_token, "without the token, or with another, nothing is told")
CHECK("base-alone", "WIRE FORMAT, Requests", LEVEL0, 0,
    read_base, "the base without the last / is the same")
CHECK("unknown-call", "CALLS", LEVEL0, 0,
    read_unknown_call, "a call that there is not is 404 bad-request")
CHECK("unknown-method", "CALLS", LEVEL0, 0,
    read_unknown_method, "a method that there is not is 405 bad-request")
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
