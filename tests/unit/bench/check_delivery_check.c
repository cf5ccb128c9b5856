#include "unit.h"

#include <string.h>

#include "bench/delivery_check.h"

/* Two channels, two publishers. */
static struct delivery_check
make(void)
{
	struct delivery_check t;

	ck_assert_int_eq(delivery_check_init(&t, 2, 2, 16), 0);
	return t;
}

static struct delivery_check_reader
join(struct delivery_check *t, uint32_t channel)
{
	struct delivery_check_reader r = { 0 };

	ck_assert_int_eq(delivery_check_join(t, &r, channel, false), 0);
	return r;
}

static void
send_some(struct delivery_check *t, struct delivery_check_mark *marks,
    size_t count)
{
	for (size_t i = 0; i < count; i++) {
		marks[i] = delivery_check_send(t, 0, 0, 0);
		delivery_check_answered(t, marks[i].number, true, 0);
	}
}

static void
get(struct delivery_check *t, struct delivery_check_reader *r,
    const struct delivery_check_mark *mark)
{
	delivery_check_got(t, r, mark, true, 0);
}

static void
assert_counts(const struct delivery_check *t, uint64_t lost,
    uint64_t duplicated, uint64_t disordered)
{
	ck_assert_uint_eq(t->lost, lost);
	ck_assert_uint_eq(t->duplicated, duplicated);
	ck_assert_uint_eq(t->disordered, disordered);
}

/* The order in which a reader gets the events 0 to 4, and what is told of it. */
static const struct {
	const char *order;
	uint64_t lost;
	uint64_t duplicated;
	uint64_t disordered;
} orders[] = {
	{ "01234", 0, 0, 0 },
	{ "", 5, 0, 0 },
	{ "1234", 1, 0, 0 },
	{ "0134", 1, 0, 0 },
	{ "0123", 1, 0, 0 },
	{ "4", 4, 0, 0 },
	{ "001234", 0, 1, 0 },
	{ "0122234", 0, 2, 0 },
	{ "0123401234", 0, 5, 0 },
	{ "02134", 0, 0, 1 },
	{ "12340", 0, 0, 1 },
	{ "43210", 0, 0, 4 },
	/* A duplicate is not the lost one that comes late. */
	{ "02234", 1, 1, 0 },
	{ "0413", 1, 0, 2 },
	{ "041133", 1, 2, 2 },
	{ "0241", 1, 0, 1 },
	{ "024111", 1, 2, 1 },
	{ "0324141", 0, 2, 2 },
};

START_TEST(what_is_lost_doubled_and_late_is_told_apart)
{
	for (size_t i = 0; i < UNIT_COUNT(orders); i++) {
		struct delivery_check t = make();
		struct delivery_check_reader r = join(&t, 0);
		struct delivery_check_mark marks[5];
		send_some(&t, marks, 5);

		for (const char *c = orders[i].order; *c != '\0'; c++)
			get(&t, &r, &marks[*c - '0']);
		delivery_check_close(&t, &r);

		ck_assert_msg(t.lost == orders[i].lost &&
			t.duplicated == orders[i].duplicated &&
			t.disordered == orders[i].disordered,
		    "%s: lost %d, duplicated %d, disordered %d",
		    orders[i].order, (int)t.lost, (int)t.duplicated,
		    (int)t.disordered);
		ck_assert_uint_eq(t.deliveries, strlen(orders[i].order));
		delivery_check_fini(&t);
	}
}
END_TEST

