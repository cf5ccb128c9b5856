#include "wire/problem.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"

/* The statuses are those of RFC 9110, section 15. */
static const struct {
	const char *type;
	int status;
	const char *title;
} kinds[] = {
	[PROBLEM_BAD_JSON] = { "#bad-json", 400, "The body is not JSON" },
	[PROBLEM_BAD_EVENT] = { "#bad-event", 400,
	    "The JSON does not describe an event" },
	[PROBLEM_NO_EVENT] = { "#no-event", 400, "The batch is empty" },
	[PROBLEM_NO_CHANNEL] = { "#no-channel", 400, "No channel is named" },
	[PROBLEM_BAD_CHANNEL] = { "#bad-channel", 400,
	    "The channel name is invalid" },
	[PROBLEM_TOO_MANY_CHANNELS] = { "#too-many-channels", 400,
	    "Too many channels for one stream" },
	[PROBLEM_NO_DATA] = { "#no-data", 400, "The event has no data" },
	[PROBLEM_BAD_TOPIC] = { "#bad-topic", 400, "The topic is invalid" },
	[PROBLEM_BAD_ID] = { "#bad-id", 400, "The id is invalid" },
	[PROBLEM_NOT_UTF8] = { "#not-utf8", 400, "The data is not UTF-8" },
	[PROBLEM_INCOMPLETE_BODY] = { "#incomplete-body", 400,
	    "The body is incomplete" },
	[PROBLEM_KEY_MISSING] = { "#key-missing", 401, "A key is required" },
	[PROBLEM_KEY_WRONG] = { "#key-wrong", 401, "The key is not valid" },
	[PROBLEM_NO_ROLE] = { "#no-role", 403, "The role is not granted" },
	[PROBLEM_CHANNEL_VARIABLE] = { "#channel-variable", 403,
	    "PEAL_CHANNEL names no valid channel" },
	[PROBLEM_NOT_FOUND] = { "#not-found", 404,
	    "There is nothing at this address" },
	[PROBLEM_METHOD] = { "#method", 405, "The method is not allowed" },
	[PROBLEM_TOO_LARGE] = { "#too-large", 413, "The body is too large" },
	[PROBLEM_EVENT_TOO_LARGE] = { "#event-too-large", 413,
	    "The event is too large" },
	[PROBLEM_BATCH_TOO_LARGE] = { "#batch-too-large", 413,
	    "The batch is too large" },
	[PROBLEM_MEDIA_TYPE] = { "#media-type", 415,
	    "The type of the body is not supported" },
	[PROBLEM_CONTENT_ENCODING] = { "#content-encoding", 415,
	    "The encoding of the body is not supported" },
	[PROBLEM_UNAVAILABLE] = { "#unavailable", 503, "peal is unavailable" },
	[PROBLEM_ARENA_FULL] = { "#arena-full", 503, "The arena is full" },
};

_Static_assert(sizeof(kinds) / sizeof(kinds[0]) == PROBLEM_KINDS,
    "a row for each kind");

void
problem_set(struct problem *p, enum problem_kind kind, const char *detail, ...)
{
	va_list arguments;

	assert(kind < PROBLEM_KINDS);
	p->kind = kind;
	p->status = kinds[kind].status;
	p->reads_only = false;
	va_start(arguments, detail);
	(void)vsnprintf(p->detail, sizeof(p->detail), detail, arguments);
	va_end(arguments);
	p->detail[span_utf8_prefix(span_of(p->detail))] = '\0';
}

const char *
problem_type(enum problem_kind kind)
{
	return kinds[kind].type;
}

const char *
problem_title(enum problem_kind kind)
{
	return kinds[kind].title;
}
