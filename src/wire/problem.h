/*
 * What was wrong with a request, for the client to be told.
 * Source: RFC 9457, Problem Details for HTTP APIs.
 */
#ifndef PEAL_PROBLEM_H
#define PEAL_PROBLEM_H

#include <stdbool.h>

#define PROBLEM_DETAIL_MAX 320

/*
 * What programs tell problems by, each with a type, a status and a title of its
 * own; man/peal.7 lists them.
 */
enum problem_kind {
	PROBLEM_BAD_JSON,
	PROBLEM_BAD_EVENT,
	PROBLEM_NO_EVENT,
	PROBLEM_NO_CHANNEL,
	PROBLEM_BAD_CHANNEL,
	PROBLEM_TOO_MANY_CHANNELS,
	PROBLEM_NO_DATA,
	PROBLEM_BAD_TOPIC,
	PROBLEM_BAD_ID,
	PROBLEM_NOT_UTF8,
	PROBLEM_INCOMPLETE_BODY,
	PROBLEM_KEY_MISSING,
	PROBLEM_KEY_WRONG,
	PROBLEM_NO_ROLE,
	PROBLEM_CHANNEL_VARIABLE,
	PROBLEM_NOT_FOUND,
	PROBLEM_METHOD,
	PROBLEM_TOO_LARGE,
	PROBLEM_EVENT_TOO_LARGE,
	PROBLEM_BATCH_TOO_LARGE,
	PROBLEM_MEDIA_TYPE,
	PROBLEM_CONTENT_ENCODING,
	PROBLEM_UNAVAILABLE,
	PROBLEM_ARENA_FULL,
	PROBLEM_KINDS, /* how many there are */
};

struct problem {
	enum problem_kind kind;
	int status; /* the kind's; 0: there is no problem */
	char detail[PROBLEM_DETAIL_MAX]; /* one clear sentence, UTF-8 */
	bool reads_only; /* of 405: below the mount, where nobody can POST */
};

/*
 * Fill in p.  detail is a printf format; what does not fit is cut at a
 * character's boundary.  Bytes that come from the client must be shown with %.*s
 * only after they were checked to be UTF-8 without controls.
 */
void problem_set(struct problem *p, enum problem_kind kind, const char *detail,
    ...) __attribute__((format(printf, 3, 4)));

/*
 * A URI reference that names the kind, such as "#not-found", and never changes.
 * RFC 9457, section 3.1.1.
 */
const char *problem_type(enum problem_kind kind);

/* What the kind is, in words. */
const char *problem_title(enum problem_kind kind);

#endif