START_TEST(each_reader_is_counted_by_itself)
{
	struct delivery_check t = make();
	struct delivery_check_reader a = join(&t, 0);
	struct delivery_check_reader b = join(&t, 0);
	struct delivery_check_mark marks[2];
	send_some(&t, marks, 2);

	get(&t, &a, &marks[0]);
	get(&t, &b, &marks[1]);
	get(&t, &a, &marks[1]);
	delivery_check_close(&t, &a);
	delivery_check_close(&t, &b);

	assert_counts(&t, 1, 0, 0);
	ck_assert_uint_eq(t.deliveries, 3);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(between_publishers_no_order_is_promised)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark first = delivery_check_send(&t, 0, 0, 0);
	struct delivery_check_mark second = delivery_check_send(&t, 1, 0, 0);

	get(&t, &r, &second);
	get(&t, &r, &first);
	delivery_check_close(&t, &r);

	assert_counts(&t, 0, 0, 0);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(each_channel_has_numbers_of_its_own)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 1);
	struct delivery_check_mark other = delivery_check_send(&t, 0, 0, 0);
	struct delivery_check_mark mark = delivery_check_send(&t, 0, 1, 0);

	get(&t, &r, &mark);
	delivery_check_close(&t, &r);

	ck_assert_uint_eq(other.sequence, 0);
	ck_assert_uint_eq(mark.sequence, 0);
	ck_assert_uint_eq(mark.number, 1);
	assert_counts(&t, 0, 0, 0);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(what_was_before_is_not_missed)
{
	struct delivery_check t = make();
	struct delivery_check_mark marks[3];
	send_some(&t, marks, 2);
	struct delivery_check_reader r = join(&t, 0);
	send_some(&t, marks + 2, 1);

	get(&t, &r, &marks[2]);
	delivery_check_close(&t, &r);

	assert_counts(&t, 0, 0, 0);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(who_reads_from_the_first_misses_what_was_before)
{
	struct delivery_check t = make();
	struct delivery_check_mark marks[3];
	struct delivery_check_reader r = { 0 };
	send_some(&t, marks, 3);
	ck_assert_int_eq(delivery_check_join(&t, &r, 0, true), 0);

	get(&t, &r, &marks[1]);
	delivery_check_close(&t, &r);

	assert_counts(&t, 2, 0, 0);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(what_was_never_sent_is_not_counted)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark strange = { 0, 1, 0 };
	struct delivery_check_mark stranger = { 7, 0, 0 };
	(void)delivery_check_send(&t, 0, 0, 0);

	get(&t, &r, &strange);
	get(&t, &r, &stranger);

	ck_assert_uint_eq(t.deliveries, 0);
	assert_counts(&t, 0, 0, 0);
	delivery_check_leave(&t, &r);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(an_event_is_in_flight_until_the_last_has_it_and_it_is_answered)
{
	struct delivery_check t = make();
	struct delivery_check_reader a = join(&t, 0);
	struct delivery_check_reader b = join(&t, 0);

	struct delivery_check_mark one = delivery_check_send(&t, 0, 0, 0);
	struct delivery_check_mark two = delivery_check_send(&t, 0, 0, 0);
	ck_assert_uint_eq(t.in_flight, 2);
	delivery_check_answered(&t, one.number, true, 0);
	get(&t, &a, &one);
	ck_assert_uint_eq(t.in_flight, 2);
	get(&t, &b, &one);
	ck_assert_uint_eq(t.in_flight, 1);
	get(&t, &a, &two);
	get(&t, &b, &two);
	ck_assert_uint_eq(t.in_flight, 1);
	delivery_check_answered(&t, two.number, true, 0);
	ck_assert_uint_eq(t.in_flight, 0);

	ck_assert_uint_eq(t.published, 2);
	delivery_check_leave(&t, &a);
	delivery_check_leave(&t, &b);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(one_that_comes_late_is_in_flight_until_then)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark marks[2];
	send_some(&t, marks, 2);

	get(&t, &r, &marks[1]);
	ck_assert_uint_eq(t.in_flight, 1);
	get(&t, &r, &marks[0]);

	ck_assert_uint_eq(t.in_flight, 0);
	delivery_check_leave(&t, &r);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(a_duplicate_is_not_another_subscribers)
{
	struct delivery_check t = make();
	struct delivery_check_reader a = join(&t, 0);
	struct delivery_check_reader b = join(&t, 0);
	struct delivery_check_mark mark;
	send_some(&t, &mark, 1);

	get(&t, &a, &mark);
	get(&t, &a, &mark);

	ck_assert_uint_eq(t.in_flight, 1);
	ck_assert_uint_eq(t.last.count, 0);
	delivery_check_leave(&t, &a);
	delivery_check_leave(&t, &b);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(nobody_waits_for_who_has_left)
{
	struct delivery_check t = make();
	struct delivery_check_reader a = join(&t, 0);
	struct delivery_check_reader b = join(&t, 0);
	struct delivery_check_reader other = join(&t, 1);
	struct delivery_check_mark marks[3];
	send_some(&t, marks, 3);
	/* b has the first and the last; the one between is passed over. */
	get(&t, &b, &marks[0]);
	get(&t, &b, &marks[2]);

	delivery_check_leave(&t, &other);
	ck_assert_uint_eq(t.in_flight, 3);
	delivery_check_leave(&t, &a);
	ck_assert_uint_eq(t.in_flight, 1);
	delivery_check_leave(&t, &b);

	ck_assert_uint_eq(t.in_flight, 0);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(who_has_left_loses_nothing_more)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark marks[2];
	send_some(&t, marks, 2);

	delivery_check_leave(&t, &r);
	delivery_check_leave(&t, &r);
	delivery_check_close(&t, &r);
	get(&t, &r, &marks[0]);

	assert_counts(&t, 0, 0, 0);
	ck_assert_uint_eq(t.deliveries, 0);
	ck_assert_uint_eq(t.listeners[0], 0);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(without_subscribers_the_answer_ends_the_flight)
{
	struct delivery_check t = make();
	struct delivery_check_mark mark = delivery_check_send(&t, 0, 0, 1000);

	delivery_check_answered(&t, mark.number, true, 1050);

	ck_assert_uint_eq(t.in_flight, 0);
	ck_assert_uint_eq(t.post.max_ns, 50);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(a_failed_post_is_counted_and_not_waited_for)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark mark = delivery_check_send(&t, 0, 0, 0);

	delivery_check_answered(&t, mark.number, false, 0);

	ck_assert_uint_eq(t.in_flight, 0);
	ck_assert_uint_eq(t.failed, 1);
	ck_assert_uint_eq(t.published, 0);
	ck_assert_uint_eq(t.post.count, 0);
	delivery_check_leave(&t, &r);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(times_go_from_the_publication_to_each_and_to_the_last)
{
	struct delivery_check t = make();
	struct delivery_check_reader a = join(&t, 0);
	struct delivery_check_reader b = join(&t, 0);
	struct delivery_check_mark mark = delivery_check_send(&t, 0, 0, 1000);

	delivery_check_got(&t, &a, &mark, true, 1010);
	delivery_check_got(&t, &b, &mark, true, 1030);
	delivery_check_answered(&t, mark.number, true, 1020);

	ck_assert_uint_eq(t.each.count, 2);
	ck_assert_uint_eq(histogram_at(&t.each, 500), 10);
	ck_assert_uint_eq(t.each.max_ns, 30);
	ck_assert_uint_eq(t.last.count, 1);
	ck_assert_uint_eq(t.last.max_ns, 30);
	ck_assert_uint_eq(t.post.max_ns, 20);
	delivery_check_leave(&t, &a);
	delivery_check_leave(&t, &b);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(one_that_is_there_before_it_is_due_took_no_time)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark mark = delivery_check_send(&t, 0, 0, 1000);

	delivery_check_got(&t, &r, &mark, true, 999);

	ck_assert_uint_eq(t.each.count, 1);
	ck_assert_uint_eq(t.each.max_ns, 0);
	delivery_check_leave(&t, &r);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(a_replay_has_no_times)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark mark;
	send_some(&t, &mark, 1);

	delivery_check_got(&t, &r, &mark, false, 5);

	ck_assert_uint_eq(t.deliveries, 1);
	ck_assert_uint_eq(t.each.count + t.last.count, 0);
	delivery_check_leave(&t, &r);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(more_in_flight_than_expected_lose_their_times_alone)
{
	struct delivery_check t = make();
	struct delivery_check_reader r = join(&t, 0);
	struct delivery_check_mark marks[1500];
	send_some(&t, marks, UNIT_COUNT(marks));
	ck_assert_uint_eq(t.in_flight, 1024);

	for (size_t i = 0; i < UNIT_COUNT(marks); i++)
		get(&t, &r, &marks[i]);
	delivery_check_close(&t, &r);

	ck_assert_uint_eq(t.deliveries, UNIT_COUNT(marks));
	ck_assert_uint_eq(t.each.count, 1024);
	ck_assert_uint_eq(t.in_flight, 0);
	assert_counts(&t, 0, 0, 0);
	delivery_check_fini(&t);
}
END_TEST

START_TEST(a_mark_comes_back_from_its_text)
{
	const struct delivery_check_mark marks[] = { { 0, 0, 0 },
		{ 1, 22, 333 }, { UINT32_MAX, UINT32_MAX, UINT64_MAX } };

	for (size_t i = 0; i < UNIT_COUNT(marks); i++) {
		char text[DELIVERY_CHECK_MARK_MAX];
		struct delivery_check_mark got;
		size_t len = delivery_check_mark_print(&marks[i], text);
		ck_assert_uint_lt(len, DELIVERY_CHECK_MARK_MAX);
		ck_assert(
		    delivery_check_mark_read(&got, (struct span){ text, len }));
		ck_assert_uint_eq(got.publisher, marks[i].publisher);
		ck_assert_uint_eq(got.sequence, marks[i].sequence);
		ck_assert_uint_eq(got.number, marks[i].number);
	}
}
END_TEST

START_TEST(a_mark_may_stand_in_a_json_string)
{
	struct delivery_check_mark mark;

	ck_assert(delivery_check_mark_read(&mark, SPAN("\"1 2 3 xxx\"")));
	ck_assert_uint_eq(mark.publisher, 1);
	ck_assert_uint_eq(mark.sequence, 2);
	ck_assert_uint_eq(mark.number, 3);
}
END_TEST

START_TEST(other_data_is_no_mark)
{
	static const char *const texts[] = { "", "\"", "1", "1 2", "1 2 3",
		"1 2 3\"", " 1 2 3 ", "1  2 3 ", "-1 2 3 ", "1 2 x ", "a 2 3 ",
		"4294967296 2 3 ", "1 4294967296 3 ",
		"1 2 3333333333333333333333 ", "{\"a\":1}" };
	struct delivery_check_mark mark;

	for (size_t i = 0; i < UNIT_COUNT(texts); i++)
		ck_assert_msg(!delivery_check_mark_read(&mark,
				  span_of(texts[i])),
		    "%s", texts[i]);
}
END_TEST

UNIT_MAIN("check", what_is_lost_doubled_and_late_is_told_apart,
    each_reader_is_counted_by_itself, between_publishers_no_order_is_promised,
    each_channel_has_numbers_of_its_own, what_was_before_is_not_missed,
    who_reads_from_the_first_misses_what_was_before,
    what_was_never_sent_is_not_counted,
    an_event_is_in_flight_until_the_last_has_it_and_it_is_answered,
    one_that_comes_late_is_in_flight_until_then,
    a_duplicate_is_not_another_subscribers, nobody_waits_for_who_has_left,
    who_has_left_loses_nothing_more,
    without_subscribers_the_answer_ends_the_flight,
    a_failed_post_is_counted_and_not_waited_for,
    times_go_from_the_publication_to_each_and_to_the_last,
    one_that_is_there_before_it_is_due_took_no_time, a_replay_has_no_times,
    more_in_flight_than_expected_lose_their_times_alone,
    a_mark_comes_back_from_its_text, a_mark_may_stand_in_a_json_string,
    other_data_is_no_mark)
