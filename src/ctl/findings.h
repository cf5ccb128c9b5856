/*
 * What pealctl doctor has found: told in words at the end, with progress on a
 * terminal meanwhile.
 */
#ifndef PEAL_FINDINGS_H
#define PEAL_FINDINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/span.h"
#include "ctl/advice.h"
#include "ctl/exchange.h"
#include "wire/problem.h"

struct findings {
	struct advice_hops hops;
	struct buf server_name; /* as its Server field has it */
	struct buf via;		/* and the Via field */
	struct buf findings;
	struct buf notes;
	unsigned count;
	bool is_explained; /* why peal is not reached is found already */
	bool progress;	   /* standard error is a terminal */
};

void findings_init(struct findings *d);
void findings_fini(struct findings *d);

/* Say what is looked at next; and how long it takes at most, where that is long. */
void findings_step(const struct findings *d, const char *what);
void findings_wait(const struct findings *d, const char *what,
    uint64_t left_ms);

/*
 * Take down who stands between doctor and peal, as far as the head of an answer
 * shows: from the Server field, Via, and how the fields are spelled.
 */
void findings_see(struct findings *d, const struct exchange *v);

/* Add a finding: what was seen, as printf() would, on one line. */
void findings_find(struct findings *d, enum advice_fault fault,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Add what is worth knowing and not wrong. */
void findings_note(struct findings *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether peal itself has answered with an error. */
bool findings_is_problem(const struct exchange *v);

/* Whether it is this error. */
bool findings_is(const struct exchange *v, enum problem_kind kind);

/*
 * A member of the JSON object that the body is: a string, which is appended to
 * out, or a whole number.  Returns false where there is no such member.
 */
bool findings_string(const struct exchange *v, const char *name,
    struct buf *out);
bool findings_number(const struct exchange *v, const char *name,
    uint64_t *number);

/*
 * A request, "GET /events", got an answer that is not peal's: say what it was, who
 * gave it, and this fault.
 */
void findings_answered(struct findings *d, const struct exchange *v,
    const char *request, enum advice_fault fault);

/*
 * A request, "GET /events", was not answered as it should be: find out from the
 * error's type or the
 * status what that means.
 */
void findings_refused(struct findings *d, const struct exchange *v,
    const char *request);

/* Print it all.  Returns 0 when all is well, 1 where it is not, or -ENOMEM. */
int findings_print(struct findings *d, FILE *out);

#endif
