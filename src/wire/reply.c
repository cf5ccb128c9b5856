#include "wire/reply.h"

#include <assert.h>

#include "base/event.h"
#include "base/json_writer.h"

/* RFC 9110, section 10.2.1: what this address takes, not what another does. */
#define METHODS "GET, HEAD, POST, OPTIONS"
#define METHODS_BELOW "GET, HEAD, OPTIONS"

/* RFC 9110, section 15. */
static const char *
reason_of(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 204, "No Content" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "";
}

static void
put_status(struct buf *out, int status)
{
	buf_put(out, SPAN("Status: "));
	buf_put_u64(out, (uint64_t)status);
	buf_put_char(out, ' ');
	buf_put_cstr(out, reason_of(status));
	buf_put(out, SPAN("\r\n"));
}

static void
put_header(struct buf *out, const char *name, struct span value)
{
	buf_put_cstr(out, name);
	buf_put(out, SPAN(": "));
	buf_put(out, value);
	buf_put(out, SPAN("\r\n"));
}

enum cors_match {
	CORS_NONE,
	CORS_ANY,
	CORS_NAMED,
};

/*
 * WHATWG Fetch, "CORS check": origins are compared byte for byte.  A request
 * whose Origin is itself "*" names nobody.
 */
static enum cors_match
match_origin(const struct reply_cors *cors, struct span origin)
{
	enum cors_match match = CORS_NONE;

	if (origin.len == 0)
		return CORS_NONE;
	for (size_t i = 0; i < cors->count; i++) {
		if (span_equal(cors->origins[i], SPAN("*")))
			match = CORS_ANY;
		else if (span_equal(cors->origins[i], origin))
			return CORS_NAMED;
	}
	return match;
}

void
reply_cors(struct buf *out, const struct reply_cors *cors, struct span origin)
{
	if (cors->count == 0)
		return;
	/*
	 * WHATWG Fetch, "CORS protocol and HTTP caches": also without a match,
	 * or a cache would hand this answer to an origin that has one.
	 */
	put_header(out, "Vary", SPAN("Origin"));
	switch (match_origin(cors, origin)) {
	case CORS_NONE:
		break;
	case CORS_ANY:
		put_header(out, "Access-Control-Allow-Origin", SPAN("*"));
		break;
	case CORS_NAMED:
		put_header(out, "Access-Control-Allow-Origin", origin);
		put_header(out, "Access-Control-Allow-Credentials",
		    SPAN("true"));
		break;
	}
}

static void
put_stream(struct buf *out, const struct reply_cors *cors, struct span origin)
{
	put_status(out, 200);
	put_header(out, "Content-Type", SPAN("text/event-stream"));
	/*
	 * RFC 9111, section 5.2.2.6: a proxy that compresses would hold events
	 * back until it has a block of them.
	 */
	put_header(out, "Cache-Control", SPAN("no-cache, no-transform"));
	/* Tells nginx not to buffer, whatever its configuration says. */
	put_header(out, "X-Accel-Buffering", SPAN("no"));
	reply_cors(out, cors, origin);
}

void
reply_stream(struct buf *out, const struct reply_cors *cors, struct span origin)
{
	put_stream(out, cors, origin);
	buf_put(out, SPAN("\r\n"));
}

void
reply_negotiated_stream(struct buf *out, const struct reply_cors *cors,
    struct span origin)
{
	put_stream(out, cors, origin);
	put_header(out, "Vary", SPAN("Accept"));
	buf_put(out, SPAN("\r\n"));
}

void
reply_options(struct buf *out, const struct reply_cors *cors,
    struct span origin, bool reads_only)
{
	struct span methods = reads_only ? SPAN(METHODS_BELOW) : SPAN(METHODS);

	put_status(out, 204);
	put_header(out, "Allow", methods);
	reply_cors(out, cors, origin);
	if (match_origin(cors, origin) != CORS_NONE) {
		put_header(out, "Access-Control-Allow-Methods", methods);
		put_header(out, "Access-Control-Allow-Headers",
		    SPAN("Last-Event-ID, Authorization, Content-Type"));
		/* Seconds; Chromium keeps a preflight no longer than this. */
		put_header(out, "Access-Control-Max-Age", SPAN("7200"));
	}
	buf_put(out, SPAN("\r\n"));
}

