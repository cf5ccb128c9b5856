/*
 * The body of a POST, turned into the events it asks to publish.
 */
#ifndef PEAL_MESSAGE_H
#define PEAL_MESSAGE_H

#include "base/span.h"
#include "wire/message_builder.h"
#include "wire/problem.h"

enum message_type {
	MESSAGE_JSON,	/* application/json, and any +json */
	MESSAGE_NDJSON, /* application/x-ndjson, application/jsonl */
	MESSAGE_FORM,	/* application/x-www-form-urlencoded */
	MESSAGE_RAW,	/* anything else, or none: the body is the data */
};

/*
 * Decide by Content-Type, of which parameters and case do not matter, how a
 * body is read, and refuse one that cannot be: multipart/form-data, and any
 * Content-Encoding but identity.  Either may be empty.
 *
 * Returns 0, or -EINVAL with *problem filled in: 415, naming what it is.
 * Source: RFC 9110, sections 8.4 and 15.5.16.
 */
int message_accept(struct span content_type, struct span content_encoding,
    enum message_type *type, struct problem *problem);

/*
 * Read a body.
 *
 * query is the request's query string; only MESSAGE_RAW uses it (channel, which
 * may repeat, also as channel[] or channel[0]; topic; id).  An empty batch, "[]" or
 * no line, is a problem.  Unknown members and fields are ignored.  Of duplicate members the
 * last counts, also where a name is spelled with escapes.  "topic" and "id" may be
 * missing, null or a string; "channel" is a string or an array of at least one
 * string; "data" must be there.  In NDJSON, blank lines are passed over and a
 * line may end with CR LF.  A raw body or a form's data that is not UTF-8 is a
 * problem, as event streams are UTF-8; U+0000 is let through, as they may hold
 * it.  Half a surrogate pair, "\ud800", goes through in data as it was sent,
 * but names no channel, no topic and no event.
 *
 * m is initialised here and must be ended by message_fini(), also after a
 * failure.  All or nothing: after a failure no event may be used.
 *
 * Returns 0, or -EINVAL with *problem filled in.  In a batch the sentence names
 * the event: "event 3: the member \"data\" is missing" counts from 0, as the
 * array does; for NDJSON the line, counted from 1, is named as well.  Bytes are
 * counted from 0, in the body or in the line.
 *   400  malformed, or a name, topic or member that cannot be
 *   413  data longer than rules->event_size
 *   503  out of memory
 */
int message_read(struct message *m, enum message_type type, struct span body,
    struct span query, const struct message_rules *rules,
    struct problem *problem);

/* A body that is read in steps. */
struct message_reader {
	struct message_builder builder;
	enum message_type type;
	struct span body;
	struct span query;
	struct span rest; /* of a batch */
	size_t lines;
};

/*
 * The same in steps: message_begin(), then message_step() while it returns 1.  A step
 * reads about so many bytes of a batch; any other body is read in one.  All that
 * is passed in stays the caller's and must stay where it is until the last step.
 *
 * Returns 0 (after message_begin(): go on), 1 when there is more to read, or as
 * message_read().
 */
int message_begin(struct message_reader *r, struct message *m,
    enum message_type type, struct span body, struct span query,
    const struct message_rules *rules, struct problem *problem);
int message_step(struct message_reader *r, size_t bytes);

void message_fini(struct message *m);

#endif
