/*
 * Lock; take back what the last owner has left half done, if it died; work; repair
 * and work once more if it found an index broken, or take back what it began if it
 * failed; unlock. The mutex is made consistent last, so that a death in all this is
 * found by the next process in the same way.
 */
#include "arena/critical.h"

#include <errno.h>

#include "arena/journal.h"
#include "arena/repair.h"

static void
repair(struct arena *a, bool whole)
{
	repair_arena(a, whole);
	a->header->repairs++;
}

/* The last owner died: nobody knows whom it has not woken any more. */
void
critical_recover(struct arena *a)
{
	if (!journal_undo(a))
		repair_arena(a, false);
	a->header->wake_all = 1;
	a->header->repairs++;
}

bool
critical_is_spent(const struct arena *a)
{
	const struct arena_meter *meter = a->meter;

	return meter->steps >=
	    (meter->limit != 0 ? meter->limit : CRITICAL_STEPS);
}

static int
run_section(struct arena *a, critical_work *work, void *argument)
{
	int rc = arena_lock(a);

	/* Whatever was done before the lock was had is none of this section. */
	a->meter->steps = 0;
	if (rc == -EOWNERDEAD) {
		critical_recover(a);
		arena_consistent(a);
		rc = 0;
	}
	if (rc != 0)
		return rc;
	rc = work(a, argument);
	if (rc == -EUCLEAN) {
		repair(a, true);
		rc = work(a, argument);
		/* What a second failure began must not stay half done. */
		if (rc == -EUCLEAN)
			repair(a, true);
	}
	if (rc >= 0)
		journal_end(a);
	else if (!journal_undo(a))
		repair(a, false);
	if (a->meter->steps > a->meter->most)
		a->meter->most = a->meter->steps;
	arena_unlock(a);
	return rc;
}

int
critical_run(struct arena *a, critical_work *work, void *argument)
{
	int rc;

	while ((rc = run_section(a, work, argument)) == CRITICAL_MORE) {
		if (a->meter->between != NULL)
			a->meter->between(a->meter->context);
		arena_yield(a);
	}
	return rc;
}
