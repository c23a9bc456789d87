/*
 * Every message between the processes, once: who may send it to whom, with
 * or without a descriptor, and its fields with their bounds.  Structs,
 * encoder, decoder, access check, round-trip test, fuzzer and the hash that
 * two processes compare first are all made from this list.
 *
 *	MSG(name, from, to, descriptor, flags)
 *		U8 U16 U32 U64(name, field)	numbers, network order
 *		STR(name, field, max)		text without NUL, bytes < max
 *		BLOB(name, field, max)		bytes <= max
 *		SET(name, field, max)		a uid set of <= max ranges
 *	END(name)
 *
 * In the header, id is the listener's session (or 0) and req the request
 * that an answer belongs to, numbered by the side that asks.  SECRET: the
 * body holds a password or key and is wiped on both sides after use.
 *
 * No include guard: included once for each thing that is made of it.
 */

/* parent and child: start */
MSG(hello, R_PARENT, R_CHILD, NOFD, 0)
	U64(hello, table)		/* msg_table_hash() */
	U8(hello, role)
	U16(hello, slot)
	U32(hello, gen)
	STR(hello, boot, 17)		/* names this start of mfrontd */
	U8(hello, verbose)
	U8(hello, logdest)		/* enum log_dest */
	U8(hello, sandbox)		/* enum sandbox_mode */
	U8(hello, root)			/* chroot and change user */
	U32(hello, uid)
	U32(hello, gid)
	STR(hello, chroot, 1024)
	U32(hello, nfiles)		/* descriptors it may need */
END(hello)
MSG(ready, R_CHILD, R_PARENT, NOFD, 0)
	STR(ready, sandbox, 256)	/* what holds it, for the log */
END(ready)
MSG(log, R_CHILD, R_PARENT, NOFD, 0)
	U8(log, prio)
	STR(log, text, 1024)
END(log)
MSG(verbose, R_PARENT, R_CHILD, NOFD, 0)
	U8(verbose, level)
END(verbose)
MSG(stop, R_PARENT, R_CHILD, NOFD, 0)
	U32(stop, grace)		/* seconds */
END(stop)
MSG(peer, R_PARENT, R_CHILD, FD, 0)
	U8(peer, role)
	U16(peer, slot)
	U32(peer, gen)
END(peer)
/* a sibling broke the table: the parent ends it */
MSG(complaint, R_CHILD, R_PARENT, NOFD, 0)
	U8(complaint, role)
	U16(complaint, slot)
	U32(complaint, gen)
	STR(complaint, message, 64)
	STR(complaint, reason, 128)
END(complaint)

/* configuration: begin, parts, end; prepared (or refused); commit or abort */
MSG(conf_begin, R_PARENT, R_CHILD, NOFD, 0)
	U32(conf_begin, serial)
	U8(conf_begin, first)
END(conf_begin)
MSG(conf_limits, R_PARENT, R_CHILD, NOFD, 0)
	U32(conf_limits, conn_total)
	U32(conf_limits, conn_address)
	U32(conf_limits, conn_account)
	U32(conf_limits, conn_login)	/* not logged in yet */
	U64(conf_limits, message)	/* bytes */
	U32(conf_limits, line)		/* bytes of a command line */
	U32(conf_limits, literal)	/* bytes of literals in a command */
	U32(conf_limits, recipients)
	U32(conf_limits, rcpt_rate)	/* a second, of an lmtp process */
	U32(conf_limits, badcmds)
	U32(conf_limits, t_login)	/* seconds, all of them */
	U32(conf_limits, t_idle)
	U32(conf_limits, t_command)
	U32(conf_limits, t_write)
	U32(conf_limits, t_backend)
	U32(conf_limits, poll)
	U32(conf_limits, check)
	U32(conf_limits, delay)		/* after a failed login */
	U32(conf_limits, failures)	/* of an address, before it waits */
	U64(conf_limits, cache)		/* bytes of contents an engine keeps */
	U32(conf_limits, pool)		/* connections to a storage */
	U8(conf_limits, plain_loopback)	/* login without TLS on loopback */
	STR(conf_limits, hostname, 256)
END(conf_limits)
MSG(conf_listen, R_PARENT, R_LISTENER, FD, 0)
	U32(conf_listen, id)
	U8(conf_listen, tls)		/* enum listen_tls */
	U8(conf_listen, local)		/* a unix socket */
	U8(conf_listen, allow)		/* only the peers in conf_allow */
	U32(conf_listen, cert)		/* id of its default certificate */
	STR(conf_listen, name, 256)
