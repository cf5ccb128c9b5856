#include "unit.h"

#include <errno.h>
#include <string.h>

#include "base/event.h"

#define NOW UINT64_C(1779525621000)

static struct span
print(uint64_t id, char out[EVENT_ID_CHARS])
{
	return (struct span){ out, event_id_print(id, out) };
}

START_TEST(id_orders_by_millisecond_then_counter)
{
	ck_assert_uint_lt(event_id_make(1, EVENT_COUNTER_MAX),
	    event_id_make(2, 0));
	ck_assert_uint_lt(event_id_make(2, 0), event_id_make(2, 1));
	ck_assert_uint_eq(event_id_ms(event_id_make(NOW, 7)), NOW);
	ck_assert_uint_eq(event_id_make(EVENT_MS_MAX, EVENT_COUNTER_MAX),
	    UINT64_MAX);
}
END_TEST

START_TEST(next_id_takes_the_clock_when_it_moved_on)
{
	uint64_t last = event_id_make(NOW, 5);

	uint64_t next = event_id_next(last, NOW + 1);

	ck_assert_uint_eq(next, event_id_make(NOW + 1, 0));
}
END_TEST

START_TEST(next_id_counts_within_a_millisecond)
{
	uint64_t first = event_id_next(0, NOW);

	uint64_t second = event_id_next(first, NOW);

	ck_assert_uint_eq(first, event_id_make(NOW, 0));
	ck_assert_uint_eq(second, event_id_make(NOW, 1));
}
END_TEST

START_TEST(next_id_rises_though_the_clock_steps_back)
{
	uint64_t last = event_id_make(NOW, 5);

	uint64_t next = event_id_next(last, NOW - 3600000);

	ck_assert_uint_eq(next, event_id_make(NOW, 6));
}
END_TEST

START_TEST(full_counter_borrows_the_next_millisecond)
{
	uint64_t last = event_id_make(NOW, EVENT_COUNTER_MAX);

	uint64_t next = event_id_next(last, NOW);

	ck_assert_uint_eq(next, event_id_make(NOW + 1, 0));
}
END_TEST

START_TEST(first_id_of_a_dead_clock_is_not_zero)
{
	ck_assert_uint_eq(event_id_next(0, 0), 1);
}
END_TEST

START_TEST(clock_beyond_the_range_still_gives_rising_ids)
{
	uint64_t first = event_id_next(event_id_make(NOW, 0), UINT64_MAX);

	uint64_t second = event_id_next(first, UINT64_MAX);

	ck_assert_uint_eq(first, event_id_make(EVENT_MS_MAX, 0));
	ck_assert_uint_eq(second, event_id_make(EVENT_MS_MAX, 1));
}
END_TEST

START_TEST(last_number_of_all_does_not_wrap)
{
	ck_assert_uint_eq(event_id_next(UINT64_MAX, NOW), UINT64_MAX);
}
END_TEST

START_TEST(id_is_printed_as_milliseconds_hyphen_counter)
{
	char out[EVENT_ID_CHARS];

	unit_assert_span(print(event_id_make(NOW, 0), out), "1779525621000-0");
	unit_assert_span(print(event_id_make(NOW, 10), out),
	    "1779525621000-10");
	unit_assert_span(print(0, out), "0-0");
	unit_assert_span(print(UINT64_MAX, out), "281474976710655-65535");
}
END_TEST

START_TEST(longest_id_fills_its_room)
{
	char out[EVENT_ID_CHARS + 1];
	out[EVENT_ID_CHARS] = '#';

	size_t len = event_id_print(UINT64_MAX, out);

	ck_assert_uint_eq(len, EVENT_ID_CHARS);
	ck_assert_int_eq(out[EVENT_ID_CHARS], '#');
}
END_TEST

START_TEST(what_is_printed_can_be_read)
{
	uint64_t id = 1;

	for (int i = 0; i < 64; i++) {
		char out[EVENT_ID_CHARS];
		uint64_t back = 0;

		int rc = event_id_parse(print(id, out), &back);

		ck_assert_int_eq(rc, 0);
		ck_assert_uint_eq(back, id);
		id = id * 3 + 1;
	}
}
END_TEST

