#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "wire/sse_reader.h"

/* Each event as "TYPE|DATA|ID;". */
static void
write_down(void *context, const struct sse_reader_event *event)
{
	struct buf *out = context;

	buf_put(out, event->type);
	buf_put_char(out, '|');
	buf_put(out, event->data);
	buf_put_char(out, '|');
	buf_put(out, event->id);
	buf_put_char(out, ';');
}

static void
assert_events(struct span stream, const char *want)
{
	struct buf got = { 0 };
	struct sse_reader es = { .got = write_down, .context = &got };

	ck_assert_int_eq(sse_reader_read(&es, stream), 0);

	ck_assert_msg(span_equal(buf_span(&got), span_of(want)),
	    "%.*s\ngives %.*s, not %s", (int)stream.len, stream.ptr,
	    (int)got.len, got.len > 0 ? got.ptr : "", want);
	sse_reader_fini(&es);
	buf_fini(&got);
}

static uint64_t
retry_of(struct span stream)
{
	struct sse_reader es = { 0 };

	ck_assert_int_eq(sse_reader_read(&es, stream), 0);
	uint64_t ms = es.retry_ms;
	sse_reader_fini(&es);
	return ms;
}

START_TEST(an_event_has_a_type_data_and_an_id)
{
	assert_events(SPAN("id: 7\nevent: news\ndata: {\"n\":1}\n\n"),
	    "news|{\"n\":1}|7;");
}
END_TEST

static struct buf
events_of(struct span stream, size_t cut)
{
	struct buf got = { 0 };
	struct sse_reader es = { .got = write_down, .context = &got };
	char *front = malloc(cut + 1);
	char *back = malloc(stream.len - cut + 1);

	/* Each piece is gone once it has been read. */
	memcpy(front, stream.ptr, cut);
	memcpy(back, stream.ptr + cut, stream.len - cut);
	ck_assert_int_eq(sse_reader_read(&es, (struct span){ front, cut }), 0);
	memset(front, '#', cut);
	free(front);
	ck_assert_int_eq(sse_reader_read(&es,
			     (struct span){ back, stream.len - cut }),
	    0);
	free(back);
	sse_reader_fini(&es);
	return got;
}

/*
 * After the cases of Web Platform Tests, eventsource/format-*.any.js, written
 * anew: there the title of each is the name of a file.
 */
#define BYTES(literal)                         \
	{                                      \
		(literal), sizeof(literal) - 1 \
	}

static const struct {
	const char *title;
	struct span stream;
	struct span want;
} cases[] = {
	{ "bom",
	    BYTES("\xef\xbb\xbf"
		  "data:1\n\n\xef\xbb\xbf"
		  "data:2\n\ndata:3\n\n"),
	    BYTES("|1|;|3|;") },
	{ "bom-2",
	    BYTES("\xef\xbb\xbf\xef\xbb\xbf"
		  "data:1\n\ndata:2\n\ndata:3\n\n"),
	    BYTES("|2|;|3|;") },
	{ "comments",
	    BYTES("data:1\r:\0\n:\r\ndata:2\n:xxxxxxxxxxxxxxxx\rdata:3\n"
		  ":data:fail\r:xxxxxx\ndata:4\n\n"),
	    BYTES("|1\n2\n3\n4|;") },
	{ "data-before-final-empty-line",
	    BYTES("retry:1000\ndata:test1\n\n"
		  "id:test\ndata:test2"),
	    BYTES("|test1|;") },
	{ "field-data", BYTES("data:\n\ndata\ndata\n\ndata:test\n\n"),
	    BYTES("||;|\n|;|test|;") },
	{ "field-event-empty", BYTES("event: \ndata:data\n\n"),
	    BYTES("|data|;") },
	{ "field-event", BYTES("event:test\ndata:x\n\ndata:x\n\n"),
	    BYTES("test|x|;|x|;") },
	{ "field-id", BYTES("id: 1\ndata: 1\n\ndata: 2\n\n"),
	    BYTES("|1|1;|2|1;") },
	{ "field-id-2", BYTES("id: x\ndata:1\n\nid\ndata:2\n\ndata:3\n\n"),
	    BYTES("|1|x;|2|;|3|;") },
	{ "field-id-null",
	    BYTES("id: 1\0 2\ndata: a\n\nid: 3\ndata: b\n\n"
		  "id: \0\ndata: c\n\n"),
	    BYTES("|a|;|b|3;|c|3;") },
	{ "field-parsing",
	    BYTES("data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\n"
		  "da-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n"),
	    BYTES("|\0\n 2\n1\n3\n\n4|;") },
	{ "field-retry-bogus", BYTES("retry:3000\nretry:1000x\ndata:x\n\n"),
	    BYTES("|x|;") },
	{ "field-unknown",
	    BYTES("data:test\n data\ndata\nfoobar:xxx\n"
		  "justsometext\n:thisisacommentyay\ndata:test\n"
		  "\n"),
	    BYTES("|test\n\ntest|;") },
	{ "leading-space", BYTES("data:\ttest\rdata: \ndata:test\n\n"),
	    BYTES("|\ttest\n\ntest|;") },
	{ "newlines", BYTES("data:test\r\ndata\ndata:test\r\n\r"),
	    BYTES("|test\n\ntest|;") },
	{ "null-character", BYTES("data:\0\n\n\n\n"), BYTES("|\0|;") },
	{ "utf-8", BYTES("data:ok\xe2\x80\xa6\n\n"),
	    BYTES("|ok\xe2\x80\xa6|;") },
};

