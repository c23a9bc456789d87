#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "json.h"
#include "scram.h"

/* What is left of a message (NULL: nothing), or one field of it. */
struct scram_text {
	const char	*p;
	size_t		 len;
};

/* The next field up to a comma, or the last one. */
static int
text_field(struct scram_text *in, struct scram_text *f)
{
	const char *comma;

	if (in->p == NULL)
		return -1;
	*f = *in;
	if ((comma = memchr(in->p, ',', in->len)) == NULL) {
		in->p = NULL;
		return 0;
	}
	f->len = (size_t)(comma - in->p);
	in->p = comma + 1;
	in->len -= f->len + 1;
	return 0;
}

/* attr-val: a letter, "=", and not nothing. */
static int
text_is_attr(const struct scram_text *f)
{
	return f->len >= 3 && f->p[1] == '=' &&
	    ((f->p[0] >= 'a' && f->p[0] <= 'z') ||
	    (f->p[0] >= 'A' && f->p[0] <= 'Z'));
}

/* That field, and its value out of it. */
static int
text_attr(struct scram_text *in, char name, struct scram_text *value)
{
	if (text_field(in, value) == -1 || !text_is_attr(value) ||
	    value->p[0] != name)
		return -1;
	value->p += 2;
	value->len -= 2;
	return 0;
}

/* Nobody knows yet what the others mean. */
static enum scram_error
text_extensions(struct scram_text *in)
{
	struct scram_text f;

	while (text_field(in, &f) == 0) {
		if (!text_is_attr(&f))
			return SCRAM_MALFORMED;
		if (f.p[0] == 'm')
			return SCRAM_EXTENSION;
	}
	return SCRAM_OK;
}

static int
text_is(const struct scram_text *f, const char *s, size_t len)
{
	return f->len == len && memcmp(f->p, s, len) == 0;
}

/*
 * saslname: a comma is "=2C" and "=" is "=3D".  It goes into log lines and
 * requests: no line ends in it.
 */
static int
scram_name(char *out, const struct scram_text *f)
{
	size_t	i, n = 0;
	char	c;

	for (i = 0; i < f->len; i++) {
		c = f->p[i];
		if (c == '=') {
			if (f->len - i < 3)
				return -1;
			if (memcmp(f->p + i, "=2C", 3) == 0)
				c = ',';
			else if (memcmp(f->p + i, "=3D", 3) != 0)
				return -1;
			i += 2;
		}
		if (c == '\r' || c == '\n' || n == SCRAM_NAME_MAX)
			return -1;
		out[n++] = c;
	}
	out[n] = '\0';
	return 0;
}

static int
scram_is_printable(const struct scram_text *f)
{
	size_t i;

	for (i = 0; i < f->len; i++)
		if (f->p[i] < 0x21 || f->p[i] > 0x7e)
			return 0;
	return 1;
}

/* A message that may be looked at: UTF-8 without NUL, of a fair length. */
static int
scram_message(struct scram_text *in, const char *p, size_t len)
{
	in->p = p;
	in->len = len;
	return len > 0 && len <= SCRAM_MESSAGE_MAX &&
	    memchr(p, '\0', len) == NULL && utf8_valid(p, len);
}

/* gs2-header: the channel's flag, and who is to be acted for. */
static enum scram_error
first_header(struct scram *s, struct scram_text *in)
{
	struct scram_text f;

	if (text_field(in, &f) == -1)
		return SCRAM_MALFORMED;
	if (text_is_attr(&f) && f.p[0] == 'p')
		return SCRAM_BINDING;
	if ((!text_is(&f, "n", 1) && !text_is(&f, "y", 1)) ||
	    text_field(in, &f) == -1)
		return SCRAM_MALFORMED;
	if (f.len > 0) {
		if (!text_is_attr(&f) || f.p[0] != 'a')
			return SCRAM_MALFORMED;
		f.p += 2;
		f.len -= 2;
	}
	if (scram_name(s->authzid, &f) == -1 || in->p == NULL)
		return SCRAM_MALFORMED;
	return SCRAM_OK;
}

/* client-first-message-bare */
static enum scram_error
first_bare(struct scram *s, struct scram_text *in)
{
	struct scram_text f;

	if (in->len >= 2 && memcmp(in->p, "m=", 2) == 0)
		return SCRAM_EXTENSION;
	if (text_attr(in, 'n', &f) == -1 || scram_name(s->user, &f) == -1 ||
	    text_attr(in, 'r', &f) == -1 || f.len > SCRAM_NONCE_MAX ||
	    !scram_is_printable(&f))
		return SCRAM_MALFORMED;
	memcpy(s->nonce, f.p, f.len);
	s->nonce[f.len] = '\0';
	return text_extensions(in);
}

enum scram_error
scram_first(struct scram *s, const char *p, size_t len)
{
	struct scram_text	in;
	enum scram_error	r;

	memset(s, 0, sizeof(*s));
	if (!scram_message(&in, p, len))
		return SCRAM_MALFORMED;
	if ((r = first_header(s, &in)) != SCRAM_OK)
		return r;
	memcpy(s->first, p, len);
	s->firstlen = len;
	s->gs2len = (size_t)(in.p - p);
	return first_bare(s, &in);
}

static void
scram_sign(struct scram *s, const void *p, size_t len)
{
	hmac_update(&s->client, p, len);
	hmac_update(&s->server, p, len);
}

