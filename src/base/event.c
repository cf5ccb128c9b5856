#include "base/event.h"

#include <errno.h>
#include <string.h>

#include "base/units.h"

uint64_t
event_id_make(uint64_t ms, uint64_t n)
{
	return (ms << EVENT_COUNTER_BITS) | n;
}

uint64_t
event_id_ms(uint64_t id)
{
	return id >> EVENT_COUNTER_BITS;
}

uint64_t
event_id_next(uint64_t last, uint64_t now_ms)
{
	uint64_t ms = now_ms < EVENT_MS_MAX ? now_ms : EVENT_MS_MAX;
	uint64_t now = event_id_make(ms, 0);

	if (now > last)
		return now;
	return last < UINT64_MAX ? last + 1 : last;
}

size_t
event_id_print(uint64_t id, char out[EVENT_ID_CHARS])
{
	size_t len = units_print_u64(event_id_ms(id), out);

	out[len++] = '-';
	return len + units_print_u64(id & EVENT_COUNTER_MAX, out + len);
}

size_t
event_id_line(uint64_t id, char out[EVENT_ID_LINE_MAX])
{
	memcpy(out, "id: ", 4);
	size_t len = 4 + event_id_print(id, out + 4);
	out[len++] = '\n';
	return len;
}

size_t
event_own_id_line(struct span own_id, char out[EVENT_OWN_ID_LINE_MAX])
{
	memcpy(out, "id: ", 4);
	memcpy(out + 4, own_id.ptr, own_id.len);
	out[4 + own_id.len] = '\n';
	return 4 + own_id.len + 1;
}

/* Read a number as units_print_u64() writes it: no leading zero. */
static int
parse_part(struct span s, uint64_t max, uint64_t *value)
{
	if (s.len > 1 && s.ptr[0] == '0')
		return -EINVAL;
	if (span_to_u64(s, value) != 0 || *value > max)
		return -EINVAL;
	return 0;
}

int
event_id_parse(struct span s, uint64_t *id)
{
	struct span ms;
	uint64_t ms_value;
	uint64_t n_value;

	if (!span_cut(&s, '-', &ms))
		return -EINVAL;
	if (parse_part(ms, EVENT_MS_MAX, &ms_value) != 0 ||
	    parse_part(s, EVENT_COUNTER_MAX, &n_value) != 0)
		return -EINVAL;
	*id = event_id_make(ms_value, n_value);
	return 0;
}

static bool
is_digits(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return false;
	}
	return s.len > 0;
}

static struct event_resume
resume_after(uint64_t id)
{
	if (id == 0)
		return (struct event_resume){ .kind = EVENT_RESUME_EARLIEST };
	return (struct event_resume){ .kind = EVENT_RESUME_AFTER, .id = id };
}

static struct event_resume
resume_since(uint64_t ms)
{
	if (ms == 0)
		return (struct event_resume){ .kind = EVENT_RESUME_EARLIEST };
	return (struct event_resume){
		.kind = EVENT_RESUME_SINCE,
		.id = event_id_make(ms, EVENT_COUNTER_MAX),
	};
}

/*
 * Read a bare number of milliseconds.  PHP's microtime(true) * 1000 and
 * JavaScript's performance.timeOrigin have a fraction, which is dropped: peal's
 * instants are whole milliseconds.
 */
static int
parse_ms(struct span s, uint64_t *ms)
{
	struct span whole = { NULL, 0 };

	(void)span_cut(&s, '.', &whole);
	/* Without a point there is no rest, not even an empty one. */
	if (s.ptr != NULL && !is_digits(s))
		return -EINVAL;
	return span_to_u64(whole, ms) == 0 && *ms <= EVENT_MS_MAX ? 0 : -EINVAL;
}

static bool
looks_like_seconds(uint64_t ms)
{
	return ms != 0 && ms < EVENT_SECONDS_MAX;
}

