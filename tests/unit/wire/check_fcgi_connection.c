/*
 * What belongs to a connection and not to the request that it carries.
 */
#include "unit.h"

#include "records.h"

#define UNKNOWN_TYPE 11
#define CONNS_MAX 700

/* What the bytes make peal send, and the verdict. */
static void
assert_sends(struct buf *bytes, enum fcgi_record_verdict verdict,
    struct span wanted)
{
	struct fcgi_record_request r;
	fcgi_record_init(&r, BODY_MAX);
	r.conns_max = CONNS_MAX;
	buf_put(&r.bytes, buf_span(bytes));

	ck_assert_int_eq(fcgi_record_look(&r), verdict);

	ck_assert_uint_eq(r.to_peer.len, wanted.len);
	ck_assert(span_equal(buf_span(&r.to_peer), wanted));
	ck_assert_uint_eq(r.bytes.len, 0);
	fcgi_record_fini(&r);
	buf_fini(bytes);
}

START_TEST(record_of_a_request_that_has_not_begun_is_ignored)
{
	for (int type = 0; type < 256; type++) {
		struct buf bytes = { 0 };
		if (type == BEGIN)
			continue;
		put(&bytes, (unsigned char)type, SPAN("\0\1\0\0\0\0\0\0"));

		assert_sends(&bytes, FCGI_RECORD_MORE, SPAN(""));
	}
}
END_TEST

#define ALL_NAMES \
	SPAN("\16\0FCGI_MAX_CONNS\15\0FCGI_MAX_REQS\17\0FCGI_MPXS_CONNS")
#define ALL_VALUES                                                        \
	SPAN("\1\12\0\0\0\67\0\0\16\3FCGI_MAX_CONNS700\15\3FCGI_MAX_REQS" \
	     "700\17\1FCGI_MPXS_CONNS0")

START_TEST(values_that_are_asked_for_are_sent)
{
	static const struct {
		struct span asked;
		struct span sent;
	} rows[] = {
		{ SPAN(""), SPAN("\1\12\0\0\0\0\0\0") },
		{ ALL_NAMES, ALL_VALUES },
		/* In our order, each once; what is not known is left out. */
		{ SPAN("\17\0FCGI_MPXS_CONNS\1\0X\17\0FCGI_MPXS_CONNS"
		       "\15\3FCGI_MAX_REQSyes\11\0FCGI_MAX_"),
		    SPAN("\1\12\0\0\0\44\0\0\15\3FCGI_MAX_REQS700"
			 "\17\1FCGI_MPXS_CONNS0") },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf bytes = { 0 };
		put_record(&bytes, (struct wire){ 1, GET_VALUES, 0, 5 },
		    rows[i].asked);

		assert_sends(&bytes, FCGI_RECORD_MORE, rows[i].sent);
	}
}
END_TEST

START_TEST(names_that_are_no_pairs_are_broken)
{
	struct buf bytes = { 0 };
	put_record(&bytes, (struct wire){ 1, GET_VALUES, 0, 0 },
	    SPAN("\16\0FCGI_MAX_CONN"));

	assert_broken(&bytes);
}
END_TEST

