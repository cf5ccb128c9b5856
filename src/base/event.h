/*
 * Event ids, and the resume points a client may send.
 *
 * An id is one 64-bit number: milliseconds since the epoch in the upper 48
 * bits and a counter within the millisecond in the lower 16.  Its order is the
 * order of the events, and it is the subscriber's cursor.  On the wire it is
 * "<ms>-<n>": digits and a hyphen, which the CORS-safe rules for Last-Event-ID
 * allow.
 */
#ifndef PEAL_EVENT_H
#define PEAL_EVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

#define EVENT_COUNTER_BITS 16
#define EVENT_COUNTER_MAX UINT64_C(0xffff)
#define EVENT_MS_MAX ((UINT64_C(1) << 48) - 1)

/*
 * A resume point below this, which as milliseconds lies before March 1973, is
 * somebody's time in seconds.
 */
#define EVENT_SECONDS_MAX UINT64_C(100000000000)

/* The longest printed id: 15 digits, a hyphen, 5 digits; no NUL. */
#define EVENT_ID_CHARS 21

/* An id that a publisher gives an event: bytes. */
#define EVENT_OWN_ID_MAX 255

/* Channel names and topics: bytes. */
#define EVENT_CHANNEL_MAX 1024
#define EVENT_TOPIC_MAX 255

/* ms is at most EVENT_MS_MAX, n at most EVENT_COUNTER_MAX. */
uint64_t event_id_make(uint64_t ms, uint64_t n);
uint64_t event_id_ms(uint64_t id);

/*
 * The id of an event that happens at now_ms, after the event last.  It is
 * greater than last whatever the clock says: a clock that stands still or steps
 * back uses up the counter, then the next millisecond.  Only the last number of
 * all, in the year 10889, has no next: it is returned again.
 */
uint64_t event_id_next(uint64_t last, uint64_t now_ms);

/* Print id.  Returns the number of bytes written; no NUL is added. */
size_t event_id_print(uint64_t id, char out[EVENT_ID_CHARS]);

/* Bytes of the longest id line, "id: <id>\n". */
#define EVENT_ID_LINE_MAX (4 + EVENT_ID_CHARS + 1)

/*
 * Write "id: <id>\n", with which the event's block begins on the wire.  Returns
 * the number of bytes.
 * Source: WHATWG HTML, "Server-sent events", "Parsing an event stream".
 */
size_t event_id_line(uint64_t id, char out[EVENT_ID_LINE_MAX]);

/* The same with an id that the publisher gave, of at most EVENT_OWN_ID_MAX bytes. */
#define EVENT_OWN_ID_LINE_MAX (4 + EVENT_OWN_ID_MAX + 1)
size_t event_own_id_line(struct span own_id, char out[EVENT_OWN_ID_LINE_MAX]);

/*
 * Read "<ms>-<n>" as event_id_print() writes it.
 *
 * Returns 0, or -EINVAL for any other form or an out-of-range part.
 */
int event_id_parse(struct span s, uint64_t *id);

enum event_resume_kind {
	EVENT_RESUME_NONE,     /* nothing asked: live only, from now */
	EVENT_RESUME_AFTER,    /* everything after the event id */
	EVENT_RESUME_SINCE,    /* everything after an instant; id is its end */
	EVENT_RESUME_EARLIEST, /* all that is kept, whatever was before */
	EVENT_RESUME_UNREADABLE, /* as EARLIEST, after a gap event */
};

struct event_resume {
	enum event_resume_kind kind;
	uint64_t id; /* AFTER and SINCE; otherwise 0 */

	/* SINCE and UNREADABLE: where an event that is kept has this id of its
	 * own, the point is that event.  Empty: it can be no such id. */
	struct span own_id;
};

/*
 * Read a resume point as a client sends it: an id, a bare number of
 * milliseconds since the epoch, or "earliest" (also "0" and "0-0").  White
 * space around it is dropped; where nothing else is there, it is NONE.  Never
 * fails: what cannot be read is UNREADABLE.  The own_id it gives is a part of
 * s.
 *
 * A bare number means after the whole of that millisecond, so that the time of
 * an event already seen does not bring it again.  Its fraction is dropped.  A
 * number other than 0 below EVENT_SECONDS_MAX is UNREADABLE; see
 * event_resume_hint().
 */
struct event_resume event_resume_parse(struct span s);

/*
 * What to tell the author of a client that sent this resume point: NULL, or a
 * sentence without quotes and control characters that says that the number
 * looks like seconds.
 */
const char *event_resume_hint(struct span s);

/*
 * Check an id that a publisher gives: 1 to EVENT_OWN_ID_MAX bytes of UTF-8 with
 * no control characters, not beginning with "#".  A client that sends it back as
 * its resume point must mean this event and nothing else, so it must not read as
 * an id of peal's, as a time or as "earliest", nor begin or end with a space,
 * which HTTP drops.  A number below 10^12, such as a row of a database, is no
 * time: as milliseconds it lies before 2001.  Returns NULL or a phrase, as
 * event_channel_fault().
 */
const char *event_own_id_fault(struct span own_id);

/*
 * Check a channel name: 1 to EVENT_CHANNEL_MAX bytes of UTF-8 with no control
 * characters: C0, DEL and C1 (U+0080 to U+009F).  Returns NULL, or a phrase
 * that says what is wrong, such as "is longer than 1024 bytes", to follow the
 * words "the channel name".
 */
const char *event_channel_fault(struct span name);

/*
 * Check a topic: at most EVENT_TOPIC_MAX bytes of UTF-8, no control characters,
 * not beginning with "peal:", and neither "error" nor "open", with which an
 * EventSource calls the page's connection handlers.  Empty is allowed and means
 * no topic.  Returns NULL or a phrase, as event_channel_fault().
 */
const char *event_topic_fault(struct span topic);

#endif
