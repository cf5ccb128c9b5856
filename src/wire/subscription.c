#include "wire/subscription.h"

#include <errno.h>
#include <string.h>

#include "wire/urlencoded.h"

/*
 * A subscription while it is read.  The store grows, and may move: so pieces of
 * it, not spans.  A failed allocation is told at the end.
 */
struct reader {
	const struct access *access;
	request_look *look;
	const void *context;
	struct problem *problem;
	struct buf *store;
	struct urlencoded_pair channels[SUBSCRIPTION_CHANNELS_MAX];
	size_t count;
	struct urlencoded_pair asked;
	bool beat;
};

static bool
has_channel(const struct reader *d, struct span name)
{
	for (size_t i = 0; i < d->count; i++) {
		if (span_equal(urlencoded_span(d->store, d->channels[i]), name))
			return true;
	}
	return false;
}

/* bad is what a bad name means; one too many is one too many whoever names it. */
static int
add_channel(struct reader *d, struct urlencoded_pair piece,
    enum problem_kind bad)
{
	struct span name = urlencoded_span(d->store, piece);
	const char *fault = event_channel_fault(name);

	if (fault != NULL) {
		problem_set(d->problem, bad, "the channel name %s", fault);
		return -EINVAL;
	}
	if (access_check_channel(d->access, ACCESS_SUBSCRIBE, name,
		d->problem) != 0)
		return -EINVAL;
	if (has_channel(d, name))
		return 0;
	if (d->count == SUBSCRIPTION_CHANNELS_MAX) {
		problem_set(d->problem, PROBLEM_TOO_MANY_CHANNELS,
		    "more than %d channels are asked for",
		    SUBSCRIPTION_CHANNELS_MAX);
		return -EINVAL;
	}
	d->channels[d->count++] = piece;
	return 0;
}

static bool
is_variable_name(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (!(c >= 'A' && c <= 'Z') && !(c >= 'a' && c <= 'z') &&
		    !(c >= '0' && c <= '9') && c != '_')
			return false;
	}
	return s.len > 0;
}

/* The value of a variable whose name has no terminator. */
static struct span
look_named(const struct reader *d, struct span name)
{
	/* Lend the end of the store to a copy that has one. */
	char *copy = buf_room(d->store, name.len + 1);

	if (copy == NULL)
		return (struct span){ NULL, 0 };
	memcpy(copy, name.ptr, name.len);
	copy[name.len] = '\0';
	return request_variable(d->look, d->context, copy);
}

/*
 * Append the value of the variable that *rest begins with, "{NAME}", and cut
 * that off.  The value's own braces mean nothing.
 */
static int
put_variable(struct reader *d, struct span *rest)
{
	struct span name;
	struct span value;

	rest->ptr++;
	rest->len--;
	(void)span_cut(rest, '}', &name);
	if (rest->ptr == NULL || !is_variable_name(name)) {
		problem_set(d->problem, PROBLEM_CHANNEL_VARIABLE,
		    "PEAL_CHANNEL has a \"{\" without a variable's name and \"}\"");
		return -EINVAL;
	}
	value = look_named(d, name);
	if (value.len == 0) {
		problem_set(d->problem, PROBLEM_CHANNEL_VARIABLE,
		    "the variable %.*s, which PEAL_CHANNEL names, is empty or missing",
		    (int)name.len, name.ptr);
		return -EINVAL;
	}
	buf_put(d->store, value);
	return 0;
}

static int
put_expanded(struct reader *d, struct span word)
{
	while (word.len > 0) {
		const char *brace = memchr(word.ptr, '{', word.len);
		size_t plain =
		    brace == NULL ? word.len : (size_t)(brace - word.ptr);
		buf_put(d->store, (struct span){ word.ptr, plain });
		word.ptr += plain;
		word.len -= plain;
		if (brace != NULL && put_variable(d, &word) != 0)
			return -EINVAL;
	}
	return 0;
}