/* Everything of a reply with a body up to the headers that only some have. */
static void
put_head(struct buf *out, int status, const char *type, size_t len,
    const struct reply_cors *cors, struct span origin)
{
	put_status(out, status);
	put_header(out, "Content-Type", span_of(type));
	buf_put(out, SPAN("Content-Length: "));
	buf_put_u64(out, len);
	buf_put(out, SPAN("\r\n"));
	put_header(out, "Cache-Control", SPAN("no-store"));
	reply_cors(out, cors, origin);
}

void
reply_body(struct buf *out, int status, const char *type, struct span body,
    const struct reply_cors *cors, struct span origin, bool head_only)
{
	put_head(out, status, type, body.len, cors, origin);
	buf_put(out, SPAN("\r\n"));
	if (!head_only)
		buf_put(out, body);
}

void
reply_negotiated(struct buf *out, const char *type, size_t len,
    const char *policy, const struct reply_cors *cors, struct span origin)
{
	put_head(out, 200, type, len, cors, origin);
	put_header(out, "Vary", SPAN("Accept"));
	if (policy != NULL)
		put_header(out, "Content-Security-Policy", span_of(policy));
	buf_put(out, SPAN("\r\n"));
}

static void
put_problem_json(struct buf *body, const struct problem *problem)
{
	struct json_writer w = { .out = body };

	json_writer_begin(&w, NULL, '{');
	json_writer_string(&w, "type", span_of(problem_type(problem->kind)));
	json_writer_u64(&w, "status", (uint64_t)problem->status);
	json_writer_string(&w, "title", span_of(problem_title(problem->kind)));
	json_writer_string(&w, "detail", span_of(problem->detail));
	json_writer_end(&w, '}');
}

void
reply_problem(struct buf *out, const struct problem *problem,
    const struct reply_cors *cors, struct span origin, bool head_only)
{
	struct buf body;

	buf_init(&body);
	put_problem_json(&body, problem);
	put_head(out, problem->status, "application/problem+json", body.len,
	    cors, origin);
	if (problem->status == 401)
		put_header(out, "WWW-Authenticate", SPAN("Bearer"));
	/* RFC 9110, section 10.2.3, seconds: a lock or memory is there again soon. */
	if (problem->status == 503)
		put_header(out, "Retry-After", SPAN("1"));
	/* RFC 9110, section 12.5.3: tells the coding from the type as cause. */
	if (problem->kind == PROBLEM_CONTENT_ENCODING)
		put_header(out, "Accept-Encoding", SPAN("identity"));
	if (problem->status == 405)
		put_header(out, "Allow",
		    problem->reads_only ? SPAN(METHODS_BELOW) : SPAN(METHODS));
	buf_put(out, SPAN("\r\n"));
	if (!head_only)
		buf_put(out, buf_span(&body));
	if (buf_error(&body) != 0)
		out->failed = true;
	buf_fini(&body);
}

static void
put_published(struct json_writer *w, const struct reply_published *event,
    bool single)
{
	json_writer_begin(w, NULL, '{');
	if (!single)
		json_writer_string(w, "channel", event->channel);
	if (event->own_id.len > 0)
		json_writer_string(w, "id", event->own_id);
	else
		json_writer_id(w, "id", event->id);
	json_writer_u64(w, "subscribers", event->subscribers);
	if (event->duplicate)
		json_writer_bool(w, "duplicate", true);
	json_writer_end(w, '}');
}

size_t
reply_published_max(const struct reply_published *events, size_t count)
{
	/* An id and a count, each the longest, and a separator. */
	const size_t one = sizeof("{\"channel\":\"\",\"id\":\"\","
				  "\"subscribers\":4294967295,"
				  "\"duplicate\":true},") +
	    EVENT_ID_CHARS;
	size_t len = sizeof("{\"events\":[]}");

	for (size_t i = 0; i < count; i++)
		len += one + 6 * (events[i].channel.len + events[i].own_id.len);
	return len;
}

void
reply_published(struct buf *body, const struct reply_published *events,
    size_t count, bool single)
{
	struct json_writer w = { .out = body };

	if (single) {
		assert(count == 1);
		put_published(&w, &events[0], true);
		return;
	}
	json_writer_begin(&w, NULL, '{');
	json_writer_begin(&w, "events", '[');
	for (size_t i = 0; i < count; i++)
		put_published(&w, &events[i], false);
	json_writer_end(&w, ']');
	json_writer_end(&w, '}');
}
