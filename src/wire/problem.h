/*
 * What was wrong with a request, to be told to the client.
 * Source: RFC 9457, Problem Details for HTTP APIs.
 */
#ifndef PEAL_PROBLEM_H
#define PEAL_PROBLEM_H

#include <stdbool.h>

#define PROBLEM_DETAIL_MAX 320

struct problem {
	int status;			 /* the HTTP status code; 0: none */
	char detail[PROBLEM_DETAIL_MAX]; /* one clear sentence, UTF-8 */
	bool reads_only; /* of 405: below the mount, where nobody can POST */
};

/*
 * Fill in p.  detail is a printf format; what does not fit is cut at a
 * character's boundary.  Bytes that come from the client must be shown with %.*s
 * only after they were checked to be UTF-8 without controls.
 */
void problem_set(struct problem *p, int status, const char *detail, ...)
    __attribute__((format(printf, 3, 4)));

/* The status code's standard title, such as "Not Found"; never NULL. */
const char *problem_title(int status);

#endif