static int
read_fixed_channels(struct reader *d, struct span fixed)
{
	struct span word;

	/* Words first, values after: a space in a value adds no channel. */
	while (span_word(&fixed, &word)) {
		struct urlencoded_pair piece = { d->store->len, 0 };
		if (put_expanded(d, word) != 0)
			return -EINVAL;
		piece.len = d->store->len - piece.at;
		if (add_channel(d, piece, PROBLEM_CHANNEL_VARIABLE) != 0)
			return -EINVAL;
	}
	if (d->count == 0) {
		problem_set(d->problem, PROBLEM_CHANNEL_VARIABLE,
		    "PEAL_CHANNEL names no channel");
		return -EINVAL;
	}
	return 0;
}

/* The query's members that may hold a resume point, the first to win first. */
static const char *const resume_members[] = {
	"lastEventId",
	"last_event_id",
	"lastEventID",
	"Last-Event-ID",
	"lastEventTime",
};

#define RESUME_MEMBERS (sizeof(resume_members) / sizeof(resume_members[0]))

/* best is the place in resume_members of what was found so far. */
static void
read_resume_member(struct reader *d, struct span name,
    struct urlencoded_pair value, size_t *best)
{
	for (size_t i = 0; value.len > 0 && i < *best; i++) {
		if (span_equal(name, span_of(resume_members[i]))) {
			d->asked = value;
			*best = i;
		}
	}
}

/* param names channels; NULL: the query names none. */
static int
read_query(struct reader *d, struct span query, const char *param)
{
	size_t best = RESUME_MEMBERS;
	struct urlencoded_pair name;
	struct urlencoded_pair value;

	while (urlencoded_next(&query, d->store, &name, &value)) {
		struct span word = urlencoded_span(d->store, name);
		if (param != NULL &&
		    urlencoded_is_member(word, span_of(param)) &&
		    add_channel(d, value, PROBLEM_BAD_CHANNEL) != 0)
			return -EINVAL;
		if (span_equal(word, SPAN("beat")))
			d->beat = true;
		read_resume_member(d, word, value, &best);
	}
	if (d->count == 0) {
		problem_set(d->problem, PROBLEM_NO_CHANNEL,
		    "the query has no member \"%s\"", param);
		return -EINVAL;
	}
	return 0;
}

/* The header wins over what the query says. */
static void
read_header(struct reader *d)
{
	struct span header =
	    request_variable(d->look, d->context, "HTTP_LAST_EVENT_ID");

	if (header.len == 0)
		return;
	d->asked = (struct urlencoded_pair){ d->store->len, header.len };
	buf_put(d->store, header);
}

/* The store has stopped moving: turn its pieces into spans. */
static void
finish(struct subscription *s, const struct reader *d)
{
	for (size_t i = 0; i < d->count; i++)
		s->channels[i] = urlencoded_span(&s->store, d->channels[i]);
	s->count = d->count;
	s->beat = d->beat;
	s->asked = urlencoded_span(&s->store, d->asked);
	s->resume = event_resume_parse(s->asked);
}

int
subscription_read(struct subscription *s, const struct request *r,
    const struct subscription_rules *rules, request_look *look,
    const void *context, struct problem *problem)
{
	const char *fixed = look(context, "PEAL_CHANNEL");
	struct reader d = {
		.look = look,
		.context = context,
		.access = rules->access,
		.problem = problem,
		.store = &s->store,
	};

	*s = (struct subscription){ 0 };
	buf_init(&s->store);
	int rc = fixed == NULL ? 0 : read_fixed_channels(&d, span_of(fixed));
	if (rc == 0)
		rc = read_query(&d, r->query,
		    fixed == NULL ? rules->channel_param : NULL);
	if (rc == 0)
		read_header(&d);
	if (buf_error(&s->store) != 0) {
		problem_set(problem, PROBLEM_UNAVAILABLE, "out of memory");
		rc = -EINVAL;
	}
	if (rc == 0)
		finish(s, &d);
	return rc;
}

void
subscription_fini(struct subscription *s)
{
	if (s == NULL)
		return;
	buf_fini(&s->store);
	*s = (struct subscription){ 0 };
}