ssize_t
scram_challenge(struct scram *s, const struct scramkeys *k, const char *nonce,
    char *out, size_t size)
{
	char	salt[BASE64_LEN(SCRAM_SALT_MAX) + 1];
	ssize_t	saltlen;
	int	n;

	saltlen = base64_encode(salt, sizeof(salt) - 1, k->salt, k->saltlen);
	if (saltlen == -1 || strlen(nonce) > SCRAM_SNONCE_MAX) {
		errno = ERANGE;
		return -1;
	}
	salt[saltlen] = '\0';
	strlcat(s->nonce, nonce, sizeof(s->nonce));
	n = snprintf(out, size, "r=%s,s=%s,i=%u", s->nonce, salt,
	    k->iterations);
	if (n < 0 || (size_t)n >= size) {
		errno = ERANGE;
		return -1;
	}
	memcpy(s->stored, k->stored, sizeof(s->stored));
	hmac_init(&s->client, k->stored, sizeof(k->stored));
	hmac_init(&s->server, k->server, sizeof(k->server));
	scram_sign(s, s->first + s->gs2len, s->firstlen - s->gs2len);
	scram_sign(s, ",", 1);
	scram_sign(s, out, (size_t)n);
	scram_sign(s, ",", 1);
	s->open = 1;
	return n;
}

/* What is before the proof, which is last, goes into what is signed. */
static enum scram_error
final_proof(struct scram *s, struct scram_text *in, const char *p,
    uint8_t *proof)
{
	struct scram_text	rest = *in, f;
	const char		*last = NULL;

	while (text_field(&rest, &f) == 0)
		last = f.p;
	if (last == NULL || last == p || text_attr(
	    &(struct scram_text){ last, f.len }, 'p', &f) == -1 ||
	    base64_decode(proof, HMAC_LEN, f.p, f.len) != HMAC_LEN)
		return SCRAM_MALFORMED;
	scram_sign(s, p, (size_t)(last - p) - 1);
	if (last == in->p)
		return SCRAM_OK;
	/* without the comma behind them */
	in->len = (size_t)(last - in->p) - 1;
	return text_extensions(in);
}

static enum scram_error
final_parse(struct scram *s, const char *p, size_t len, uint8_t *proof)
{
	struct scram_text	in, binding, nonce;
	char			gs2[SCRAM_MESSAGE_MAX];
	ssize_t			n;
	enum scram_error	r;

	if (!scram_message(&in, p, len) ||
	    text_attr(&in, 'c', &binding) == -1 ||
	    (n = base64_decode(gs2, sizeof(gs2), binding.p,
	    binding.len)) == -1 || text_attr(&in, 'r', &nonce) == -1 ||
	    in.p == NULL)
		return SCRAM_MALFORMED;
	if ((r = final_proof(s, &in, p, proof)) != SCRAM_OK)
		return r;
	if ((size_t)n != s->gs2len || memcmp(gs2, s->first, s->gs2len) != 0)
		return SCRAM_BINDING;
	return text_is(&nonce, s->nonce, strlen(s->nonce)) ? SCRAM_OK :
	    SCRAM_NONCE;
}

/* The client's key is what the proof hides; only its hash is known here. */
static int
final_is_right(struct scram *s, const uint8_t *proof)
{
	uint8_t		key[HMAC_LEN], digest[SHA256_DIGEST_LENGTH];
	SHA2_CTX	ctx;
	size_t		i;
	int		right;

	hmac_final(&s->client, key);
	for (i = 0; i < sizeof(key); i++)
		key[i] ^= proof[i];
	SHA256Init(&ctx);
	SHA256Update(&ctx, key, sizeof(key));
	SHA256Final(digest, &ctx);
	right = timingsafe_bcmp(digest, s->stored, sizeof(digest)) == 0;
	explicit_bzero(key, sizeof(key));
	explicit_bzero(&ctx, sizeof(ctx));
	return right;
}

enum scram_error
scram_final(struct scram *s, const char *p, size_t len, char *out,
    size_t size)
{
	uint8_t			proof[HMAC_LEN], sig[HMAC_LEN];
	char			text[BASE64_LEN(HMAC_LEN)];
	enum scram_error	r = SCRAM_MALFORMED;

	if (s->open)
		r = final_parse(s, p, len, proof);
	s->open = 0;
	if (r == SCRAM_OK && !final_is_right(s, proof))
		r = SCRAM_PROOF;
	explicit_bzero(proof, sizeof(proof));
	if (r != SCRAM_OK)
		return r;
	hmac_final(&s->server, sig);
	(void)base64_encode(text, sizeof(text), sig, sizeof(sig));
	(void)snprintf(out, size, "v=%.*s", (int)sizeof(text), text);
	return SCRAM_OK;
}

const char *
scram_error(enum scram_error r)
{
	static const char *const texts[] = {
		[SCRAM_OK] = "Done",
		[SCRAM_MALFORMED] = "Not a message of SCRAM",
		[SCRAM_EXTENSION] = "An extension of SCRAM is not known here",
		[SCRAM_BINDING] = "Channel binding is not possible here",
		[SCRAM_NONCE] = "The nonce is of another exchange",
		[SCRAM_PROOF] = "The password is wrong"
	};

	return texts[r];
}
