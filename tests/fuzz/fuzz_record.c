/*
 * FastCGI records: a request that is called whole is the one that libfcgi reads.
 *
 * The input is a byte that says how large a body may be, one whose bits say of
 * which requests the body is not wanted, eight bytes that say into what pieces
 * the rest is cut, and the rest: the bytes of a connection.
 *   - In pieces they get the same verdicts, variables and bodies as at once.
 *   - The variables are reported once for each request, before its body.
 *   - libfcgi reads the same variables in the same order, and the same body,
 *     from the records of a whole request; and where these end begins what is
 *     left for the next.
 *   - No more of a body is kept than may be, and nothing that is not wanted.
 *   - What is to be sent to the peer is whole records, each of a kind that an
 *     application sends.
 * What belongs to the connection and not to the request is no business of libfcgi:
 * it does not get that either.
 * libfcgi 2.4.2 forgets the padding of FCGI_BEGIN_REQUEST and of a stream's end,
 * and then reads it as a record.  So it gets the records without padding.
 */
#include <fcgiapp.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "server/fcgi.h"
#include "wire/fcgi_record.h"

const char fuzz_name[] = "record";

#define HEAD 10
#define STORIES_MAX 32

/* What a look came to. */
struct story {
	enum fcgi_record_verdict verdict;
	uint16_t id;
	bool keep;
	bool too_large;
	uint64_t body_len;
	uint32_t variables;
	uint64_t sum; /* of the variables and the body */
};

/* What comes of the bytes of a connection. */
struct tale {
	struct story stories[STORIES_MAX];
	size_t count;
	size_t requests;
	size_t body_max;
	unsigned unwanted; /* a bit for each request */
	struct span
	    bytes; /* those of no request that was whole; NULL: not judged */
	uint64_t sent; /* sum_on() what is to be sent to the peer */
};

static uint64_t
sum_on(uint64_t sum, struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		sum = (sum ^ (unsigned char)s.ptr[i]) * UINT64_C(0x100000001b3);
	return sum * 31 + s.len;
}

/*
 * Take the records of one request from the front of bytes, which hold all of them:
 * put them down as libfcgi reads them, and what STDIN holds into body.
 */
static void
take_records(struct span *bytes, uint16_t id, struct buf *records,
    struct buf *body)
{
	bool begun = false;
	bool end = false;

	while (!end) {
		const unsigned char *p = (const unsigned char *)bytes->ptr;
		FUZZ_REQUIRE(bytes->len >= 8);
		size_t len = (size_t)p[4] * 256 + p[5];
		FUZZ_REQUIRE(bytes->len >= 8 + len + p[6]);
		bool ours = p[2] * 256 + p[3] == id && (begun || p[1] == 1);
		size_t header = records->len;
		if (ours) {
			begun = true;
			buf_put(records, (struct span){ bytes->ptr, 8 + len });
			records->ptr[header + 6] = 0;
		}
		if (ours && p[1] == 5)
			buf_put(body, (struct span){ bytes->ptr + 8, len });
		end = ours && p[1] == 5 && len == 0;
		bytes->ptr += 8 + len + p[6];
		bytes->len -= 8 + len + p[6];
	}
}

/* Have libfcgi read a request from a file, as if that were a connection. */
static void
have_read(FCGX_Request *request, struct span records)
{
	static int file = -1;

	if (file < 0)
		file = memfd_create("fuzz", MFD_CLOEXEC);
	FUZZ_REQUIRE(file >= 0);
	FUZZ_REQUIRE(
	    pwrite(file, records.ptr, records.len, 0) == (ssize_t)records.len);
	FUZZ_REQUIRE(ftruncate(file, (off_t)records.len) == 0);
	FUZZ_REQUIRE(lseek(file, 0, SEEK_SET) == 0);
	FUZZ_REQUIRE(
	    FCGX_InitRequest(request, -1, FCGI_FAIL_ACCEPT_ON_INTR) == 0);
	/* A preset descriptor is an open connection to libfcgi; one that is not
	 * kept would be closed first. */
	request->ipcFd = file;
	request->keepConnection = 1;
	request->detached = 1;
	FUZZ_REQUIRE(FCGX_Accept_r(request) == 0);
	FUZZ_REQUIRE(FCGX_GetError(request->in) == 0);
}

