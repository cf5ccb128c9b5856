/*
 * FastCGI records: what is called whole must be so to libfcgi.
 *
 * The input is a byte that says how large a body may be, eight bytes that say
 * into what pieces the rest is cut, and the rest: the bytes of a connection.
 *   - In pieces they get the same verdicts as at once.
 *   - A whole request is read by libfcgi, which would abort the process over
 *     some bytes, without an error; its variables and its body are those that
 *     a plain reading of the records gives.
 *   - What fcgi_record_span() says is kept holds no more of a body than it may.
 */
#include <errno.h>

#include "fuzz.h"
#include "server/fcgi.h"
#include "wire/fcgi_record.h"

const char fuzz_name[] = "record";

#define HEAD 9
#define STORIES_MAX 16

/* What came of the bytes: a verdict for each request. */
struct story {
	enum fcgi_record_verdict verdict;
	uint16_t id;
	bool keep;
	bool too_large;
	size_t body;
	uint64_t sum; /* of fcgi_record_span() */
};

struct tale {
	struct story stories[STORIES_MAX];
	size_t count;
};

static struct fcgi *gate;

static uint64_t
sum_of(struct span s)
{
	uint64_t sum = s.len;

	for (size_t i = 0; i < s.len; i++)
		sum = (sum ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* The PARAMS and STDIN of the records, read in the plainest way. */
static void
gather(struct span records, struct buf *params, struct buf *body)
{
	const unsigned char *p = (const unsigned char *)records.ptr;
	const unsigned char *end = p + records.len;

	while (p < end) {
		FUZZ_REQUIRE(end - p >= 8);
		size_t len = (size_t)p[4] * 256 + p[5];
		FUZZ_REQUIRE((size_t)(end - p) >= 8 + len + p[6]);
		struct span content = { (const char *)p + 8, len };
		if (p[1] == 4)
			buf_put(params, content);
		if (p[1] == 5)
			buf_put(body, content);
		p += 8 + len + p[6];
	}
}

static size_t
take_length(const unsigned char **p)
{
	size_t len = **p;

	if (len < 128) {
		(*p)++;
		return len;
	}
	len = (len & 127) << 24 | (size_t)(*p)[1] << 16 | (size_t)(*p)[2] << 8 |
	    (*p)[3];
	*p += 4;
	return len;
}

/* Each variable "NAME=value", one after the other, each ended by NUL. */
static void
write_variables(struct span params, struct buf *lines)
{
	const unsigned char *p = (const unsigned char *)params.ptr;
	const unsigned char *end = params.len == 0 ? p : p + params.len;

	while (p < end) {
		size_t name = take_length(&p);
		size_t value = take_length(&p);
		FUZZ_REQUIRE((size_t)(end - p) >= name + value);
		buf_put(lines, (struct span){ (const char *)p, name });
		buf_put_char(lines, '=');
		p += name;
		buf_put(lines, (struct span){ (const char *)p, value });
		buf_put_char(lines, '\0');
		p += value;
	}
}

/* As libfcgi looks things up: the first that begins with "name=". */
static const char *
look(const struct buf *lines, const char *name, size_t len)
{
	for (size_t at = 0; at < lines->len;
	     at += strlen(lines->ptr + at) + 1) {
		if (strncmp(lines->ptr + at, name, len) == 0 &&
		    lines->ptr[at + len] == '=')
			return lines->ptr + at + len + 1;
	}
	return NULL;
}

static void
judge_variables(const struct buf *lines)
{
	size_t count = 0;

	for (size_t at = 0; at < lines->len && count++ < 32;
	     at += strlen(lines->ptr + at) + 1) {
		size_t len = strcspn(lines->ptr + at, "=");
		char *name = strndup(lines->ptr + at, len);
		FUZZ_REQUIRE(name != NULL);
		const char *got = fcgi_look(gate, name);
		/* libfcgi puts this one there itself. */
		if (strcmp(name, "FCGI_ROLE") == 0)
			got = look(lines, name, len);
		FUZZ_REQUIRE(got != NULL);
		FUZZ_REQUIRE(strcmp(got, look(lines, name, len)) == 0);
		free(name);
	}
}

/* Have libfcgi read a request that is called whole. */
static void
judge_whole(const struct fcgi_record_request *r)
{
	struct buf params = { 0 };
	struct buf body = { 0 };
	struct buf lines = { 0 };
	struct buf got = { 0 };

	gather(fcgi_record_span(r), &params, &body);
	write_variables(buf_span(&params), &lines);
	FUZZ_REQUIRE(body.len <= r->body_max);
	FUZZ_REQUIRE(r->too_large || body.len == r->body);
	FUZZ_REQUIRE(
	    fcgi_read(gate, fcgi_record_span(r), (size_t)r->params) == 0);
	judge_variables(&lines);
	FUZZ_REQUIRE(fcgi_look(gate, "peal fuzz, not there") == NULL);
	FUZZ_REQUIRE(fcgi_read_body(gate, &got) == 0);
	FUZZ_REQUIRE(span_equal(buf_span(&got), buf_span(&body)));
	fcgi_park(gate, &(struct fcgi_peer){ .fd = -1 });
	buf_fini(&got);
	buf_fini(&lines);
	buf_fini(&body);
	buf_fini(&params);
}

/*
 * Look until more bytes are needed or nothing more can come of it.  Returns
 * false in the latter case.
 */
static bool
look_on(struct fcgi_record_request *r, struct tale *t, bool judge)
{
	for (;;) {
		enum fcgi_record_verdict verdict = fcgi_record_look(r);
		FUZZ_REQUIRE(r->read <= r->bytes.len);
		FUZZ_REQUIRE(r->params <= FCGI_RECORD_PARAMS_MAX ||
		    verdict == FCGI_RECORD_BROKEN);
		if (verdict == FCGI_RECORD_MORE)
			return true;
		if (verdict == FCGI_RECORD_WHOLE && judge)
			judge_whole(r);
		FUZZ_REQUIRE(t->count < STORIES_MAX);
		t->stories[t->count++] = (struct story){
			.verdict = verdict,
			.id = r->id,
			.keep = r->keep,
			.too_large = r->too_large,
			.body = r->body,
			.sum = verdict == FCGI_RECORD_WHOLE
			    ? sum_of(fcgi_record_span(r))
			    : 0,
		};
		if (verdict != FCGI_RECORD_WHOLE || t->count == STORIES_MAX)
			return false;
		fcgi_record_next(r);
	}
}

static void
read_at_once(struct span bytes, size_t body_max, struct tale *t)
{
	struct fcgi_record_request r;

	fcgi_record_init(&r, body_max);
	buf_put(&r.bytes, bytes);
	(void)look_on(&r, t, true);
	fcgi_record_fini(&r);
}

static void
read_in_pieces(struct span bytes, size_t body_max, const uint8_t *sizes,
    struct tale *t)
{
	struct fcgi_record_request r;
	bool more = true;

	fcgi_record_init(&r, body_max);
	FUZZ_REQUIRE(fcgi_record_look(&r) == FCGI_RECORD_MORE);
	for (size_t i = 0; more && bytes.len > 0; i++) {
		size_t len = 1 + (size_t)sizes[i % 8];
		if (len > bytes.len)
			len = bytes.len;
		buf_put(&r.bytes, (struct span){ bytes.ptr, len });
		bytes.ptr += len;
		bytes.len -= len;
		more = look_on(&r, t, false);
	}
	fcgi_record_fini(&r);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tale once = { .count = 0 };
	struct tale pieces = { .count = 0 };

	if (gate == NULL) {
		fcgi_init_library();
		gate = fcgi_new();
		FUZZ_REQUIRE(gate != NULL);
	}
	if (size <= HEAD)
		return 0;
	struct span bytes = fuzz_copy(data + HEAD, size - HEAD);
	size_t body_max = (size_t)data[0] * 16;
	read_at_once(bytes, body_max, &once);
	read_in_pieces(bytes, body_max, data + 1, &pieces);
	FUZZ_REQUIRE(once.count == pieces.count);
	for (size_t i = 0; i < once.count; i++) {
		const struct story *a = &once.stories[i];
		const struct story *b = &pieces.stories[i];
		FUZZ_REQUIRE(a->verdict == b->verdict && a->id == b->id);
		FUZZ_REQUIRE(a->keep == b->keep && a->body == b->body);
		FUZZ_REQUIRE(a->too_large == b->too_large && a->sum == b->sum);
	}
	(void)fcgi_record_is_abort(bytes, data[0]);
	free((char *)bytes.ptr);
	return 0;
}

/* Seeds: requests as web servers send them, and what peers should not send. */

static void
put_record(struct buf *out, unsigned type, unsigned id, struct span content,
    unsigned padding)
{
	const unsigned char header[8] = { 1, (unsigned char)type,
		(unsigned char)(id >> 8), (unsigned char)id,
		(unsigned char)(content.len >> 8), (unsigned char)content.len,
		(unsigned char)padding, 0 };
	static const char zeroes[255];

	buf_put(out, (struct span){ (const char *)header, sizeof(header) });
	buf_put(out, content);
	buf_put(out, (struct span){ zeroes, padding });
}

static void
put_begin(struct buf *out, unsigned id, unsigned role, unsigned flags)
{
	const char body[8] = { 0, (char)role, (char)flags };

	put_record(out, 1, id, (struct span){ body, sizeof(body) }, 0);
}

static void
put_length(struct buf *out, size_t len, bool longer)
{
	const unsigned char four[4] = { (unsigned char)(0x80 | len >> 24),
		(unsigned char)(len >> 16), (unsigned char)(len >> 8),
		(unsigned char)len };

	if (len < 128 && !longer)
		buf_put_char(out, (char)len);
	else
		buf_put(out, (struct span){ (const char *)four, 4 });
}

static void
put_variable(struct buf *out, const char *name, const char *value, bool longer)
{
	put_length(out, strlen(name), longer);
	put_length(out, strlen(value), longer);
	buf_put_cstr(out, name);
	buf_put_cstr(out, value);
}

static void
put_request(struct buf *out, unsigned id, unsigned flags, struct span body,
    bool longer, unsigned padding)
{
	struct buf params = { 0 };

	put_variable(&params, "REQUEST_METHOD", body.len > 0 ? "POST" : "GET",
	    longer);
	put_variable(&params, "QUERY_STRING", "channel=a", longer);
	put_variable(&params, "CONTENT_TYPE", "", longer);
	put_begin(out, id, 1, flags);
	/* In two records, as servers may. */
	put_record(out, 4, id, (struct span){ params.ptr, 20 }, padding);
	put_record(out, 4, id,
	    (struct span){ params.ptr + 20, params.len - 20 }, padding);
	put_record(out, 4, id, SPAN(""), 0);
	if (body.len > 0)
		put_record(out, 5, id, body, padding);
	put_record(out, 5, id, SPAN(""), 0);
	buf_fini(&params);
}

bool
fuzz_seed(size_t n, struct buf *out)
{
	const struct span json = SPAN("{\"channel\":\"a\",\"data\":1}");

	buf_put(out,
	    (struct span){ "\xff\0\xff\x07\xff\x0f\xff\xff\xff", HEAD });
	switch (n) {
	case 0:
		put_request(out, 1, 0, SPAN(""), false, 0);
		break;
	case 1:
		put_request(out, 1, 1, json, false, 3);
		put_request(out, 2, 0, SPAN(""), true, 0);
		break;
	case 2: /* a body that is too large */
		out->ptr[0] = 1;
		put_request(out, 0x102, 1, json, true, 7);
		put_request(out, 1, 1, json, true, 7);
		break;
	case 3: /* an abort */
		put_begin(out, 1, 1, 0);
		put_record(out, 2, 1, SPAN(""), 0);
		break;
	case 4: /* another role */
		put_begin(out, 1, 3, 0);
		break;
	case 5: /* management, over which libfcgi breaks */
		put_record(out, 9, 0,
		    SPAN("\x0e\0FCGI_MAX_CONNS\x0d\0FCGI_MAX_REQS"), 0);
		break;
	case 6: /* a length near 2^31, over which it aborts */
		put_begin(out, 1, 1, 0);
		put_record(out, 4, 1,
		    SPAN("\xff\xff\xff\xf0\xff\xff\xff\xf0"
			 "a"),
		    0);
		put_record(out, 4, 1, SPAN(""), 0);
		put_record(out, 5, 1, SPAN(""), 0);
		break;
	case 7: /* another version, and a record cut short */
		put_begin(out, 1, 1, 0);
		buf_put(out, SPAN("\x02\x05"));
		break;
	case 8: /* padding where libfcgi forgets about it */
		put_record(out, 1, 1, SPAN("\0\1\0\0\0\0\0\0"), 5);
		put_record(out, 4, 1, SPAN("\1\1AB"), 4);
		put_record(out, 4, 1, SPAN(""), 8);
		put_record(out, 5, 1, SPAN("body"), 4);
		put_record(out, 5, 1, SPAN(""), 8);
		break;
	default:
		buf_clear(out);
		return false;
	}
	return true;
}