/* What a resume point says unless it is an event's own id. */
static struct event_resume
read_point(struct span s)
{
	uint64_t value;

	if (s.len == 0)
		return (struct event_resume){ .kind = EVENT_RESUME_NONE };
	if (span_equal(s, SPAN("earliest")))
		return (struct event_resume){ .kind = EVENT_RESUME_EARLIEST };
	if (event_id_parse(s, &value) == 0)
		return resume_after(value);
	if (parse_ms(s, &value) == 0 && !looks_like_seconds(value))
		return resume_since(value);
	return (struct event_resume){ .kind = EVENT_RESUME_UNREADABLE };
}

struct event_resume
event_resume_parse(struct span s)
{
	s = span_trim(s);
	struct event_resume resume = read_point(s);

	if (event_own_id_fault(s) == NULL)
		resume.own_id = s;
	return resume;
}

const char *
event_resume_hint(struct span s)
{
	uint64_t ms;

	if (parse_ms(span_trim(s), &ms) != 0 || !looks_like_seconds(ms))
		return NULL;
	return "the number looks like seconds since 1970; peal takes milliseconds";
}

/*
 * Whether valid UTF-8 holds a C1 control: U+0080 to U+009F, two bytes each.
 * Terminals obey them as they obey escape sequences, and names are printed.
 */
static bool
has_c1_control(struct span s)
{
	for (size_t i = 1; i < s.len; i++) {
		if ((unsigned char)s.ptr[i - 1] == 0xc2 &&
		    (unsigned char)s.ptr[i] < 0xa0)
			return true;
	}
	return false;
}

static const char *
text_fault(struct span s)
{
	if (!span_is_utf8(s))
		return "is not UTF-8";
	if (span_has_control(s) || has_c1_control(s))
		return "holds a control character";
	return NULL;
}

/* Milliseconds since 1970 that somebody can mean: in 2001 there was no peal. */
#define TIMES_BEGIN_MS UINT64_C(1000000000000)

static bool
is_taken_by_resume(struct span own_id)
{
	struct event_resume point = read_point(own_id);

	return point.kind == EVENT_RESUME_AFTER ||
	    point.kind == EVENT_RESUME_EARLIEST ||
	    (point.kind == EVENT_RESUME_SINCE &&
		event_id_ms(point.id) >= TIMES_BEGIN_MS);
}

const char *
event_own_id_fault(struct span own_id)
{
	_Static_assert(EVENT_OWN_ID_MAX == 255, "the phrase says 255");

	if (own_id.len == 0)
		return "is empty";
	if (own_id.len > EVENT_OWN_ID_MAX)
		return "is longer than 255 bytes";
	if (own_id.ptr[0] == '#')
		return "begins with \"#\", which is reserved";
	if (span_trim(own_id).len < own_id.len)
		return "begins or ends with white space";
	if (is_taken_by_resume(own_id))
		return "would be taken for a time or for an ID of peal's; begin "
		       "it with a letter";
	return text_fault(own_id);
}

const char *
event_channel_fault(struct span name)
{
	_Static_assert(EVENT_CHANNEL_MAX == 1024, "the phrase says 1024");

	if (name.len == 0)
		return "is empty";
	if (name.len > EVENT_CHANNEL_MAX)
		return "is longer than 1024 bytes";
	return text_fault(name);
}

const char *
event_topic_fault(struct span topic)
{
	const struct span ours = SPAN("peal:");

	_Static_assert(EVENT_TOPIC_MAX == 255, "the phrase says 255");

	if (topic.len > EVENT_TOPIC_MAX)
		return "is longer than 255 bytes";
	if (topic.len >= ours.len &&
	    span_equal((struct span){ topic.ptr, ours.len }, ours))
		return "begins with \"peal:\", which is reserved";
	/* WHATWG HTML, "The EventSource interface": the browser fires events of
	 * these types itself, and one from the stream would look the same. */
	if (span_equal(topic, SPAN("error")) || span_equal(topic, SPAN("open")))
		return "is \"error\" or \"open\", which EventSource itself uses";
	return text_fault(topic);
}
