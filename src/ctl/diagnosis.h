/*
 * What pealctl doctor has found: told in words at the end, with progress on a
 * terminal meanwhile.
 */
#ifndef PEAL_DIAGNOSIS_H
#define PEAL_DIAGNOSIS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/span.h"
#include "ctl/remedy.h"
#include "ctl/visit.h"

struct diagnosis {
	enum remedy_server server;
	struct buf server_name; /* as its Server field has it */
	struct buf findings;
	struct buf notes;
	unsigned count;
	bool progress; /* standard error is a terminal */
};

void diagnosis_init(struct diagnosis *d);
void diagnosis_fini(struct diagnosis *d);

/* Say what is looked at next; and how long it takes at most, where that is long. */
void diagnosis_step(const struct diagnosis *d, const char *what);
void diagnosis_wait(const struct diagnosis *d, const char *what,
    uint64_t left_ms);

/* Add a finding: what was seen, as printf() would, on one line. */
void diagnosis_find(struct diagnosis *d, enum remedy_ailment ailment,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Add what is worth knowing and not wrong. */
void diagnosis_note(struct diagnosis *d, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether peal itself has answered with an error. */
bool diagnosis_is_problem(const struct visit *v);

/* A string or number of a JSON object that peal has written; or empty. */
struct span diagnosis_member(const struct visit *v, const char *name);

/*
 * A request, "GET /events", was not answered as it should be: find out from the
 * status what that means.
 */
void diagnosis_refused(struct diagnosis *d, const struct visit *v,
    const char *request);

/* Print it all.  Returns 0 when all is well, 1 where it is not, or -ENOMEM. */
int diagnosis_print(struct diagnosis *d, FILE *out);

#endif