START_TEST(management_record_of_an_unknown_type_is_answered)
{
	for (int type = 0; type < 256; type++) {
		struct buf bytes = { 0 };
		const char sent[16] = { 1, 11, 0, 0, 0, 8, 0, 0, (char)type };
		bool is_known = type > 0 && type <= UNKNOWN_TYPE;
		put_record(&bytes,
		    (struct wire){ 1, (unsigned char)type, 0, 0 },
		    SPAN("\0\1\0\0\0\0\0\0"));

		if (!is_known)
			assert_sends(&bytes, FCGI_RECORD_MORE,
			    (struct span){ sent, sizeof(sent) });
		else if (type != GET_VALUES)
			/* Of a request, or sent by applications alone. */
			assert_broken(&bytes);
		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(request_is_read_past_what_belongs_to_the_connection)
{
	struct fcgi_record_request r;
	static const unsigned char types[] = { PARAMS, STDIN, ABORT, 99 };
	fcgi_record_init(&r, BODY_MAX);
	r.conns_max = CONNS_MAX;
	put_begin(&r.bytes, RESPONDER, 0);
	put_record(&r.bytes, (struct wire){ 1, GET_VALUES, 0, 3 }, ALL_NAMES);
	put(&r.bytes, PARAMS, PAIRS);
	put(&r.bytes, PARAMS, SPAN(""));
	for (size_t i = 0; i < UNIT_COUNT(types); i++)
		put_record(&r.bytes, (struct wire){ 1, types[i], 2, 0 },
		    SPAN("of another request"));
	put(&r.bytes, STDIN, SPAN("body"));
	put(&r.bytes, STDIN, SPAN(""));

	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

	ck_assert_pstr_eq(fcgi_record_variable(&r, "A"), "bc");
	unit_assert_span(buf_span(&r.body), "body");
	ck_assert(span_equal(buf_span(&r.to_peer), ALL_VALUES));
	fcgi_record_next(&r);
	ck_assert_uint_eq(r.to_peer.len, 0);
	ck_assert_uint_eq(r.conns_max, CONNS_MAX);
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(peer_that_makes_many_answers_wait_is_broken)
{
	struct fcgi_record_request r;
	const size_t each = ALL_VALUES.len;
	fcgi_record_init(&r, BODY_MAX);
	r.conns_max = CONNS_MAX;

	for (size_t n = 1; n * each <= FCGI_RECORD_TO_PEER_MAX; n++) {
		put_record(&r.bytes, (struct wire){ 1, GET_VALUES, 0, 0 },
		    ALL_NAMES);
		ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_MORE);
	}
	put_record(&r.bytes, (struct wire){ 1, GET_VALUES, 0, 0 }, ALL_NAMES);
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_BROKEN);
	fcgi_record_fini(&r);
}
END_TEST

/* Section 5.5; the request is 0x0102. */
#define CANT_MPX_CONN SPAN("\1\3\1\2\0\10\0\0\0\0\0\0\1\0\0\0")

START_TEST(second_request_on_a_connection_is_refused)
{
	struct buf bytes = { 0 };
	struct buf broken = { 0 };
	put_begin(&bytes, RESPONDER, 0);
	put_record(&bytes, (struct wire){ 1, BEGIN, 0x102, 9 },
	    SPAN("\0\1\0\0\0\0\0\0"));
	put_begin(&broken, RESPONDER, 0);
	put_record(&broken, (struct wire){ 1, BEGIN, 0x102, 9 }, SPAN("\0\1"));

	assert_sends(&bytes, FCGI_RECORD_MORE, CANT_MPX_CONN);
	assert_broken(&broken);
}
END_TEST

START_TEST(request_that_begins_twice_is_broken)
{
	struct buf bytes = { 0 };
	put_begin(&bytes, RESPONDER, 0);
	put_begin(&bytes, RESPONDER, 0);

	assert_broken(&bytes);
}
END_TEST

/* What may be sent while request 1 is answered, in the order it is sent. */
static void
put_beside(struct buf *b)
{
	put(b, STDIN, SPAN(""));
	put_record(b, (struct wire){ 1, BEGIN, 0x102, 9 },
	    SPAN("\0\1\0\0\0\0\0\0"));
	put_record(b, (struct wire){ 1, PARAMS, 0x102, 0 }, PAIRS);
	put_record(b, (struct wire){ 1, GET_VALUES, 0, 3 }, ALL_NAMES);
	put_record(b, (struct wire){ 1, ABORT, 0x102, 0 }, SPAN(""));
	put(b, STDIN, SPAN(""));
}

START_TEST(answer_goes_on_beside_what_belongs_to_the_connection)
{
	struct buf all = { 0 };
	struct buf wanted = { 0 };
	put_beside(&all);
	buf_put(&wanted, CANT_MPX_CONN);
	buf_put(&wanted, ALL_VALUES);

	for (size_t step = 1; step <= all.len; step++) {
		struct fcgi_record_request r;
		fcgi_record_init(&r, BODY_MAX);
		r.conns_max = CONNS_MAX;
		for (size_t at = 0; at < all.len; at += step) {
			size_t left = all.len - at;
			buf_put(&r.bytes,
			    (struct span){ all.ptr + at,
				left < step ? left : step });
			ck_assert_int_eq(fcgi_record_look_beside(&r, 1),
			    FCGI_RECORD_MORE);
		}

		ck_assert_uint_eq(r.bytes.len, 0);
		ck_assert(span_equal(buf_span(&r.to_peer), buf_span(&wanted)));
		fcgi_record_fini(&r);
	}
	buf_fini(&wanted);
	buf_fini(&all);
}
END_TEST

START_TEST(answer_ends_with_an_abort_or_what_is_not_sound)
{
	static const struct {
		struct span bytes;
		enum fcgi_record_verdict verdict;
	} rows[] = {
		{ SPAN(""), FCGI_RECORD_MORE },
		{ SPAN("\1"), FCGI_RECORD_MORE },
		{ SPAN("\1\2\0\1\0\0\0\0"), FCGI_RECORD_ABORTED },
		/* An abort of another request, then one of this. */
		{ SPAN("\1\2\0\2\0\0\0\0\1\2\0\1\0\0\0\0"),
		    FCGI_RECORD_ABORTED },
		{ SPAN("\2"), FCGI_RECORD_BROKEN },
		{ SPAN("rubbish"), FCGI_RECORD_BROKEN },
		/* A body where all of it was there; a second beginning. */
		{ SPAN("\1\5\0\1\0\1\0\0x"), FCGI_RECORD_BROKEN },
		{ SPAN("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"),
		    FCGI_RECORD_BROKEN },
		/* A management record that only we send. */
		{ SPAN("\1\12\0\0\0\0\0\0"), FCGI_RECORD_BROKEN },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct fcgi_record_request r;
		fcgi_record_init(&r, BODY_MAX);
		buf_put(&r.bytes, rows[i].bytes);

		enum fcgi_record_verdict verdict =
		    fcgi_record_look_beside(&r, 1);

		ck_assert_msg(verdict == rows[i].verdict && r.to_peer.len == 0,
		    "row %zu", i);
		fcgi_record_fini(&r);
	}
}
END_TEST

UNIT_MAIN("connection", record_of_a_request_that_has_not_begun_is_ignored,
    values_that_are_asked_for_are_sent, names_that_are_no_pairs_are_broken,
    management_record_of_an_unknown_type_is_answered,
    request_is_read_past_what_belongs_to_the_connection,
    peer_that_makes_many_answers_wait_is_broken,
    second_request_on_a_connection_is_refused,
    request_that_begins_twice_is_broken,
    answer_goes_on_beside_what_belongs_to_the_connection,
    answer_ends_with_an_abort_or_what_is_not_sound)