END(conf_listen)
MSG(conf_allow, R_PARENT, R_LISTENER, NOFD, 0)
	U32(conf_allow, listen)
	BLOB(conf_allow, addr, 16)	/* 4 or 16 bytes */
	U8(conf_allow, prefixlen)
END(conf_allow)
MSG(conf_cert, R_PARENT, R_LISTENER, NOFD, SECRET)
	U32(conf_cert, id)
	STR(conf_cert, name, 256)
	BLOB(conf_cert, cert, 49152)
	BLOB(conf_cert, key, 15360)
END(conf_cert)
MSG(conf_auth, R_PARENT, R_AUTH, NOFD, 0)
	U8(conf_auth, kind)		/* enum auth_kind */
	U16(conf_auth, storage)
	STR(conf_auth, file, 1024)	/* for messages */
	U32(conf_auth, workers)
	U16(conf_auth, engines)		/* places, running or not */
END(conf_auth)
MSG(conf_domain, R_PARENT, R_AUTH, NOFD, 0)
	STR(conf_domain, name, 256)
END(conf_domain)
/* whose accounts are where; with a prefix, a subtree of theirs; in order */
MSG(conf_place, R_PARENT, R_AUTH, NOFD, 0)
	STR(conf_place, prefix, 256)	/* "": the whole account */
	STR(conf_place, pattern, 512)
	STR(conf_place, account, 512)	/* "": the same name there */
	U16(conf_place, storage)
END(conf_place)
/* the password file, in pieces as they come */
MSG(conf_passwd, R_PARENT, R_AUTH, NOFD, SECRET)
	BLOB(conf_passwd, text, 32768)
END(conf_passwd)
MSG(conf_storage, R_PARENT, R_ENGINE|R_CONNECTOR|R_AUTH|R_CONTROL|R_LISTENER,
    NOFD, SECRET)
	U16(conf_storage, id)
	STR(conf_storage, name, 64)
	U8(conf_storage, embedded)
	STR(conf_storage, token, 4096)	/* engine only */
	U64(conf_storage, without)	/* capabilities not to be used */
	U8(conf_storage, index)		/* enum index_kind */
	U32(conf_storage, health)	/* seconds between probes, 0: none */
END(conf_storage)
/* the file of a local index: read and written by offset only */
MSG(conf_index, R_PARENT, R_ENGINE, FD, 0)
	U16(conf_index, storage)
	U64(conf_index, size)		/* bytes that it may have */
	STR(conf_index, store, 4200)	/* folder or URL, to tell them apart */
END(conf_index)
MSG(conf_url, R_PARENT, R_ENGINE|R_CONNECTOR, NOFD, 0)
	U16(conf_url, storage)
	U16(conf_url, id)
	U8(conf_url, kind)		/* enum url_kind */
	STR(conf_url, host, 256)	/* name or address; "" for unix */
	U16(conf_url, port)
	STR(conf_url, path, 1024)	/* of the base, "" or "/v1" */
	STR(conf_url, sock, 1024)	/* unix: the socket's path */
END(conf_url)
/* the folder of a unix socket, for the connector */
MSG(conf_sockdir, R_PARENT, R_CONNECTOR, FD, 0)
	U16(conf_sockdir, storage)
	U16(conf_sockdir, id)
END(conf_sockdir)
MSG(conf_ca, R_PARENT, R_ENGINE, NOFD, 0)
	U16(conf_ca, storage)
	BLOB(conf_ca, pem, 60000)	/* several messages add up */
END(conf_ca)
MSG(conf_client, R_PARENT, R_ENGINE, NOFD, SECRET)
	U16(conf_client, storage)
	BLOB(conf_client, cert, 32768)
	BLOB(conf_client, key, 15360)
END(conf_client)
MSG(conf_control, R_PARENT, R_CONTROL, FD, 0)
	STR(conf_control, path, 1024)
END(conf_control)
MSG(conf_store, R_PARENT, R_STORE, FD, 0)
	U32(conf_store, uid)		/* whom it answers: the connector */
	U8(conf_store, open)		/* accounts come with their use */
	U64(conf_store, message)	/* bytes */
	U32(conf_store, connections)
END(conf_store)
MSG(conf_end, R_PARENT, R_CHILD, NOFD, 0)
	U32(conf_end, serial)
END(conf_end)
MSG(conf_status, R_CHILD, R_PARENT, NOFD, 0)
	U32(conf_status, serial)
	U8(conf_status, ok)
	STR(conf_status, error, 900)
