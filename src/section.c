#include "section.h"

#include <errno.h>

#include "repair.h"

int
section_run(struct arena *a, section_work *work, void *argument)
{
	int rc = arena_lock(a);

	if (rc == -EOWNERDEAD) {
		repair_arena(a, false);
		arena_consistent(a);
		rc = 0;
	}
	if (rc != 0)
		return rc;
	rc = work(a, argument);
	if (rc == -EUCLEAN) {
		repair_arena(a, true);
		rc = work(a, argument);
	}
	arena_unlock(a);
	return rc;
}
