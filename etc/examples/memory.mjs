#!/usr/bin/env node
// Mail in memory, until it ends: mfront-storage(7), level 2, with nothing but
// Node.js.  Whoever mfrontd lets in has an account.
// usage: [MFSTORE_TOKEN=...] memory.mjs [PORT | SOCKET]
//
// A request is handled in one go when its body is there, so that each is a
// transaction; one that is refused is refused before it changes anything.
import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import http from 'node:http'

const capabilities = { write: true, modseq: true, events: { bound_ms: 500 }, idempotency: true, copy: true }
const limits = { message: 64 << 20 }
const accounts = new Map()              // name -> what account() makes
const answers = new Map()               // account and key -> { digest, answer, at }
const start = randomUUID().slice(0, 8)
let log = [], dropped = 0               // events; how many of them are forgotten
let streams = new Set()

// Refusals

const status = { 'bad-request': 400, 'unknown-parameter': 400, 'bad-token': 401, 'not-permitted': 403,
                 exists: 409, 'since-too-old': 410, 'cursor-too-old': 410, 'too-large': 413, 'key-reused': 422,
                 internal: 500 }

class Problem extends Error {
    constructor(code, number = status[code] ?? 404) {
        super(code)
        this.status = number
    }
}

function need(truth, code = 'bad-request', number = undefined) {
    if (!truth)
        throw new Problem(code, number)
    return truth
}

// What members of a request may be

const system = new Map(['\\Answered', '\\Deleted', '\\Draft', '\\Flagged', '\\Seen'].map(
    f => [f.toLowerCase(), f]))