START_TEST(the_formats_corners_are_read_as_the_standard_says)
{
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct buf got = events_of(cases[i].stream, 0);
		ck_assert_msg(span_equal(buf_span(&got), cases[i].want),
		    "%s gives %.*s", cases[i].title, (int)got.len, got.ptr);
		buf_fini(&got);
	}
}
END_TEST

START_TEST(any_cut_gives_the_same_events)
{
	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct buf want = events_of(cases[i].stream, 0);
		for (size_t cut = 1; cut <= cases[i].stream.len; cut++) {
			struct buf got = events_of(cases[i].stream, cut);
			ck_assert_msg(span_equal(buf_span(&got),
					  buf_span(&want)),
			    "%s, cut at %zu", cases[i].title, cut);
			buf_fini(&got);
		}
		buf_fini(&want);
	}
}
END_TEST

START_TEST(nul_bytes_in_data_are_data)
{
	struct buf got = events_of(SPAN("data:a\0b\n\n"), 0);

	ck_assert(span_equal(buf_span(&got), SPAN("|a\0b|;")));
	buf_fini(&got);
}
END_TEST

START_TEST(names_are_whole_and_in_lower_case)
{
	assert_events(SPAN("Data:1\n\n"), "");
	assert_events(SPAN("data\0:1\n\n"), "");
	assert_events(SPAN(" data:1\n\n"), "");
	assert_events(SPAN("data :1\n\n"), "");
	assert_events(SPAN("dat\n\n"), "");
	assert_events(SPAN("data1\n\n"), "");
}
END_TEST

START_TEST(one_space_behind_the_colon_is_dropped)
{
	assert_events(SPAN("data: a\n\n"), "|a|;");
	assert_events(SPAN("data:  a\n\n"), "| a|;");
	assert_events(SPAN("data:a: b\n\n"), "|a: b|;");
}
END_TEST

START_TEST(cr_lf_and_both_end_a_line)
{
	assert_events(SPAN("data:a\r\rdata:b\n\ndata:c\r\n\r\n"),
	    "|a|;|b|;|c|;");
	assert_events(SPAN("data:a\n\rdata:b\r\n\n"), "|a|;|b|;");
}
END_TEST

START_TEST(without_data_there_is_no_event_but_its_id_counts)
{
	assert_events(SPAN("event:a\nid:1\n\ndata:b\n\n"), "|b|1;");
}
END_TEST

START_TEST(data_that_is_empty_is_an_event)
{
	assert_events(SPAN("data\n\n"), "||;");
	assert_events(SPAN("data:\n\n"), "||;");
}
END_TEST

START_TEST(what_is_not_ended_is_no_event)
{
	assert_events(SPAN("data:a"), "");
	assert_events(SPAN("data:a\n"), "");
	assert_events(SPAN("data:a\r\n"), "");
}
END_TEST

START_TEST(a_piece_of_a_byte_order_mark_is_part_of_the_line)
{
	assert_events(SPAN("\xef\xbb"
			   "data:a\n\ndata:b\n\n"),
	    "|b|;");
	assert_events(SPAN("\xef\ndata:b\n\n"), "|b|;");
}
END_TEST

START_TEST(retry_is_digits_alone)
{
	ck_assert_uint_eq(retry_of(SPAN("retry: 3000\n")), 3000);
	ck_assert_uint_eq(retry_of(SPAN("retry:007\n")), 7);
	ck_assert_uint_eq(retry_of(SPAN("retry:1\nretry:2\n")), 2);
	ck_assert_uint_eq(retry_of(SPAN("retry:1\nretry:\n")), 1);
	ck_assert_uint_eq(retry_of(SPAN("retry:1\nretry: 2 \n")), 1);
	ck_assert_uint_eq(retry_of(SPAN("retry:1\nretry:-2\n")), 1);
	ck_assert_uint_eq(retry_of(SPAN("retry:1\nretry:2")), 1);
	ck_assert_uint_eq(retry_of(
			      SPAN("retry:1\nretry:18446744073709551616\n")),
	    1);
}
END_TEST

START_TEST(comments_are_counted)
{
	struct sse_reader es = { 0 };

	ck_assert_int_eq(sse_reader_read(&es, SPAN(":\n\n: data\ndata:1\n\n:")),
	    0);

	ck_assert_uint_eq(es.comments, 2);
	sse_reader_fini(&es);
}
END_TEST

UNIT_MAIN("eventsource", an_event_has_a_type_data_and_an_id,
    the_formats_corners_are_read_as_the_standard_says,
    any_cut_gives_the_same_events, nul_bytes_in_data_are_data,
    names_are_whole_and_in_lower_case, one_space_behind_the_colon_is_dropped,
    cr_lf_and_both_end_a_line, without_data_there_is_no_event_but_its_id_counts,
    data_that_is_empty_is_an_event, what_is_not_ended_is_no_event,
    a_piece_of_a_byte_order_mark_is_part_of_the_line, retry_is_digits_alone,
    comments_are_counted)