END(conf_status)
MSG(conf_commit, R_PARENT, R_CHILD, NOFD, 0)
	U32(conf_commit, serial)
END(conf_commit)
MSG(conf_abort, R_PARENT, R_CHILD, NOFD, 0)
	U32(conf_abort, serial)
END(conf_abort)
MSG(conf_done, R_CHILD, R_PARENT, NOFD, 0)
	U32(conf_done, serial)
END(conf_done)

/* listener and auth: connections, logins, recipients; id is the session */
MSG(conn_open, R_LISTENER, R_AUTH, NOFD, 0)
	BLOB(conn_open, addr, 16)	/* empty: a unix socket */
	U8(conn_open, tls)
	U8(conn_open, in)		/* logged in; auth is another one */
END(conn_open)
MSG(conn_close, R_LISTENER, R_AUTH, NOFD, 0)
END(conn_close)
MSG(auth_req, R_LISTENER, R_AUTH, NOFD, SECRET)
	U8(auth_req, mech)		/* enum auth_mech */
	U8(auth_req, tls)
	STR(auth_req, user, 512)
	STR(auth_req, authzid, 512)
	STR(auth_req, secret, 4096)
	STR(auth_req, remote, 64)
END(auth_req)
/* mechanisms that accounts can be used with now; before: AUTH_PASSWORD */
MSG(auth_mechs, R_AUTH, R_IMAP|R_POP3, NOFD, 0)
	U32(auth_mechs, mechs)		/* enum auth_mech, as bits */
END(auth_mechs)
/*
 * A mechanism of several steps (RFC 4422, 3).  What it is about stays with
 * auth; each challenge has a number of its own, and only what names it, in
 * its session, is a response.
 */
MSG(sasl_start, R_IMAP|R_POP3, R_AUTH, NOFD, SECRET)
	U8(sasl_start, mech)
	U8(sasl_start, tls)
	BLOB(sasl_start, message, 2048)
END(sasl_start)
MSG(sasl_challenge, R_AUTH, R_IMAP|R_POP3, NOFD, 0)
	U32(sasl_challenge, number)
	BLOB(sasl_challenge, message, 512)
END(sasl_challenge)
MSG(sasl_response, R_IMAP|R_POP3, R_AUTH, NOFD, SECRET)
	U32(sasl_response, number)
	BLOB(sasl_response, message, 2048)
END(sasl_response)
/* the client gave it up */
MSG(sasl_abort, R_IMAP|R_POP3, R_AUTH, NOFD, 0)
	U32(sasl_abort, number)
END(sasl_abort)
MSG(auth_ok, R_AUTH, R_LISTENER, NOFD, 0)
	STR(auth_ok, user, 512)
	U16(auth_ok, engine)
	U32(auth_ok, egen)
	U32(auth_ok, acct)		/* the engine's handle for the account */
	U16(auth_ok, storage)
END(auth_ok)
/*
 * Before auth_ok or regrant, one for each mount: its number, and the
 * engine's handle for the account there.
 */
MSG(auth_mount, R_AUTH, R_IMAP, NOFD, 0)
	U16(auth_mount, mount)		/* from 1 on */
	U16(auth_mount, storage)
	U32(auth_mount, acct)
	STR(auth_mount, prefix, 256)	/* "": one that is known already */
END(auth_mount)
MSG(auth_fail, R_AUTH, R_LISTENER, NOFD, 0)
	U16(auth_fail, code)		/* enum st_code */
	STR(auth_fail, text, 256)
END(auth_fail)
/* the engine was started again: the session's grant is there once more */
MSG(regrant, R_AUTH, R_LISTENER, NOFD, 0)
	U16(regrant, engine)
	U32(regrant, egen)
	U32(regrant, acct)
END(regrant)
MSG(kick, R_AUTH|R_CONTROL, R_LISTENER, NOFD, 0)
	U8(kick, why)			/* enum kick_why */
	STR(kick, text, 128)
END(kick)
MSG(rcpt_req, R_LMTP, R_AUTH, NOFD, 0)
	U32(rcpt_req, txn)
	STR(rcpt_req, address, 512)
	STR(rcpt_req, from, 512)
	U64(rcpt_req, size)
END(rcpt_req)
MSG(rcpt_res, R_AUTH, R_LMTP, NOFD, 0)
	U16(rcpt_res, code)		/* enum st_code */
	U32(rcpt_res, rcpt)		/* handle at the engine */
	U16(rcpt_res, engine)
	U32(rcpt_res, egen)
	U16(rcpt_res, storage)
	STR(rcpt_res, text, 256)