START_TEST(other_forms_of_an_id_are_refused)
{
	static const char *const rows[] = {
		"",
		"-",
		"1",
		"1-",
		"-1",
		"1--1",
		"1-1-1",
		"1-1-",
		" 1-1",
		"1-1 ",
		"1 -1",
		"+1-1",
		"1-+1",
		"01-1",
		"1-01",
		"00-0",
		"a-1",
		"1-a",
		"1.0-1",
		"0x1-1",
		"281474976710656-0",
		"1-65536",
		"18446744073709551616-0",
		"1-18446744073709551616",
		"earliest",
		"1\xe2\x80\x90",
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		uint64_t id = 42;

		int rc = event_id_parse(span_of(rows[i]), &id);

		ck_assert_msg(rc == -EINVAL, "\"%s\"", rows[i]);
		ck_assert_uint_eq(id, 42);
	}
	uint64_t id;
	ck_assert_int_eq(event_id_parse((struct span){ NULL, 0 }, &id),
	    -EINVAL);
	ck_assert_int_eq(event_id_parse(SPAN("1-1\0"), &id), -EINVAL);
}
END_TEST

START_TEST(resume_point_is_read_in_every_form)
{
	static const struct {
		const char *text;
		enum event_resume_kind kind;
		uint64_t ms;
		uint64_t n;
	} rows[] = {
		{ "", EVENT_RESUME_NONE, 0, 0 },
		{ " \t", EVENT_RESUME_NONE, 0, 0 },
		{ "1779525621000-0", EVENT_RESUME_AFTER, NOW, 0 },
		{ "1779525621000-12", EVENT_RESUME_AFTER, NOW, 12 },
		{ "  1779525621000-12\r\n", EVENT_RESUME_AFTER, NOW, 12 },
		{ "0-1", EVENT_RESUME_AFTER, 0, 1 },
		{ "281474976710655-65535", EVENT_RESUME_AFTER, EVENT_MS_MAX,
		    EVENT_COUNTER_MAX },
		{ "1779525621000", EVENT_RESUME_SINCE, NOW, EVENT_COUNTER_MAX },
		{ "100000000000", EVENT_RESUME_SINCE, UINT64_C(100000000000),
		    EVENT_COUNTER_MAX },
		{ "1779525621000.57", EVENT_RESUME_SINCE, NOW,
		    EVENT_COUNTER_MAX },
		{ " 1779525621000.999999999999999999999999 ",
		    EVENT_RESUME_SINCE, NOW, EVENT_COUNTER_MAX },
		{ "281474976710655", EVENT_RESUME_SINCE, EVENT_MS_MAX,
		    EVENT_COUNTER_MAX },
		{ "earliest", EVENT_RESUME_EARLIEST, 0, 0 },
		{ " earliest ", EVENT_RESUME_EARLIEST, 0, 0 },
		{ "0", EVENT_RESUME_EARLIEST, 0, 0 },
		{ "0-0", EVENT_RESUME_EARLIEST, 0, 0 },
		{ "0.5", EVENT_RESUME_EARLIEST, 0, 0 },
		{ "1", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "99999999999", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "99999999999.9", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1779525621.0412", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1779525621000.", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1779525621000.-5", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1779525621000.5.7", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1779525621000,5", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1779525621000.5-0", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ ".5", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ ".", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "Earliest", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "281474976710656", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "281474976710656.0", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "18446744073709551616", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "-1", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1-65536", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "abc", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "1 2", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "\xff", EVENT_RESUME_UNREADABLE, 0, 0 },
		{ "2026-05-23T08:40:21Z", EVENT_RESUME_UNREADABLE, 0, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct event_resume resume =
		    event_resume_parse(span_of(rows[i].text));

		ck_assert_msg(resume.kind == rows[i].kind, "\"%s\": kind %d",
		    rows[i].text, (int)resume.kind);
		ck_assert_uint_eq(resume.id,
		    event_id_make(rows[i].ms, rows[i].n));
	}
}
END_TEST

START_TEST(seconds_instead_of_milliseconds_get_a_hint)
{
	static const struct {
		const char *text;
		bool hint;
	} rows[] = {
		{ "1", true },
		{ "1779525621", true },
		{ " 1779525621.0412 ", true },
		{ "99999999999.9", true },
		{ "100000000000", false },
		{ "1779525621000", false },
		{ "0", false },
		{ "0.9", false },
		{ "", false },
		{ "1779525621-0", false },
		{ "1779525621x", false },
		{ "earliest", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const char *hint = event_resume_hint(span_of(rows[i].text));

		ck_assert_msg((hint != NULL) == rows[i].hint, "\"%s\"",
		    rows[i].text);
		if (hint != NULL)
			ck_assert_ptr_nonnull(strstr(hint, "seconds"));
	}
	ck_assert_ptr_null(event_resume_hint((struct span){ NULL, 0 }));
}
END_TEST

START_TEST(bare_time_of_a_seen_event_does_not_bring_it_again)
{
	uint64_t seen = event_id_make(NOW, 3);

	struct event_resume resume = event_resume_parse(SPAN("1779525621000"));

	ck_assert_uint_ge(resume.id, seen);
	ck_assert_uint_lt(resume.id, event_id_make(NOW + 1, 0));
}
END_TEST

START_TEST(own_id_is_checked)
{
	static const struct {
		const char *own_id;
		const char *fault;
	} rows[] = {
		{ "a", NULL },
		{ "urn:uuid:4d9f", NULL },
		{ "order 17/\u00e9", NULL },
		{ "17", NULL },
		{ "999999999999", NULL },     /* as a time, 2001 */
		{ "1779525621000000", NULL }, /* microseconds are no time */
		{ "1779525621000-65536", NULL },
		{ "Earliest", NULL },
		{ "a#", NULL },
		{ "", "is empty" },
		{ "#", "begins with \"#\", which is reserved" },
		{ " a", "begins or ends with white space" },
		{ "a ", "begins or ends with white space" },
		{ "a\nb", "holds a control character" },
		{ "\xc2\x80", "holds a control character" },
		{ "\xff", "is not UTF-8" },
	};
	static const char *const taken[] = { "earliest", "0", "00", "0-0",
		"1779525621000-0", "0-1", "1000000000000", "1779525621000",
		"281474976710655" };
	char bytes[EVENT_OWN_ID_MAX + 1];
	memset(bytes, 'x', sizeof(bytes));

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_pstr_eq(event_own_id_fault(span_of(rows[i].own_id)),
		    rows[i].fault);
	for (size_t i = 0; i < UNIT_COUNT(taken); i++)
		ck_assert_pstr_eq(event_own_id_fault(span_of(taken[i])),
		    "would be taken for a time or for an ID of peal's; begin "
		    "it with a letter");
	ck_assert_ptr_null(
	    event_own_id_fault((struct span){ bytes, EVENT_OWN_ID_MAX }));
	ck_assert_pstr_eq(event_own_id_fault(
			      (struct span){ bytes, sizeof(bytes) }),
	    "is longer than 255 bytes");
}
END_TEST

START_TEST(resume_point_may_be_an_own_id)
{
	static const struct {
		const char *text;
		const char *own_id;
	} rows[] = {
		{ "", "" },
		{ "earliest", "" },
		{ "1779525621000-0", "" },
		{ "1779525621000", "" },
		{ "#x", "" },
		{ "\xff", "" },
		{ "x", "x" },
		{ " \tx y\r\n", "x y" },
		{ "17", "17" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		unit_assert_span(
		    event_resume_parse(span_of(rows[i].text)).own_id,
		    rows[i].own_id);
}
END_TEST

START_TEST(line_of_an_own_id_is_what_a_parser_gives_back)
{
	char out[EVENT_OWN_ID_LINE_MAX];
	char bytes[EVENT_OWN_ID_MAX];
	memset(bytes, 'x', sizeof(bytes));

	size_t len = event_own_id_line(SPAN("a: b"), out);
	unit_assert_span(((struct span){ out, len }), "id: a: b\n");
	len = event_own_id_line((struct span){ bytes, sizeof(bytes) }, out);
	ck_assert_uint_eq(len, sizeof(out));
}
END_TEST

START_TEST(channel_name_is_checked)
{
	static const struct {
		const char *name;
		const char *fault;
	} rows[] = {
		{ "a", NULL },
		{ "user 7/\"news\" {x}", NULL },
		{ "peal:own", NULL },
		{ "\xc3\xa9t\xc3\xa9 \xe2\x82\xac", NULL },
		{ "\xc2\xa0", NULL },	  /* the first after C1 */
		{ "\xe2\x82\x80", NULL }, /* 0x80, but not after 0xc2 */
		{ "", "is empty" },
		{ "a\nb", "holds a control character" },
		{ "\x7f", "holds a control character" },
		{ "\xc2\x80", "holds a control character" },
		{ "a\xc2\x9b"
		  "31m",
		    "holds a control character" },
		{ "\xc2\x9f", "holds a control character" },
		{ "\xff", "is not UTF-8" },
		{ "a\xc3", "is not UTF-8" },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const char *fault = event_channel_fault(span_of(rows[i].name));

		ck_assert_pstr_eq(fault, rows[i].fault);
	}
	ck_assert_str_eq(event_channel_fault(SPAN("a\0b")),
	    "holds a control character");
}
END_TEST

START_TEST(channel_name_has_at_most_1024_bytes)
{
	char name[1025];
	memset(name, 'x', sizeof(name));

	ck_assert_ptr_null(event_channel_fault((struct span){ name, 1024 }));
	ck_assert_str_eq(event_channel_fault((struct span){ name, 1025 }),
	    "is longer than 1024 bytes");
}
END_TEST

START_TEST(topic_is_checked)
{
	static const struct {
		const char *topic;
		bool good;
	} rows[] = {
		{ "", true },
		{ "invitation-created", true },
		{ "a b", true },
		{ "peal", true },
		{ "PEAL:x", true },
		{ "a peal:x", true },
		{ "peal:", false },
		{ "peal:gap", false },
		{ "error", false },
		{ "open", false },
		{ "Error", true },
		{ "errors", true },
		{ "open ", true },
		{ "a\nb", false },
		{ "a\rb", false },
		{ "\xc2\x85", false },
		{ "\xff", false },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		const char *fault = event_topic_fault(span_of(rows[i].topic));

		ck_assert_msg((fault == NULL) == rows[i].good, "\"%s\"",
		    rows[i].topic);
	}
	ck_assert_ptr_null(event_topic_fault((struct span){ NULL, 0 }));
}
END_TEST

START_TEST(topic_has_at_most_255_bytes)
{
	char topic[256];
	memset(topic, 'x', sizeof(topic));

	ck_assert_ptr_null(event_topic_fault((struct span){ topic, 255 }));
	ck_assert_str_eq(event_topic_fault((struct span){ topic, 256 }),
	    "is longer than 255 bytes");
}
END_TEST

START_TEST(id_line_is_the_printed_id)
{
	char out[EVENT_ID_LINE_MAX];

	size_t len = event_id_line(event_id_make(1779525621000, 7), out);

	unit_assert_span(((struct span){ out, len }), "id: 1779525621000-7\n");
	ck_assert_uint_eq(event_id_line(UINT64_MAX, out), EVENT_ID_LINE_MAX);
}
END_TEST

UNIT_MAIN("event", id_orders_by_millisecond_then_counter,
    next_id_takes_the_clock_when_it_moved_on,
    next_id_counts_within_a_millisecond,
    next_id_rises_though_the_clock_steps_back,
    full_counter_borrows_the_next_millisecond,
    first_id_of_a_dead_clock_is_not_zero,
    clock_beyond_the_range_still_gives_rising_ids,
    last_number_of_all_does_not_wrap,
    id_is_printed_as_milliseconds_hyphen_counter, longest_id_fills_its_room,
    id_line_is_the_printed_id, what_is_printed_can_be_read,
    other_forms_of_an_id_are_refused, resume_point_is_read_in_every_form,
    seconds_instead_of_milliseconds_get_a_hint,
    bare_time_of_a_seen_event_does_not_bring_it_again, own_id_is_checked,
    resume_point_may_be_an_own_id,
    line_of_an_own_id_is_what_a_parser_gives_back, channel_name_is_checked,
    channel_name_has_at_most_1024_bytes, topic_is_checked,
    topic_has_at_most_255_bytes)