/* The first variable of the same name, which may be the same. */
static const struct fcgi_record_variable *
first_of(const struct fcgi_record_request *r,
    const struct fcgi_record_variable *v)
{
	const struct fcgi_record_variable *first = r->variables;

	while (first->name_len != v->name_len ||
	    memcmp(r->params.ptr + first->name, r->params.ptr + v->name,
		v->name_len) != 0)
		first++;
	return first;
}

/* line is libfcgi's "NAME=value" of this variable. */
static void
judge_variable(const struct fcgi_record_request *r,
    const struct fcgi_record_variable *v, const char *line)
{
	const char *value = r->params.ptr + v->value;

	FUZZ_REQUIRE(line != NULL);
	FUZZ_REQUIRE(strlen(line) == (size_t)v->name_len + 1 + v->value_len);
	FUZZ_REQUIRE(memcmp(line, r->params.ptr + v->name, v->name_len) == 0);
	FUZZ_REQUIRE(line[v->name_len] == '=');
	FUZZ_REQUIRE(strcmp(line + v->name_len + 1, value) == 0);
	char *name = strndup(line, v->name_len);
	FUZZ_REQUIRE(name != NULL);
	FUZZ_REQUIRE(fcgi_record_variable(r, name) ==
	    r->params.ptr + first_of(r, v)->value);
	free(name);
}

/* libfcgi puts FCGI_ROLE before those that were sent. */
static void
judge_variables(const struct fcgi_record_request *r, char **lines)
{
	FUZZ_REQUIRE(strcmp(lines[0], "FCGI_ROLE=RESPONDER") == 0);
	for (uint32_t i = 0; i < r->variable_count; i++)
		judge_variable(r, &r->variables[i], lines[i + 1]);
	FUZZ_REQUIRE(lines[r->variable_count + 1] == NULL);
	FUZZ_REQUIRE(fcgi_record_variable(r, "peal fuzz, not there") == NULL);
}

static void
judge_body(const struct fcgi_record_request *r, FCGX_Stream *in,
    struct span body)
{
	char *got = malloc(body.len + 1);

	FUZZ_REQUIRE(got != NULL);
	FUZZ_REQUIRE(FCGX_GetStr(got, (int)body.len + 1, in) == (int)body.len);
	FUZZ_REQUIRE(FCGX_GetError(in) == 0);
	FUZZ_REQUIRE(r->body_len == body.len);
	FUZZ_REQUIRE(r->too_large == (body.len > r->body_max));
	if (r->too_large || r->discard) {
		FUZZ_REQUIRE(r->body.len == 0);
	} else {
		FUZZ_REQUIRE(r->body.len == body.len);
		FUZZ_REQUIRE(span_equal((struct span){ got, body.len },
		    buf_span(&r->body)));
	}
	free(got);
}

/* A request that is called whole: its records are next in t->bytes. */
static void
judge_whole(const struct fcgi_record_request *r, struct tale *t)
{
	FCGX_Request request;
	struct buf records = { 0 };
	struct buf body = { 0 };

	take_records(&t->bytes, r->id, &records, &body);
	FUZZ_REQUIRE(span_equal(buf_span(&r->bytes), t->bytes));
	have_read(&request, buf_span(&records));
	FUZZ_REQUIRE(request.requestId == r->id);
	FUZZ_REQUIRE((request.keepConnection != 0) == r->keep);
	judge_variables(r, request.envp);
	judge_body(r, request.in, buf_span(&body));
	/* Or it would be closed. */
	request.ipcFd = -1;
	FCGX_Free(&request, 0);
	buf_fini(&body);
	buf_fini(&records);
}

/* End a request, GET_VALUES_RESULT or UNKNOWN_TYPE: nothing else is sent. */
static void
judge_sent(struct span sent)
{
	FUZZ_REQUIRE(sent.len <= FCGI_RECORD_TO_PEER_MAX + 128);
	while (sent.len > 0) {
		const unsigned char *p = (const unsigned char *)sent.ptr;
		FUZZ_REQUIRE(sent.len >= FCGI_RECORD_HEADER);
		size_t len = FCGI_RECORD_HEADER + p[5];
		FUZZ_REQUIRE(p[0] == 1 && p[4] == 0 && p[6] == 0);
		FUZZ_REQUIRE(sent.len >= len);
		if (p[2] == 0 && p[3] == 0)
			FUZZ_REQUIRE(p[1] == 10 || (p[1] == 11 && p[5] == 8));
		else
			FUZZ_REQUIRE(p[1] == 3 && p[5] == 8 && p[12] == 1);
		sent.ptr += len;
		sent.len -= len;
	}
}

