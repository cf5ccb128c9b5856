#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "base/event.h"
#include "wire/status_json.h"
#include "wire/status_metrics.h"

/* A number of its own for each figure, so that none is taken for another. */
static struct status_worker workers[2] = {
	{ .slot = 0,
	    .pid = 101,
	    .since_ms = 102,
	    .streams = 103,
	    .totals = { 111, 112, 113, 114, 115 } },
	{ .slot = 5,
	    .pid = 201,
	    .since_ms = 202,
	    .streams = 203,
	    .totals = { 211, 212, 213, 214, 215 } },
};

static const struct status sample = {
	.size = 1,
	.used = 2,
	.peak = 3,
	.uptime_s = 42,
	.streams = 306,
	.channels = 4,
	.events = 5,
	.max_age_ms = 6,
	.max_events = 7,
	.expired = 8,
	.trimmed = 9,
	.evicted = 10,
	.purged = 11,
	.repairs = 12,
	.last_id = UINT64_MAX,
	.totals = { 21, 22, 23, 24, UINT64_MAX },
	.workers = workers,
	.worker_count = UNIT_COUNT(workers),
};

/* The member at a path of names parted by dots, printed. */
static const char *
member(struct json_object *root, const char *path)
{
	char names[100];
	char *rest = names;
	char *name;

	(void)snprintf(names, sizeof(names), "%s", path);
	while ((name = strsep(&rest, ".")) != NULL) {
		if (json_object_is_type(root, json_type_array))
			root = json_object_array_get_idx(root,
			    strtoul(name, NULL, 10));
		else
			root = json_object_object_get(root, name);
	}
	return json_object_to_json_string(root);
}

START_TEST(json_says_every_figure_under_its_name)
{
	static const struct {
		const char *path;
		const char *value;
	} rows[] = {
		{ "uptime", "42" },
		{ "arena.size", "1" },
		{ "arena.used", "2" },
		{ "arena.peak", "3" },
		{ "arena.channels", "4" },
		{ "arena.events", "5" },
		{ "arena.max_age_ms", "6" },
		{ "arena.max_events", "7" },
		{ "arena.expired", "8" },
		{ "arena.trimmed", "9" },
		{ "arena.evicted", "10" },
		{ "arena.purged", "11" },
		{ "arena.repairs", "12" },
		{ "arena.last_id", "\"281474976710655-65535\"" },
		{ "workers.0.pid", "101" },
		{ "workers.0.since", "102" },
		{ "workers.0.streams", "103" },
		{ "workers.1.pid", "201" },
		{ "workers.1.published", "211" },
		{ "workers.1.delivered", "212" },
		{ "workers.1.gaps", "213" },
		{ "workers.1.stalled", "214" },
		{ "workers.1.refused", "215" },
		{ "totals.published", "21" },
		{ "totals.delivered", "22" },
		{ "totals.gaps", "23" },
		{ "totals.stalled", "24" },
		{ "totals.refused", "18446744073709551615" },
	};
	struct buf out = { 0 };

	status_json(&out, &sample);

	ck_assert_int_eq(buf_error(&out), 0);
	ck_assert_int_eq(out.ptr[out.len - 1], '\n');
	buf_put_char(&out, '\0');
	struct json_object *root = json_tokener_parse(out.ptr);
	ck_assert_ptr_nonnull(root);
	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_str_eq(member(root, rows[i].path), rows[i].value);
	json_object_put(root);
	buf_fini(&out);
}
END_TEST

START_TEST(json_without_workers_is_json)
{
	struct status empty = sample;
	struct buf out = { 0 };
	empty.worker_count = 0;

	status_json(&out, &empty);

	buf_put_char(&out, '\0');
	struct json_object *root = json_tokener_parse(out.ptr);
	ck_assert_ptr_nonnull(root);
	ck_assert_uint_eq(json_object_array_length(
			      json_object_object_get(root, "workers")),
	    0);
	json_object_put(root);
	buf_fini(&out);
}
END_TEST

START_TEST(workers_alone_are_what_the_whole_says_of_them)
{
	struct buf all = { 0 };
	struct buf alone = { 0 };

	status_json(&all, &sample);
	status_json_workers(&alone, &sample);

	ck_assert_int_eq(alone.ptr[0], '[');
	ck_assert_ptr_nonnull(memmem(all.ptr, all.len, alone.ptr, alone.len));
	buf_fini(&all);
	buf_fini(&alone);
}
END_TEST

START_TEST(metrics_are_lines_of_help_type_and_value)
{
	/* Prometheus, "Text-based format". */
	static const char *const lines[] = {
		"# TYPE peal_uptime_seconds gauge\npeal_uptime_seconds 42\n",
		"# TYPE peal_arena_peak_bytes gauge\npeal_arena_peak_bytes 3\n",
		"# TYPE peal_expired_total counter\npeal_expired_total 8\n",
		"# TYPE peal_trimmed_total counter\npeal_trimmed_total 9\n",
		"# TYPE peal_evicted_total counter\npeal_evicted_total 10\n",
		"# TYPE peal_events gauge\npeal_events 5\n",
		"# TYPE peal_channels gauge\npeal_channels 4\n",
		"# TYPE peal_workers gauge\npeal_workers 2\n",
		"# TYPE peal_streams gauge\npeal_streams 306\n",
		"# TYPE peal_published_total counter\npeal_published_total 21\n",
		"\npeal_refused_total 18446744073709551615\n",
	};
	struct buf out = { 0 };
	struct span rest;
	struct span line;
	size_t at = 0;

	status_metrics(&out, &sample);

	for (size_t i = 0; i < UNIT_COUNT(lines); i++)
		ck_assert_msg(memmem(out.ptr, out.len, lines[i],
				  strlen(lines[i])) != NULL,
		    "%s", lines[i]);
	rest = buf_span(&out);
	ck_assert_int_eq(out.ptr[out.len - 1], '\n');
	rest.len--;
	for (; span_cut(&rest, '\n', &line); at++) {
		static const struct span begins[] = { { "# HELP peal_", 12 },
			{ "# TYPE peal_", 12 }, { "peal_", 5 } };
		ck_assert(span_starts_nocase(line, begins[at % 3]));
	}
	ck_assert_uint_eq(at % 3, 0);
	buf_fini(&out);
}
END_TEST

UNIT_MAIN("status_json", json_says_every_figure_under_its_name,
    json_without_workers_is_json, workers_alone_are_what_the_whole_says_of_them,
    metrics_are_lines_of_help_type_and_value)
