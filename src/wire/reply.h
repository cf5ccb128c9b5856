/*
 * Replies as CGI has them: a Status line and headers, CR LF line ends, a blank
 * line, the body.  Source: RFC 3875, section 6.
 */
#ifndef PEAL_REPLY_H
#define PEAL_REPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"
#include "wire/problem.h"
#include "wire/request.h"

#define REPLY_ORIGINS_MAX 32
#define REPLY_HEAD_MAX 512

/* --cors-origin, as configured. */
struct reply_cors {
	/* "*" is any, without credentials. */
	struct span origins[REPLY_ORIGINS_MAX];
	size_t count;
};

/*
 * Append the CORS headers for a request: nothing where none is configured, else
 * Vary: Origin, since the answer depends on it, and where the request's Origin
 * is among them Access-Control-Allow-Origin.  An origin that is named gets
 * Access-Control-Allow-Credentials, "*" never does; where both fit, the name
 * wins.
 * Source: WHATWG Fetch, "CORS protocol".
 */
void reply_cors(struct buf *out, const struct reply_cors *cors,
    struct span origin);

/* 200 text/event-stream: headers and the blank line. */
void reply_stream(struct buf *out, const struct reply_cors *cors,
    struct span origin);

/* The same where Accept has decided that it is a stream. */
void reply_negotiated_stream(struct buf *out, const struct reply_cors *cors,
    struct span origin);

/*
 * 204 with Allow, in which POST is missing where it reads_only; with an allowed
 * Origin, the preflight's answer.
 */
void reply_options(struct buf *out, const struct reply_cors *cors,
    struct span origin, bool reads_only);

/*
 * A whole reply with a body.  Without it, and with status 200, it takes at most
 * REPLY_HEAD_MAX bytes and the origin's.  status is 200 or an error's; type is the
 * Content-Type.  head_only leaves the body out and keeps its Content-Length.
 */
void reply_body(struct buf *out, int status, const char *type, struct span body,
    const struct reply_cors *cors, struct span origin, bool head_only);

/*
 * The head of a reply with a body of len bytes and status 200, where Accept decides
 * what that is.  policy is its Content-Security-Policy, or NULL.
 */
void reply_negotiated(struct buf *out, const char *type, size_t len,
    const char *policy, const struct reply_cors *cors, struct span origin);

/*
 * A whole application/problem+json reply.  401 carries WWW-Authenticate:
 * Bearer, 503 carries Retry-After: 1, 405 carries Allow: GET, HEAD, POST, OPTIONS,
 * without POST where the problem says reads_only; PROBLEM_CONTENT_ENCODING carries Accept-Encoding:
 * identity.
 */
void reply_problem(struct buf *out, const struct problem *problem,
    const struct reply_cors *cors, struct span origin, bool head_only);

/* What was published, in the order of the message. */
struct reply_published {
	struct span channel;
	struct span own_id; /* what subscribers get as its id; empty: id */
	uint64_t id;
	uint32_t subscribers;
	bool duplicate; /* it was there already */
};

/* Bytes that reply_published() takes at most, whatever the ids and the counts. */
size_t reply_published_max(const struct reply_published *events, size_t count);

/* The JSON body for a publish; single is the short form, for one event. */
void reply_published(struct buf *body, const struct reply_published *events,
    size_t count, bool single);

#endif