const atom = /^[^\x00-\x20(){%*"\\\]\x7f-\uffff]{1,250}$/
const text = v => (need(typeof v === 'string'), v)
const bool = v => (need(typeof v === 'boolean'), v)
const number = v => (need(Number.isSafeInteger(v) && v >= 0), v)
const array = each => v => (need(Array.isArray(v)), v.map(each))
const flag = v => (need(system.has(text(v).toLowerCase()) || atom.test(v)), v)
const date = v => (need(/^\d{4}-\d\d-\d\dT[\d:.]{8,}(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$/.test(text(v)) &&
    Date.parse(v) && new Date(v.slice(0, 10)).getUTCDate() === +v.slice(8, 10)), v)     // 30 February

function name(v) {
    const levels = text(v).split('/')
    need(Buffer.byteLength(v) <= 1000 && v.normalize('NFC') === v && !/[\x00-\x1f\x7f-\x9f]/.test(v))
    need(levels.every(Boolean) && (levels[0] === 'INBOX' || levels[0].toUpperCase() !== 'INBOX'))
    return v
}

function uids(v) {                      // [[low, high], ...]
    need(/^[1-9]\d*(:[1-9]\d*)?(,[1-9]\d*(:[1-9]\d*)?)*$/.test(text(v)))
    const ranges = v.split(',').map(part => part.split(':').map(Number))
    let last = -1
    for (const range of ranges) {
        const [low, high = low] = range
        need(low > last + 1 && high <= 4294967295 && (range.length === 1 || high > low))
        last = range[1] = high
    }
    return ranges
}

function members(v, must, may = {}) {   // null is the same as none, except for some
    need(v !== null && typeof v === 'object' && !Array.isArray(v))
    const found = {}
    for (const [member, value] of Object.entries(v)) {
        const kinds = [must, may].find(kinds => Object.hasOwn(kinds, member))
        const kind = need(kinds, 'unknown-parameter')[member]
        if (value !== null || ['only_if_flag', 'unchanged_since'].includes(member))
            found[member] = kind(value)
    }
    need(Object.keys(must).every(member => member in found))
    return found
}

// Sets, rows, flags

function spelled(numbers) {             // ascending -> set
    const runs = []
    for (const n of numbers)
        if (runs.length && runs.at(-1)[1] === n - 1)
            runs.at(-1)[1] = n
        else
            runs.push([n, n])
    return runs.map(([low, high]) => low === high ? `${low}` : `${low}:${high}`).join()
}

function sets(key, numbers) {           // lines, none of them too long
    const lines = []
    for (let i = 0; i < numbers.length; i += 1000)
        lines.push({ [key]: spelled(numbers.slice(i, i + 1000)) })
    return lines
}

function merged(rows) {                 // neighbours that say the same are one row
    const runs = []
    for (const { uid, ...rest } of rows) {
        const say = JSON.stringify(rest), last = runs.at(-1)
        if (last?.say === say && last.high === uid - 1)
            last.high = uid
        else
            runs.push({ low: uid, high: uid, say, rest })
    }
    return runs.map(({ low, high, rest }) => (
        low === high ? { uid: low, ...rest } : { uids: `${low}:${high}`, ...rest }))
}

const inside = (ranges, uid) => ranges.some(([low, high]) => low <= uid && uid <= high)
const chosen = (box, ranges) => [...box.messages.values()].filter(m => inside(ranges, m.uid))

function flagged(box, old, { set, add = [], remove = [] }) {
    const known = new Map(box.flags)    // as they were written first
    for (const f of [...set ?? [], ...add])
        if (!known.has(f.toLowerCase()))
            known.set(f.toLowerCase(), system.get(f.toLowerCase()) ?? f)
    const gone = new Set(remove.map(f => f.toLowerCase()))
    const kept = set ?? [...old.filter(f => !gone.has(f.toLowerCase())), ...add]
    const flags = [...new Set(kept.map(f => known.get(f.toLowerCase())))].sort()
    const words = all => all.filter(f => f[0] !== '\\').length, all = [...known.values()]
    need(words(flags) <= 256 && JSON.stringify(flags).length <= 8000 &&
         words(all) <= 1000 && JSON.stringify(all).length <= 32000, 'not-permitted')
    box.flags = known
    return flags
}

// Accounts, mailboxes, changes

function account(name) {
    need(Buffer.byteLength(name) <= 500 && !/[\x00-\x1f\x7f-\x9f]/.test(name), 'no-such-account')
    if (!accounts.has(name)) {
        accounts.set(name, { name, uidvalidity: 0, boxes: new Map(), contents: new Map(), highest: new Map() })
        create(accounts.get(name), { name: 'INBOX' })
    }
    return accounts.get(name)
}

function find(a, id, code = 'no-such-mailbox') {
    return need(a.boxes.get(id), code)
}

function tell(a, box) {
    log.push(box ? { account: a.name, mailbox: box.id, modseq: box.modseq } : { account: a.name })
    log.at(-1).cursor = cursor()
    if (log.length > 20000)
        dropped += log.splice(0, 10000).length
    setImmediate(() => streams.forEach(follow => follow()))     // once all of it is done
}

function numbered(a, box) {             // an id and a uidvalidity that were never used before
    a.uidvalidity = box.uidvalidity = Math.max(a.uidvalidity + 1, Math.floor(Date.now() / 1000))
    box.id = randomUUID()
    a.boxes.set(box.id, box)
}

function create(a, { name, roles = [] }) {
    need(![...a.boxes.values()].some(box => box.name === name), 'exists')
    const box = { name, roles, uidnext: 1, modseq: 1, messages: new Map(), gone: [], flags: new Map() }
    numbered(a, box)
    a.highest.set(name, box.uidvalidity)
    tell(a)
    return row(box)
}

function row({ id, name, uidvalidity, uidnext, modseq, roles, messages }) {
    return { id, name, uidvalidity, uidnext, modseq, roles, messages: messages.size }
}

function rename(a, { from, to }) {
    const below = name => `${name}/`.startsWith(`${from}/`)
    const boxes = [...a.boxes.values()], found = boxes.filter(box => below(box.name))
    need(from !== 'INBOX' && (to === from || !below(to)), 'not-permitted')
    need(found.length, 'no-such-mailbox')
    need(to !== from, 'exists')
    const names = new Map(found.map(box => [box, to + box.name.slice(from.length)]))
    need(!boxes.some(box => !below(box.name) && [...names.values()].includes(box.name)), 'exists')
    for (const [box, name] of names) {
        box.name = name
        if (a.highest.get(name) > box.uidvalidity) {    // then it cannot keep its own
            a.boxes.delete(box.id)
            numbered(a, box)
        }
        a.highest.set(name, box.uidvalidity)
    }
    tell(a)
}

function drop(a, id) {
    need(find(a, id).name !== 'INBOX', 'not-permitted')
    a.boxes.delete(id)
    tell(a)
}

// work(box, modseq) changes the mailbox, and says whether it did
function changed(a, box, work) {
    const modseq_before = box.modseq
    if (work(modseq_before + 1)) {
        box.modseq++
        tell(a, box)
    }
    return { mailbox: box.id, modseq_before, modseq: box.modseq }
}

function add(box, modseq, { id, size, date, flags }) {
    const uid = box.uidnext++
    box.messages.set(uid, { uid, id, size, date, flags, modseq })
    return uid
}

function remove(box, modseq, messages) {
    const numbers = messages.map(m => m.uid)
    numbers.forEach(uid => box.messages.delete(uid))
    box.gone.push({ modseq, numbers })
    return sets('vanished', numbers)
}

// The calls

function list(a, box, query) {
    const { modseq, uidnext, uidvalidity } = box, applied = {}
    let fields = ['id', 'flags', 'size', 'date', 'modseq'], since = 0, vanished = []
    let messages = [...box.messages.values()]
    if (query.has('fields')) {
        const asked = query.get('fields').split(',')
        fields = fields.filter(field => asked.includes(field))
        applied.fields = ['uid', ...fields]
    }
    if (query.has('uids')) {
        messages = chosen(box, uids(query.get('uids')))
        applied.uids = query.get('uids')
    }
    if (query.has('since')) {
        need(/^[1-9]\d*$/.test(query.get('since')))
        applied.since = since = Number(query.get('since'))
        need(since <= modseq, 'since-too-old')
        fields = [...new Set([...fields, 'modseq'])]
        messages = messages.filter(m => m.modseq > since)
        vanished = box.gone.filter(gone => gone.modseq > since).flatMap(gone => gone.numbers)
    }
    const rows = messages.map(m => Object.fromEntries(['uid', ...fields].map(field => [field, m[field]])))
    return [{ modseq, uidnext, uidvalidity, flags: [...box.flags.values()], applied },
            ...sets('vanished', vanished.sort((m, n) => m - n)), ...merged(rows)]
}

function change(a, box, body) {
    const rows = [], modified = [], { unchanged_since = Infinity } = body
    const lower = list => new Set((list ?? []).map(f => f.toLowerCase()))
    need(body.set ? !body.add && !body.remove : body.add || body.remove)
    need(![...lower(body.add)].some(f => lower(body.remove).has(f)))
    const found = chosen(box, body.uids).map(m => ({ m, flags: flagged(box, m.flags, body) }))
    return [{ change: changed(a, box, modseq => {
        for (const { m, flags } of found)
            if (m.modseq > unchanged_since)
                modified.push(m.uid)
            else if (flags.join() !== m.flags.join()) {
                Object.assign(m, { flags, modseq })
                rows.push({ uid: m.uid, flags })
            }
        return rows.length
    }) }, ...merged(rows), ...sets('modified', modified)]
}

function expunge(a, box, { uids, only_if_flag }) {
    const flag = only_if_flag?.toLowerCase()
    const found = chosen(box, uids).filter(m => !flag || m.flags.some(f => f.toLowerCase() === flag))
    let vanished = []
    const change = changed(a, box, modseq => found.length && (vanished = remove(box, modseq, found)))
    return [{ change }, ...vanished]
}

function copy(a, box, { uids, to, move }) {
    const target = find(a, to, 'no-such-target'), found = chosen(box, uids), lines = []
    const flags = found.map(m => flagged(target, [], { set: m.flags }))
    const to_change = changed(a, target, modseq => {
        const copies = found.map((m, i) => add(target, modseq, { ...m, flags: flags[i] }))
        const from = sets('from', found.map(m => m.uid))
        sets('to', copies).forEach((line, i) => lines.push({ ...from[i], ...line }))
        if (move && target === box && found.length)
            lines.push(...remove(box, modseq, found))
        return found.length
    })
    const from_change = target === box ? to_change : changed(a, box, modseq => {
        if (move && found.length)
            lines.push(...remove(box, modseq, found))
        return move && found.length
    })
    return [{ from_change, to_change, uidvalidity: target.uidvalidity }, ...lines]
}

function upload({ to }, data, old) {    // what is there of an earlier answer stands
    return [{}, ...to.map((one, index) => {
        const before = old?.find(line => line.index === index && line.uid)
        try {
            const a = need(accounts.get(one.account), 'no-such-account')
            return before ?? { index, ...append(a, one, data) }
        } catch (problem) {
            need(problem instanceof Problem, 'internal')
            return { index, code: problem.message }
        }
    })]
}

function append(a, { mailbox, flags = [], date = now() }, data) {
    const box = find(a, mailbox, 'no-such-target'), id = createHash('sha256').update(data).digest('hex')
    let uid
    flags = flagged(box, [], { set: flags })
    a.contents.set(id, data)
    const change = changed(a, box, modseq => uid = add(box, modseq, { id, size: data.length, date, flags }))
    return { uid, uidvalidity: box.uidvalidity, id, change }
}

const now = () => new Date().toISOString().replace(/\..*/, 'Z')

const last = () => dropped + log.length
const cursor = (at = last()) => `${start}-${at}`

function events(res, since) {
    let at = since === null ? last() : Number(since.split('-')[1])
    need(since === null || since === cursor(at) && at >= dropped && at <= last(), 'cursor-too-old')
    const say = line => res.writableLength > 1 << 20 ? res.destroy() : res.write(JSON.stringify(line) + '\n')
    const follow = () => {
        if (at < dropped)
            return res.destroy()
        log.slice(at - dropped).forEach(say)
        at = last()
    }
    const beat = setInterval(() => say({ cursor: cursor(at) }), 5000)
    res.on('close', () => (clearInterval(beat), streams.delete(follow)))
    res.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
    say({ header: true, cursor: cursor(at) })
    streams.add(follow)
    follow()
}

// method, path, what to do, members of the body; a is the account, id what stands behind it
const messages = '/accounts/([^/]+)/mailboxes/([^/]+)/messages', mailboxes = '/accounts/([^/]+)/mailboxes'
const to = array(v => members(v, { account: text, mailbox: text },
                              { address: text, flags: array(flag), date }))
const calls = [
    ['GET', '/', () => ({ name: 'memory.mjs', version: '1', api: 1, capabilities, limits })],
    ['GET', '/events', ({ res, query }) => events(res, query.get('since'))],
    ['POST', '/messages', ({ body, data, old }) => upload(body, data, old),
        [{ to: v => (need(to(v).length), to(v)) }, { from: text, delivery: bool }]],
    ['GET', mailboxes, ({ a }) => [{ cursor: cursor() }, ...[...a.boxes.values()].map(row)]],
    ['POST', mailboxes, ({ a, body }) => create(a, body), [{ name }, { roles: array(text) }]],
    ['POST', `${mailboxes}/rename`, ({ a, body }) => rename(a, body), [{ from: name, to: name }]],
    ['GET', `${mailboxes}/([^/]+)`, ({ a, id }) => row(find(a, id))],
    ['DELETE', `${mailboxes}/([^/]+)`, ({ a, id }) => drop(a, id)],
    ['GET', messages, ({ a, id, query }) => list(a, find(a, id), query)],
    ['PATCH', messages, ({ a, id, body }) => change(a, find(a, id), body),
        [{ uids }, { set: array(flag), add: array(flag), remove: array(flag), unchanged_since: number }]],
    ['POST', `${mailboxes}/([^/]+)/expunge`, ({ a, id, body }) => expunge(a, find(a, id), body),
        [{ uids, only_if_flag: v => v === null ? v : flag(v) }]],
    ['POST', `${mailboxes}/([^/]+)/copy`, ({ a, id, body }) => copy(a, find(a, id), body),
        [{ uids, to: text, move: bool }]],
    ['GET', '/accounts/([^/]+)/messages/([^/]+)', ({ a, id }) => need(a.contents.get(id), 'no-such-message')],
].map(([method, path, ...rest]) => [method, new RegExp(`^${path}$`), ...rest])

// HTTP

function parsed(bytes) {
    try {
        return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    } catch {
        throw new Problem('bad-request')
    }
}

function decoded(segment) {
    try {
        return decodeURIComponent(segment)
    } catch {
        throw new Problem('bad-request')
    }
}

function handle(req, res, bytes) {
    const [path, search = ''] = req.url.replace(/^\/[^/?]*/, '').split(/\?(.*)/s)
    const hits = calls.filter(([, pattern]) => pattern.test(path || '/'))
    const call = need(hits.find(([method]) => method === req.method), 'bad-request', hits.length ? 405 : 404)
    const [method, pattern, work, kinds] = call, [, ...ids] = pattern.exec(path || '/').map(decoded)
    const query = new Map(search.split('&').reverse().map(pair => pair.split(/=(.*)/s)).map(
        ([key, value = '']) => [key, decoded(value)]))
    query.get = key => Map.prototype.get.call(query, key) ?? null
    const line = path === '/messages' ? bytes.indexOf(10) : bytes.length
    need(line >= 0)
    const data = bytes.subarray(line + 1)
    need(data.length <= limits.message, 'too-large')
    const body = kinds ? members(parsed(bytes.subarray(0, line)), ...kinds) : undefined
    const a = ids.length ? account(ids[0]) : undefined
    const one = { a, id: ids[1], query, body, data, res }
    const given = req.headers['idempotency-key'], key = JSON.stringify([a?.name, given])
    if (method === 'GET' || !given)
        return work(one)
    need(/^[!-~]{1,255}$/.test(given))
    const digest = createHash('sha256').update(`${method} ${req.url} `).update(bytes).digest('hex')
    const old = answers.get(key)
    need(!old || old.digest === digest, 'key-reused')
    if (old && path !== '/messages')
        return old.answer
    const answer = work({ ...one, old: old?.answer })
    answers.set(key, { digest, answer, at: Date.now() })
    return answer
}

function send(req, res, answer) {
    if (Array.isArray(answer)) {
        res.writeHead(200, { 'Content-Type': 'application/x-ndjson' })
        const [header, ...rows] = answer
        for (const line of [{ header: true, ...header }, ...rows, { end: true }])
            res.write(JSON.stringify(line) + '\n')
        res.end()
    } else if (Buffer.isBuffer(answer))
        res.writeHead(200, { 'Content-Type': 'message/rfc822', 'Content-Length': answer.length }).end(answer)
    else if (answer)
        res.writeHead(req.method === 'POST' ? 201 : 200, { 'Content-Type': 'application/json' }).end(
            JSON.stringify(answer))
    else if (!req.url.match(/\/events(\?|$)/) || req.method !== 'GET')
        res.writeHead(204).end()
}

function refuse(res, problem) {
    if (!(problem instanceof Problem))
        console.error(problem)
    const code = problem instanceof Problem ? problem.message : 'internal', number = problem.status ?? 500
    res.writeHead(number, { 'Content-Type': 'application/problem+json' }).end(
        JSON.stringify({ status: number, code }))
}

const digest = token => createHash('sha256').update(token).digest()

function allowed({ headers }) {
    const token = process.env.MFSTORE_TOKEN
    return !token || timingSafeEqual(digest(headers.authorization ?? ''), digest(`Bearer ${token}`))
}

async function serve(req, res) {
    const most = limits.message + (1 << 20), pieces = []
    let size = 0
    try {
        for await (const piece of req)
            if ((size += piece.length) <= most)
                pieces.push(piece)
    } catch {
        return                          // it was cut off
    }
    try {
        need(allowed(req), 'bad-token')
        need(size <= most, 'too-large')
        send(req, res, handle(req, res, Buffer.concat(pieces)))
    } catch (problem) {
        refuse(res, problem)
    }
}

const server = http.createServer({ maxHeaderSize: 65536, keepAliveTimeout: 120000, requestTimeout: 0 }, serve)
server.on('checkContinue', (req, res) => {
    if (req.headers['content-length'] > limits.message + (1 << 20)) {
        res.setHeader('Connection', 'close')
        return refuse(res, new Problem('too-large'))
    }
    res.writeContinue()
    serve(req, res)
})
setInterval(() => {                     // keys are kept for a day
    for (const [key, { at }] of answers)
        if (at < Date.now() - 86400000)
            answers.delete(key)
}, 3600000)
const where = process.argv[2] ?? '8025'
server.listen(/^\d+$/.test(where) ? { port: Number(where), host: '127.0.0.1' } : where)