/* Note what a look came to.  Returns false if nothing more can come. */
static bool
note(struct fcgi_record_request *r, enum fcgi_record_verdict verdict,
    struct tale *t)
{
	uint64_t sum = sum_on(1, buf_span(&r->params));

	FUZZ_REQUIRE(t->count < STORIES_MAX);
	t->stories[t->count++] = (struct story){
		.verdict = verdict,
		.id = r->id,
		.keep = r->keep,
		.too_large = r->too_large,
		.body_len = r->body_len,
		.variables = r->variable_count,
		.sum = sum_on(sum, buf_span(&r->body)),
	};
	return t->count < STORIES_MAX &&
	    (verdict == FCGI_RECORD_VARIABLES || verdict == FCGI_RECORD_WHOLE);
}

/*
 * Look until more bytes are needed or nothing more can come of it.  Returns
 * false in the latter case.
 */
static bool
look_on(struct fcgi_record_request *r, struct tale *t, bool *ready)
{
	for (;;) {
		enum fcgi_record_verdict verdict = fcgi_record_look(r);
		judge_sent(buf_span(&r->to_peer));
		if (verdict == FCGI_RECORD_WHOLE)
			t->sent = sum_on(t->sent, buf_span(&r->to_peer));
		FUZZ_REQUIRE(r->params.len <= FCGI_RECORD_PARAMS_MAX);
		FUZZ_REQUIRE(r->variable_count <= FCGI_RECORD_VARIABLES_MAX);
		FUZZ_REQUIRE(r->body.len <= r->body_max);
		if (verdict == FCGI_RECORD_MORE)
			return true;
		if (verdict == FCGI_RECORD_VARIABLES) {
			FUZZ_REQUIRE(!*ready && r->body_len == 0);
			*ready = true;
			r->discard = t->unwanted >> t->requests % 8 & 1;
		}
		if (verdict == FCGI_RECORD_WHOLE) {
			FUZZ_REQUIRE(*ready);
			*ready = false;
			t->requests++;
			if (t->bytes.ptr != NULL)
				judge_whole(r, t);
		}
		if (!note(r, verdict, t))
			return false;
		if (verdict == FCGI_RECORD_WHOLE)
			fcgi_record_next(r);
	}
}

static void
read_at_once(struct span bytes, struct tale *t)
{
	struct fcgi_record_request r;
	bool ready = false;

	fcgi_record_init(&r, t->body_max);
	t->bytes = bytes;
	buf_put(&r.bytes, bytes);
	(void)look_on(&r, t, &ready);
	t->sent = sum_on(t->sent, buf_span(&r.to_peer));
	fcgi_record_fini(&r);
}

static void
read_in_pieces(struct span bytes, const uint8_t *sizes, struct tale *t)
{
	struct fcgi_record_request r;
	bool ready = false;
	bool more = true;

	fcgi_record_init(&r, t->body_max);
	FUZZ_REQUIRE(fcgi_record_look(&r) == FCGI_RECORD_MORE);
	for (size_t i = 0; more && bytes.len > 0; i++) {
		size_t len = 1 + (size_t)sizes[i % 8];
		if (len > bytes.len)
			len = bytes.len;
		buf_put(&r.bytes, (struct span){ bytes.ptr, len });
		bytes.ptr += len;
		bytes.len -= len;
		more = look_on(&r, t, &ready);
	}
	t->sent = sum_on(t->sent, buf_span(&r.to_peer));
	fcgi_record_fini(&r);
}

