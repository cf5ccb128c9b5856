#include "arena_fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
	ck_assert_uint_eq(status.streams, 7 + 9);
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

START_TEST(uptime_is_since_the_arena_was_made_and_never_below_zero)
{
	struct store s;
	struct clock_now now = FIXTURE_NOW;
	fixture_make(&s);
	static const struct {
		int64_t ms;
		uint64_t uptime_s;
	} rows[] = { { 0, 0 }, { 999, 0 }, { 42999, 42 }, { -5000, 0 } };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct status status;
		now.wall_ms = s.arena.header->made_ms + (uint64_t)rows[i].ms;

		ck_assert_int_eq(status_take(&s, now, &status), 0);

		ck_assert_uint_eq(status.uptime_s, rows[i].uptime_s);
		free(status.workers);
	}
	store_close(&s);
}
END_TEST

START_TEST(each_figure_has_names_and_a_value_of_its_own)
{
	struct status status;
	const struct status_figure *f;
	uint64_t seen = 0;
	size_t count = 0;
	/* A number of its own for every 8 bytes. */
	for (size_t i = 0; i < sizeof(status) / 8; i++)
		memcpy((char *)&status + 8 * i, &(uint64_t){ i }, 8);

	for (; (f = status_figure(count)) != NULL; count++) {
		uint64_t bit = UINT64_C(1) << status_value(&status, f);
		ck_assert_uint_eq(seen & bit, 0);
		seen |= bit;
		ck_assert(f->name[0] != '\0' && f->label[0] != '\0');
		/* Prometheus, "Metric and label naming". */
		if (f->metric != NULL) {
			ck_assert_ptr_eq(strstr(f->metric, "peal_"), f->metric);
			ck_assert(f->is_counter ==
			    (strstr(f->metric, "_total") != NULL));
		}
		for (size_t i = 0; i < count; i++)
			ck_assert_str_ne(status_figure(i)->name, f->name);
	}
	ck_assert_uint_gt(count, 18);
}
END_TEST

START_TEST(each_total_has_its_figure)
{
	struct status status = { 0 };
	for (uint64_t t = 0; t < LAYOUT_TOTALS; t++)
		status.totals[t] = 100 + t;

	for (uint64_t t = 0; t < LAYOUT_TOTALS; t++) {
		const struct status_figure *f = status_total(t);
		ck_assert_int_eq(f->group, STATUS_TOTALS);
		ck_assert_uint_eq(status_value(&status, f), 100 + t);
	}
	ck_assert_str_eq(status_total(LAYOUT_GAPS)->name, "gaps");
	ck_assert_str_eq(status_total(LAYOUT_REFUSED)->name, "refused");
}
END_TEST

FIXTURE_MAIN("status", new_arena_is_empty,
    events_channels_and_losses_are_counted,
    event_that_is_too_old_does_not_count,
    workers_are_listed_and_totals_are_of_gone_ones_too,
    broken_index_is_repaired_and_counted,
    uptime_is_since_the_arena_was_made_and_never_below_zero,
    each_figure_has_names_and_a_value_of_its_own, each_total_has_its_figure)