END(rcpt_res)
/* the transaction is over: its recipients are nobody's any more */
MSG(txn_end, R_LMTP, R_AUTH, NOFD, 0)
	U32(txn_end, txn)
END(txn_end)

/* auth and its hashing workers */
MSG(hash_req, R_AUTH, R_HASH, NOFD, SECRET)
	STR(hash_req, secret, 4096)
	STR(hash_req, hash, 256)
END(hash_req)
MSG(hash_res, R_HASH, R_AUTH, NOFD, 0)
	U8(hash_res, match)
END(hash_res)

/* auth and engine: what the storage decides, and grants; req is auth's */
MSG(auth_query, R_AUTH, R_ENGINE, NOFD, SECRET)
	U16(auth_query, storage)
	U8(auth_query, mech)
	U8(auth_query, tls)
	STR(auth_query, user, 512)
	STR(auth_query, authzid, 512)
	STR(auth_query, secret, 4096)
	STR(auth_query, service, 16)
	STR(auth_query, remote, 64)
	STR(auth_query, session, 64)
END(auth_query)
MSG(auth_answer, R_ENGINE, R_AUTH, NOFD, 0)
	U16(auth_answer, code)
	STR(auth_answer, account, 512)
	STR(auth_answer, name, 512)
	STR(auth_answer, text, 256)
END(auth_answer)
MSG(scram_query, R_AUTH, R_ENGINE, NOFD, 0)
	U16(scram_query, storage)
	U8(scram_query, tls)
	STR(scram_query, user, 512)
	STR(scram_query, service, 16)
	STR(scram_query, remote, 64)
	STR(scram_query, session, 64)
END(scram_query)
MSG(scram_answer, R_ENGINE, R_AUTH, NOFD, SECRET)
	U16(scram_answer, code)
	STR(scram_answer, account, 512)
	STR(scram_answer, name, 512)
	U32(scram_answer, iterations)
	BLOB(scram_answer, salt, 64)
	BLOB(scram_answer, stored, 32)
	BLOB(scram_answer, server, 32)
END(scram_answer)
MSG(rcpt_query, R_AUTH, R_ENGINE, NOFD, 0)
	U16(rcpt_query, storage)
	STR(rcpt_query, address, 512)
	STR(rcpt_query, from, 512)
	U64(rcpt_query, size)
	STR(rcpt_query, session, 64)
END(rcpt_query)
MSG(rcpt_answer, R_ENGINE, R_AUTH, NOFD, 0)
	U16(rcpt_answer, code)
	STR(rcpt_answer, account, 512)
	STR(rcpt_answer, mailbox, 256)
	STR(rcpt_answer, text, 256)
END(rcpt_answer)
MSG(grant, R_AUTH, R_ENGINE, NOFD, 0)
	U32(grant, gen)			/* of the listener's process */
	U32(grant, session)
	U16(grant, mount)
	U16(grant, storage)
	STR(grant, account, 512)
	STR(grant, user, 512)
END(grant)
/* auth was started again: what was granted before, as the engine has it */
MSG(granted, R_ENGINE, R_AUTH, NOFD, 0)
	U32(granted, gen)
	U32(granted, session)
	U16(granted, mount)
	U16(granted, storage)
	STR(granted, account, 512)
	STR(granted, user, 512)
	U32(granted, acct)
END(granted)
MSG(grant_rcpt, R_AUTH, R_ENGINE, NOFD, 0)
	U32(grant_rcpt, gen)
	U32(grant_rcpt, session)
	U32(grant_rcpt, txn)
	U32(grant_rcpt, rcpt)
	U16(grant_rcpt, storage)
	STR(grant_rcpt, account, 512)
	STR(grant_rcpt, mailbox, 256)	/* id; "": INBOX, the engine looks */
	STR(grant_rcpt, address, 512)
END(grant_rcpt)
MSG(grant_ok, R_ENGINE, R_AUTH, NOFD, 0)
	U16(grant_ok, code)
	U32(grant_ok, acct)
	STR(grant_ok, text, 256)
END(grant_ok)
MSG(revoke, R_AUTH, R_ENGINE, NOFD, 0)
	U32(revoke, gen)
	U32(revoke, session)
END(revoke)
MSG(revoke_txn, R_AUTH, R_ENGINE, NOFD, 0)
	U32(revoke_txn, gen)
	U32(revoke_txn, session)
	U32(revoke_txn, txn)
