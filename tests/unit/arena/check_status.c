#include "arena_fixture.h"

#include <errno.h>
#include <stdlib.h>

#include "arena/status.h"

START_TEST(new_arena_is_empty)
{
	struct store s;
	struct status status;
	fixture_make(&s);

	ck_assert_int_eq(status_take(&s, FIXTURE_NOW, &status), 0);

	ck_assert_uint_eq(status.size, FIXTURE_SIZE);
	ck_assert_uint_eq(status.used, 0);
	ck_assert_uint_eq(status.peak, 0);
	ck_assert_uint_eq(status.channels, 0);
	ck_assert_uint_eq(status.events, 0);
	ck_assert_uint_eq(status.max_age_ms, FIXTURE_MAX_AGE_MS);
	ck_assert_uint_eq(status.max_events, FIXTURE_MAX_EVENTS);
	ck_assert_uint_eq(status.worker_count, 0);
	ck_assert_uint_eq(status.last_id, event_id_make(FIXTURE_WALL_MS, 0));
	free(status.workers);
	store_close(&s);
}
END_TEST

START_TEST(events_channels_and_losses_are_counted)
{
	struct fixture_worker w;
	struct status status;
	char path[FIXTURE_PATH];
	uint64_t id = 0;
	fixture_path(path);
	fixture_join(&w, path);
	(void)fixture_append(&w, FIXTURE_NOW, "purged");
	for (int i = 0; i < FIXTURE_MAX_EVENTS + 3; i++)
		id = fixture_append(&w, FIXTURE_NOW, "a");
	ck_assert_int_eq(store_purge(&w.store, SPAN("purged")), 0);

	ck_assert_int_eq(status_take(&w.store, FIXTURE_NOW, &status), 0);

	ck_assert_uint_eq(status.channels, 1);
	ck_assert_uint_eq(status.events, FIXTURE_MAX_EVENTS);
	ck_assert_uint_eq(status.trimmed, 3);
	ck_assert_uint_eq(status.purged, 1);
	ck_assert_uint_eq(status.last_id, id);
	ck_assert_uint_eq(status.used,
	    (FIXTURE_MAX_EVENTS + 1) * LAYOUT_BLOCK_SIZE);
	ck_assert_uint_gt(status.peak, status.used);
	free(status.workers);
	fixture_leave(&w);
}
END_TEST

START_TEST(event_that_is_too_old_does_not_count)
{
	struct fixture_worker w;
	struct status status;
	struct clock_now now = FIXTURE_NOW;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);
	for (int i = 0; i < 50; i++)
		(void)fixture_append(&w, now, "a");
	now.boot_ms += 10;
	(void)fixture_append(&w, now, "b");
	now.boot_ms += FIXTURE_MAX_AGE_MS - 10;

	ck_assert_int_eq(status_take(&w.store, now, &status), 0);

	ck_assert_uint_eq(status.events, 1);
	ck_assert_uint_eq(status.channels, 1);
	ck_assert_uint_eq(status.expired, 50);
	free(status.workers);
	fixture_leave(&w);
}
END_TEST

START_TEST(workers_are_listed_and_totals_are_of_gone_ones_too)
{
	struct fixture_worker workers[3];
	struct status status;
	struct clock_now now = FIXTURE_NOW;
	char path[FIXTURE_PATH];
	fixture_path(path);
	for (uint32_t i = 0; i < 3; i++) {
		fixture_join(&workers[i], path);
		store_count(&workers[i].store, LAYOUT_DELIVERED,
		    i == 0 ? 1 : i * 10);
		store_count_streams(&workers[i].store, 7 + i);
	}
	fixture_leave(&workers[1]);

	ck_assert_int_eq(status_take(&workers[0].store, now, &status), 0);

	ck_assert_uint_eq(status.worker_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const struct status_worker *w = &status.workers[i];
		ck_assert_uint_eq(w->slot, i * 2);
		ck_assert_int_eq(w->pid, getpid());
		ck_assert_uint_eq(w->streams, 7 + i * 2);
		ck_assert_uint_eq(w->since_ms, FIXTURE_WALL_MS);
		ck_assert_uint_eq(w->totals[LAYOUT_DELIVERED], i == 0 ? 1 : 20);
	}
	ck_assert_uint_eq(status.totals[LAYOUT_DELIVERED], 1 + 10 + 20);
	ck_assert_uint_eq(status.totals[LAYOUT_GAPS], 0);
	free(status.workers);
	fixture_leave(&workers[2]);
	fixture_leave(&workers[0]);
}
END_TEST

START_TEST(broken_index_is_repaired_and_counted)
{
	struct fixture_worker w;
	struct status status;
	struct clock_now now = FIXTURE_NOW;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);
	(void)fixture_append(&w, now, "a");
	w.store.arena.header->oldest = UINT32_MAX;

	ck_assert_int_eq(status_take(&w.store, now, &status), 0);

	ck_assert_uint_eq(status.repairs, 1);
	ck_assert_uint_eq(status.events, 1);
	free(status.workers);
	fixture_leave(&w);
}
END_TEST

FIXTURE_MAIN("status", new_arena_is_empty,
    events_channels_and_losses_are_counted,
    event_that_is_too_old_does_not_count,
    workers_are_listed_and_totals_are_of_gone_ones_too,
    broken_index_is_repaired_and_counted)
