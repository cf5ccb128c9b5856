/*
 * Verifying every invariant of the arena, for pealctl check and the tests.
 */
#ifndef PEAL_VERIFY_H
#define PEAL_VERIFY_H

#include <stddef.h>

#include "arena/store.h"
#include "base/buf.h"

/*
 * Look at everything, in one critical section.  Each fault is one line in
 * faults; at most VERIFY_FAULTS_MAX are told.  Changes nothing, except that an
 * owner's death is repaired first, as by anybody.
 *
 * Returns 0 with *count the number of faults, or as critical_run().
 */
#define VERIFY_FAULTS_MAX 20
int verify_store(struct store *s, struct buf *faults, size_t *count);

#endif