END(revoke_txn)

/* connector and engine; req is the engine's */
MSG(connect_req, R_ENGINE, R_CONNECTOR, NOFD, 0)
	U16(connect_req, storage)
	U16(connect_req, url)
END(connect_req)
MSG(connect_ok, R_CONNECTOR, R_ENGINE, FD, 0)
END(connect_ok)
MSG(connect_fail, R_CONNECTOR, R_ENGINE, NOFD, 0)
	STR(connect_fail, text, 128)
END(connect_fail)

/* what an engine knows of a storage, to whoever depends on it */
MSG(st_info, R_ENGINE, R_AUTH|R_LISTENER, NOFD, 0)
	U16(st_info, storage)
	U8(st_info, up)
	U64(st_info, caps)		/* enum st_cap, as bits */
	U64(st_info, message)		/* largest it takes, 0: not said */
	U32(st_info, recipients)	/* most of them in one upload */
	U32(st_info, epoch)		/* of the event stream, 0: none */
	U32(st_info, set)		/* characters of a set in a body */
	U32(st_info, search)		/* enum stquery_key, as bits */
	U32(st_info, nodes)		/* of a query, see stquery.h */
	U32(st_info, depth)
	U32(st_info, texts)
	U32(st_info, sort)		/* enum imap_sort, as bits */
	U32(st_info, thread)		/* enum imap_thread, as bits */
	U32(st_info, annotation)	/* bytes of one, 0: not said */
	U32(st_info, batch)		/* messages in one, 0: not said */
	U32(st_info, parts)		/* of one of them, 0: not said */
END(st_info)

/*
 * Storage requests.  id is the session, whose grant decides the account;
 * req is new for each.  Every request ends with one st_end.  What carries
 * bytes in bulk (st_rows, st_data) is sent against credit, in bytes, which
 * the request opens and st_credit adds to.
 */
MSG(st_mailboxes, R_IMAP|R_POP3, R_ENGINE, NOFD, 0)
	U16(st_mailboxes, mount)
END(st_mailboxes)
MSG(st_mailbox, R_IMAP|R_POP3, R_ENGINE, NOFD, 0)
	U16(st_mailbox, mount)
	STR(st_mailbox, mailbox, 256)
END(st_mailbox)
MSG(st_mbox, R_ENGINE, R_IMAP|R_POP3, NOFD, 0)
	STR(st_mbox, id, 256)
	STR(st_mbox, name, 1001)
	U32(st_mbox, uidvalidity)
	U32(st_mbox, uidnext)
	U32(st_mbox, messages)
	U64(st_mbox, modseq)
	U32(st_mbox, unseen)
	U32(st_mbox, deleted)
	U64(st_mbox, size)
	STR(st_mbox, state, 256)
	STR(st_mbox, roles, 256)	/* with spaces between */
	STR(st_mbox, objectid, 256)	/* "": none */
	U32(st_mbox, has)		/* enum mbox_has, as bits */
	U32(st_mbox, epoch)		/* of the events when it was asked */
END(st_mbox)
MSG(st_list, R_IMAP|R_POP3, R_ENGINE, NOFD, 0)
	U16(st_list, mount)
	STR(st_list, mailbox, 256)
	SET(st_list, uids, 4096)	/* empty: all */
	U32(st_list, fields)		/* enum row_field, as bits */
	U64(st_list, since)		/* 0: none */
	U32(st_list, credit)
END(st_list)
MSG(st_head, R_ENGINE, R_IMAP|R_POP3, NOFD, 0)
	U64(st_head, modseq)
	U32(st_head, uidnext)
	U32(st_head, uidvalidity)
	U32(st_head, fields)		/* those that were applied */
	U8(st_head, uids)		/* was the set applied? */
	U8(st_head, since)
	U32(st_head, epoch)
	STR(st_head, flags, 32768)	/* known in the mailbox */
END(st_head)
MSG(st_rows, R_ENGINE, R_IMAP|R_POP3, NOFD, 0)
	BLOB(st_rows, rows, 65000)	/* struct st_row, see strow.h */
END(st_rows)
MSG(st_vanished, R_ENGINE, R_IMAP|R_POP3, NOFD, 0)
	SET(st_vanished, uids, 8100)
END(st_vanished)
MSG(st_get, R_IMAP|R_POP3, R_ENGINE, NOFD, 0)
	U16(st_get, mount)
	STR(st_get, id, 256)
	U64(st_get, size)		/* of the whole message */
	U64(st_get, offset)
	U64(st_get, length)
	U32(st_get, credit)