/* The bytes as what comes while a request is answered, at once or in pieces. */
static struct story
read_beside(struct span bytes, uint16_t id, const uint8_t *sizes)
{
	struct story story = { .verdict = FCGI_RECORD_MORE };
	struct fcgi_record_request r;

	fcgi_record_init(&r, 0);
	for (size_t i = 0; story.verdict == FCGI_RECORD_MORE && bytes.len > 0;
	     i++) {
		size_t len =
		    sizes == NULL ? bytes.len : 1 + (size_t)sizes[i % 8];
		if (len > bytes.len)
			len = bytes.len;
		buf_put(&r.bytes, (struct span){ bytes.ptr, len });
		bytes.ptr += len;
		bytes.len -= len;
		story.verdict = fcgi_record_look_beside(&r, id);
		FUZZ_REQUIRE(r.bytes.len < FCGI_RECORD_MAX ||
		    story.verdict != FCGI_RECORD_MORE);
	}
	FUZZ_REQUIRE(story.verdict == FCGI_RECORD_MORE ||
	    story.verdict == FCGI_RECORD_ABORTED ||
	    story.verdict == FCGI_RECORD_BROKEN);
	judge_sent(buf_span(&r.to_peer));
	story.sum = sum_on(1, buf_span(&r.to_peer));
	fcgi_record_fini(&r);
	return story;
}

static void
judge_beside(struct span bytes, const uint8_t *data)
{
	uint16_t id = data[0] == 0 ? 1 : data[0];
	struct story once = read_beside(bytes, id, NULL);
	struct story pieces = read_beside(bytes, id, data + 2);

	FUZZ_REQUIRE(once.verdict == pieces.verdict);
	FUZZ_REQUIRE(once.sum == pieces.sum);
}

static void
require_alike(const struct story *a, const struct story *b)
{
	FUZZ_REQUIRE(a->verdict == b->verdict && a->id == b->id);
	FUZZ_REQUIRE(a->keep == b->keep && a->too_large == b->too_large);
	FUZZ_REQUIRE(a->body_len == b->body_len);
	FUZZ_REQUIRE(a->variables == b->variables && a->sum == b->sum);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;

	if (!begun) {
		fcgi_init_library();
		begun = true;
	}
	if (size <= HEAD)
		return 0;
	struct tale once = { .body_max = (size_t)data[0] * 16,
		.unwanted = data[1] };
	struct tale pieces = once;
	struct span bytes = fuzz_copy(data + HEAD, size - HEAD);
	read_at_once(bytes, &once);
	read_in_pieces(bytes, data + 2, &pieces);
	FUZZ_REQUIRE(once.count == pieces.count);
	for (size_t i = 0; i < once.count; i++)
		require_alike(&once.stories[i], &pieces.stories[i]);
	FUZZ_REQUIRE(once.sent == pieces.sent);
	judge_beside(bytes, data);
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
	    (struct span){ "\xff\0\0\xff\x07\xff\x0f\xff\xff\xff", HEAD });
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
	case 5: /* management */
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
	case 9: /* names sent twice, and of one bucket */
		put_begin(out, 1, 1, 0);
		put_record(out, 4, 1,
		    SPAN("\5\1A1B1C1\5\1A1B2C2\5\1A1B1C3\5\0A1B1C\0\0"), 0);
		put_record(out, 4, 1, SPAN(""), 0);
		put_record(out, 5, 1, SPAN(""), 0);
		break;
	case 10: /* a body that is not wanted */
		out->ptr[1] = 1;
		put_request(out, 1, 1, json, false, 0);
		put_request(out, 1, 1, json, false, 0);
		break;
	case 11: /* what belongs to the connection, beside a request */
		out->ptr[0] = 1;
		put_record(out, 9, 0,
		    SPAN("\x0f\0FCGI_MPXS_CONNS\x0d\0FCGI_MAX_REQS"), 1);
		put_record(out, 99, 0, SPAN("?"), 0);
		put_begin(out, 1, 1, 1);
		put_begin(out, 2, 1, 1);
		put_record(out, 4, 2, SPAN("\1\1AB"), 0);
		put_record(out, 4, 1, SPAN(""), 0);
		put_record(out, 2, 2, SPAN(""), 0);
		put_record(out, 5, 1, SPAN(""), 0);
		break;
	case 12: /* the same while request 1 is answered */
		out->ptr[0] = 1;
		put_record(out, 5, 1, SPAN(""), 0);
		put_begin(out, 2, 1, 1);
		put_record(out, 9, 0, SPAN("\x0d\0FCGI_MAX_REQS"), 1);
		put_record(out, 5, 2, SPAN("body"), 9);
		put_record(out, 2, 1, SPAN(""), 0);
		break;
	default:
		buf_clear(out);
		return false;
	}
	return true;
}
