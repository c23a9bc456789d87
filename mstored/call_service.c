/* GET {base}/: what this server can do. */
#include "calls.h"
#include "json.h"

#define EVENTS_BOUND_MS	1000
#define SERVICE_STR_(x)	#x
#define SERVICE_STR(x)	SERVICE_STR_(x)

/* What there is to say about a capability, as JSON. */
static const struct {
	enum st_cap	 cap;
	const char	*details;
} service_details[] = {
	{ CAP_EVENTS, "{\"bound_ms\":" SERVICE_STR(EVENTS_BOUND_MS) "}" },
	{ CAP_DICT, "{\"value\":" SERVICE_STR(DICT_VALUE) ",\"keys\":"
	    SERVICE_STR(STORE_DICT_KEYS) ",\"durable\":true}" },
	{ CAP_QUOTA, "{\"set\":false}" },
	{ CAP_METADATA, "{\"value\":" SERVICE_STR(METADATA_VALUE)
	    ",\"entries\":" SERVICE_STR(STORE_METADATA) "}" },
	{ CAP_BATCH, "{\"seconds\":" SERVICE_STR(BLOB_SECONDS)
	    ",\"messages\":" SERVICE_STR(BATCH_MESSAGES) ",\"parts\":"
	    SERVICE_STR(BATCH_PARTS) "}" },
	{ CAP_SCRAM, "{\"mechanisms\":[\"SCRAM-SHA-256\"]}" },
	{ CAP_OBJECTID, "{\"mailbox\":true,\"email\":\"content\","
	    "\"thread\":false}" },
};

static int
service_capability(struct ibuf *b, enum st_cap cap)
{
	size_t i;

	if (json_key(b, st_cap_names[cap]) == -1)
		return -1;
	if (cap == CAP_SEARCH)
		return search_put_keys(b);
	if (cap == CAP_SORT)
		return search_put_sort(b);
	if (cap == CAP_THREAD)
		return search_put_thread(b);
	for (i = 0; i < sizeof(service_details) / sizeof(service_details[0]);
	    i++)
		if (service_details[i].cap == cap)
			return json_put_raw(b, service_details[i].details);
	return json_put_bool(b, 1);
}

static int
service_capabilities(struct ibuf *b)
{
	uint64_t	caps = server.conf->caps;
	int		i;

	/* a client that may use it would, whose user has no keys too */
	if (caps & CAP(CAP_SCRAM) && store_scram_all(server.store) != 1)
		caps &= ~CAP(CAP_SCRAM);

	if (json_key(b, "capabilities") == -1 || json_open(b, '{') == -1)
		return -1;
	for (i = 0; i < CAP_MAX; i++)
		if (caps & CAP(i) &&
		    service_capability(b, (enum st_cap)i) == -1)
			return -1;
	return json_close(b, '}');
}

static int
service_limits(struct ibuf *b)
{
	if (json_key(b, "limits") == -1 || json_open(b, '{') == -1 ||
	    json_ku64(b, "message", server.conf->message) == -1 ||
	    json_ku64(b, "set", SET_MAX) == -1 ||
	    json_ku64(b, "recipients", server.conf->recipients) == -1 ||
	    json_ku64(b, "upload_line", UPLOAD_LINE) == -1)
		return -1;
	if (HAS(CAP_CACHE) && json_ku64(b, "cache", CACHE_MAX) == -1)
		return -1;
	return json_close(b, '}');
}

void
call_service(struct req *r, const struct head *hd)
{
	struct ibuf	*b = &server.text;
	char		 id[9];

	snprintf(id, sizeof(id), "%08x", store_epoch(server.store));
	ibuf_drain(b, ibuf_size(b));
	if (json_open(b, '{') == -1 || json_kstr(b, "name", "mstored") == -1 ||
	    json_kstr(b, "version", MSTORED_VERSION) == -1 ||
	    json_kstr(b, "id", id) == -1 ||
	    json_ku64(b, "api", 1) == -1 || service_capabilities(b) == -1 ||
	    service_limits(b) == -1 || json_close(b, '}') == -1) {
		resp_error(r, ST_TRY_LATER, NULL);
		return;
	}
	resp_send(r, 200, TYPE_JSON, ibuf_data(b), ibuf_size(b));
}