END(st_get)
MSG(st_data, R_ENGINE|R_IMAP|R_LMTP, R_ENGINE|R_IMAP|R_POP3, NOFD, 0)
	BLOB(st_data, data, 65000)
END(st_data)
MSG(st_credit, R_ENGINE|R_LISTENER, R_ENGINE|R_LISTENER, NOFD, 0)
	U32(st_credit, bytes)
END(st_credit)
MSG(st_cancel, R_LISTENER, R_ENGINE, NOFD, 0)
END(st_cancel)
/* an upload: st_put, st_data against credit, st_data_end (or st_cancel) */
MSG(st_put, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_put, mount)
	STR(st_put, mailbox, 256)
	STR(st_put, flags, 8192)
	STR(st_put, date, 40)		/* RFC 3339, "": now */
	U64(st_put, size)		/* bytes to come */
	BLOB(st_put, cache, 32768)	/* the summary, if it is known */
END(st_put)
MSG(st_deliver, R_LMTP, R_ENGINE, NOFD, 0)
	U32(st_deliver, txn)
	STR(st_deliver, from, 512)
	U8(st_deliver, known)		/* is the size known? */
	U64(st_deliver, size)
	BLOB(st_deliver, cache, 32768)
	SET(st_deliver, rcpts, 2000)	/* recipients' handles */
END(st_deliver)
MSG(st_data_end, R_IMAP|R_LMTP, R_ENGINE, NOFD, 0)
END(st_data_end)
MSG(st_stored, R_ENGINE, R_IMAP|R_LMTP, NOFD, 0)
	U32(st_stored, rcpt)		/* lmtp: the handle */
	U16(st_stored, code)
	STR(st_stored, text, 256)
	U32(st_stored, uid)
	U32(st_stored, uidvalidity)
	STR(st_stored, id, 256)
	STR(st_stored, mailbox, 256)
	U64(st_stored, before)
	U64(st_stored, modseq)
END(st_stored)
MSG(st_patch, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_patch, mount)
	STR(st_patch, mailbox, 256)
	SET(st_patch, uids, 4096)
	U8(st_patch, op)		/* enum patch_op */
	STR(st_patch, flags, 8192)
	U8(st_patch, conditional)
	U64(st_patch, unchangedsince)
END(st_patch)
MSG(st_change, R_ENGINE, R_IMAP|R_POP3, NOFD, 0)
	STR(st_change, mailbox, 256)
	U64(st_change, before)
	U64(st_change, modseq)
	U32(st_change, uidvalidity)	/* of a copy's target */
END(st_change)
MSG(st_modified, R_ENGINE, R_IMAP, NOFD, 0)
	SET(st_modified, uids, 8100)
END(st_modified)
MSG(st_expunge, R_IMAP|R_POP3, R_ENGINE, NOFD, 0)
	U16(st_expunge, mount)
	STR(st_expunge, mailbox, 256)
	SET(st_expunge, uids, 4096)
	STR(st_expunge, onlyif, 64)	/* "": unconditional */
END(st_expunge)
MSG(st_copy, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_copy, mount)
	STR(st_copy, mailbox, 256)
	SET(st_copy, uids, 4096)
	STR(st_copy, to, 256)
	U8(st_copy, move)
END(st_copy)
MSG(st_copied, R_ENGINE, R_IMAP, NOFD, 0)
	SET(st_copied, from, 4000)
	SET(st_copied, to, 4000)
END(st_copied)
MSG(st_create, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_create, mount)
	STR(st_create, name, 1001)
	STR(st_create, roles, 256)
END(st_create)
MSG(st_rename, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_rename, mount)
	STR(st_rename, from, 1001)
	STR(st_rename, to, 1001)
END(st_rename)
MSG(st_delete, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_delete, mount)
	STR(st_delete, mailbox, 256)
END(st_delete)
MSG(st_subscribe, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_subscribe, mount)
	STR(st_subscribe, name, 1001)
	U8(st_subscribe, on)
END(st_subscribe)
MSG(st_cache, R_IMAP|R_POP3, R_ENGINE, NOFD, 0)
	U16(st_cache, mount)
	STR(st_cache, id, 256)
	BLOB(st_cache, text, 32768)
END(st_cache)
/*
 * What a storage can do for us.  JSON is built by the listener, one value,
 * and checked by the engine to be just that.
 */
MSG(st_search, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_search, mount)
	STR(st_search, mailbox, 256)
	SET(st_search, uids, 4096)	/* among these; empty: all */
	BLOB(st_search, query, 60000)	/* JSON; empty: all messages */
	STR(st_search, sort, 256)	/* "subject -date": "-" is reversed */
	STR(st_search, thread, 32)	/* an algorithm */
	U32(st_search, limit)		/* 0: none */
	U32(st_search, credit)
END(st_search)
MSG(st_found_head, R_ENGINE, R_IMAP, NOFD, 0)
	U64(st_found_head, modseq)
	U32(st_found_head, uidnext)
	U32(st_found_head, uidvalidity)
	U32(st_found_head, total)
	U64(st_found_head, highest)	/* modseq of what was found, or 0 */
	U8(st_found_head, superset)
END(st_found_head)
MSG(st_found, R_ENGINE, R_IMAP, NOFD, 0)
	SET(st_found, uids, 8100)
	U8(st_found, maybe)		/* to be looked at */
END(st_found)
MSG(st_order, R_ENGINE, R_IMAP, NOFD, 0)
	BLOB(st_order, uids, 64000)	/* 4 bytes each, network order */
END(st_order)
MSG(st_thread, R_ENGINE, R_IMAP, NOFD, 0)
	BLOB(st_thread, text, 65000)	/* as RFC 5256 writes a thread */
END(st_thread)
MSG(st_dict, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_dict, mount)
	U8(st_dict, op)			/* enum dict_op */
	STR(st_dict, key, 256)		/* DICT_LIST: a prefix */
	STR(st_dict, match, 128)	/* etag; "*": only if there is none */
	BLOB(st_dict, value, 61440)
END(st_dict)
MSG(st_dict_ok, R_ENGINE, R_IMAP, NOFD, 0)
	STR(st_dict_ok, key, 256)
	STR(st_dict_ok, etag, 128)
	U64(st_dict_ok, size)
	BLOB(st_dict_ok, value, 65000)
END(st_dict_ok)
MSG(st_quota, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_quota, mount)
END(st_quota)
MSG(st_quota_root, R_ENGINE, R_IMAP, NOFD, 0)
	STR(st_quota_root, name, 256)
	U8(st_quota_root, has)		/* enum quota_has, as bits */
	U64(st_quota_root, used)	/* bytes */
	U64(st_quota_root, limit)
	U64(st_quota_root, messages)
	U64(st_quota_root, messages_limit)
END(st_quota_root)
MSG(st_meta_get, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_meta_get, mount)
	STR(st_meta_get, mailbox, 256)	/* "": the account's own */
END(st_meta_get)
MSG(st_meta, R_ENGINE, R_IMAP, NOFD, 0)
	STR(st_meta, entry, 256)
	BLOB(st_meta, value, 64000)
END(st_meta)
MSG(st_meta_set, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_meta_set, mount)
	STR(st_meta_set, mailbox, 256)
	BLOB(st_meta_set, set, 64000)	/* JSON: {entry: value or null} */
END(st_meta_set)
/* a content that no message has yet: as st_put, answered by st_stored */
MSG(st_blob, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_blob, mount)
	U64(st_blob, size)
END(st_blob)
/*
 * Its list of appends is JSON, which follows as st_data, all of it within
 * the first credit, then st_data_end; without one (size 0) neither does.
 * Answered by st_change, st_stored (rcpt is the index), st_vanished.
 */
MSG(st_batch, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_batch, mount)
	STR(st_batch, mailbox, 256)
	U32(st_batch, size)		/* bytes of JSON to come */
	SET(st_batch, expunge, 4096)
END(st_batch)
/*
 * \Recent: which uids has no read-write session been told of yet?  Those
 * that are given back, from uidnext on, have been told to none after all.
 */
MSG(st_recent, R_IMAP, R_ENGINE, NOFD, 0)
	U16(st_recent, mount)
	STR(st_recent, mailbox, 256)
	U32(st_recent, uidnext)
	U8(st_recent, take)		/* enum st_recent_take */
END(st_recent)
MSG(st_recent_ok, R_ENGINE, R_IMAP, NOFD, 0)
	U32(st_recent_ok, first)
END(st_recent_ok)
MSG(st_end, R_ENGINE, R_LISTENER, NOFD, 0)
	U16(st_end, code)		/* enum st_code */
	U8(st_end, begun)		/* its st_change stands all the same */
	STR(st_end, text, 256)
END(st_end)
/* a mailbox (or, with none, the account's list) of a granted account moved */
MSG(st_event, R_ENGINE, R_IMAP, NOFD, 0)
	U32(st_event, acct)
	STR(st_event, mailbox, 256)
	U64(st_event, modseq)
END(st_event)

/* mfrontctl's first: one of another version must not be understood */
MSG(ctl_hello, R_CTL, R_CONTROL, NOFD, 0)
	U64(ctl_hello, table)		/* msg_table_hash() */
END(ctl_hello)
/*
 * Questions of mfrontctl, handed on; req is control's.  Sessions can be
 * very many, so control asks a listener for a page at a time: ctl_end says
 * where the next one begins.
 */
MSG(ctl_sessions, R_CONTROL|R_CTL, R_LISTENER|R_CONTROL, NOFD, 0)
	U32(ctl_sessions, from)		/* 0, or ctl_end's next */
	U32(ctl_sessions, count)	/* rows, at most */
	U32(ctl_sessions, session)	/* this one only, 0: all */
END(ctl_sessions)
MSG(ctl_session, R_LISTENER|R_CONTROL, R_CONTROL|R_CTL, NOFD, 0)
	STR(ctl_session, name, 64)
	STR(ctl_session, service, 16)
	STR(ctl_session, user, 512)
	STR(ctl_session, remote, 64)
	STR(ctl_session, state, 64)
	STR(ctl_session, mailbox, 1001)
	U8(ctl_session, tls)
	U32(ctl_session, age)		/* seconds */
	U32(ctl_session, idle)
	U64(ctl_session, in)
	U64(ctl_session, out)
END(ctl_session)
MSG(ctl_stats, R_CONTROL|R_CTL, R_LISTENER|R_AUTH|R_ENGINE|R_CONTROL, NOFD, 0)
END(ctl_stats)
MSG(ctl_stat, R_LISTENER|R_AUTH|R_ENGINE|R_CONTROL, R_CONTROL|R_CTL, NOFD, 0)
	STR(ctl_stat, process, 32)
	STR(ctl_stat, name, 64)
	U64(ctl_stat, value)
END(ctl_stat)
MSG(ctl_storages, R_CONTROL|R_CTL, R_ENGINE|R_CONTROL, NOFD, 0)
END(ctl_storages)
MSG(ctl_storage, R_ENGINE|R_CONTROL, R_CONTROL|R_CTL, NOFD, 0)
	STR(ctl_storage, process, 32)
	STR(ctl_storage, name, 64)
	STR(ctl_storage, url, 1400)
	STR(ctl_storage, server, 128)	/* its name and version */
	STR(ctl_storage, state, 64)
	STR(ctl_storage, breaker, 16)	/* of the URL, as what follows */
	U32(ctl_storage, failures)	/* in a row */
	U32(ctl_storage, opened)	/* times */
	U32(ctl_storage, probed)	/* seconds ago, UINT32_MAX: never */
	U32(ctl_storage, probe)		/* in seconds, UINT32_MAX: not due */
	STR(ctl_storage, error, 128)	/* why it is not closed */
	STR(ctl_storage, events, 64)
	STR(ctl_storage, caps, 512)
	U32(ctl_storage, conns)
	U32(ctl_storage, busy)
	U64(ctl_storage, requests)
	U64(ctl_storage, errors)
END(ctl_storage)
MSG(ctl_end, R_LISTENER|R_AUTH|R_ENGINE|R_CONTROL|R_PARENT, R_CONTROL|R_CTL,
    NOFD, 0)
	U8(ctl_end, ok)
	STR(ctl_end, text, 4096)
	U32(ctl_end, next)		/* of sessions, 0: that was all */
END(ctl_end)
MSG(ctl_kick, R_CTL, R_CONTROL, NOFD, 0)
	STR(ctl_kick, session, 64)	/* "": all of the user */
	STR(ctl_kick, user, 512)
END(ctl_kick)
MSG(ctl_kick_user, R_CONTROL, R_AUTH, NOFD, 0)
	STR(ctl_kick_user, user, 512)
END(ctl_kick_user)
MSG(ctl_reload, R_CTL|R_CONTROL, R_CONTROL|R_PARENT, NOFD, 0)
END(ctl_reload)
MSG(ctl_verbose, R_CTL|R_CONTROL, R_CONTROL|R_PARENT, NOFD, 0)
	U8(ctl_verbose, level)
END(ctl_verbose)
MSG(ctl_stop, R_CTL|R_CONTROL, R_CONTROL|R_PARENT, NOFD, 0)
END(ctl_stop)
