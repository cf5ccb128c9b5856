#include "unit.h"

#include <string.h>

#include "wire/fcgi_record.h"

/* FastCGI Specification 1.0, section 8. */
#define BEGIN 1
#define ABORT 2
#define END 3
#define PARAMS 4
#define STDIN 5
#define GET_VALUES 9

#define RESPONDER 1
#define KEEP 1
#define BODY_MAX 1000

struct wire {
	unsigned char version;
	unsigned char type;
	uint16_t id;
	unsigned char padding;
};

static void
put_record(struct buf *b, struct wire w, struct span content)
{
	const char header[FCGI_RECORD_HEADER] = { (char)w.version, (char)w.type,
		(char)(w.id >> 8), (char)(w.id & 0xff),
		(char)(content.len >> 8), (char)(content.len & 0xff),
		(char)w.padding, 0 };
	static const char padding[255];

	buf_put(b, (struct span){ header, sizeof(header) });
	buf_put(b, content);
	buf_put(b, (struct span){ padding, w.padding });
}

/* A record of request 1, as it should be. */
static void
put(struct buf *b, unsigned char type, struct span content)
{
	put_record(b, (struct wire){ 1, type, 1, 0 }, content);
}

static void
put_begin(struct buf *b, unsigned role, unsigned flags)
{
	const char body[8] = { (char)(role >> 8), (char)(role & 0xff),
		(char)flags };

	put(b, BEGIN, (struct span){ body, sizeof(body) });
}

/* {"A": "bc"}, then {"": ""} with long lengths. */
#define PAIRS SPAN("\1\2Abc\x80\0\0\0\x80\0\0\0")

static void
put_request(struct buf *b, struct span params, struct span body)
{
	put_begin(b, RESPONDER, 0);
	if (params.len > 0)
		put(b, PARAMS, params);
	put(b, PARAMS, SPAN(""));
	if (body.len > 0)
		put(b, STDIN, body);
	put(b, STDIN, SPAN(""));
}

/* The verdict on bytes that come all at once. */
static enum fcgi_record_verdict
judge(const struct buf *bytes)
{
	struct fcgi_record_request r;

	fcgi_record_init(&r, BODY_MAX);
	buf_put(&r.bytes, buf_span(bytes));
	enum fcgi_record_verdict verdict = fcgi_record_look(&r);
	fcgi_record_fini(&r);
	return verdict;
}

static void
assert_broken(struct buf *bytes)
{
	ck_assert_int_eq(judge(bytes), FCGI_RECORD_BROKEN);
	buf_fini(bytes);
}

START_TEST(request_is_whole_with_its_last_byte_and_not_before)
{
	struct buf bytes = { 0 };
	put_request(&bytes, PAIRS, SPAN("body"));

	for (size_t len = 0; len <= bytes.len; len++) {
		struct fcgi_record_request r;
		fcgi_record_init(&r, BODY_MAX);
		buf_put(&r.bytes, (struct span){ bytes.ptr, len });

		enum fcgi_record_verdict verdict = fcgi_record_look(&r);

		ck_assert_int_eq(verdict,
		    len == bytes.len ? FCGI_RECORD_WHOLE : FCGI_RECORD_MORE);
		fcgi_record_fini(&r);
	}
	buf_fini(&bytes);
}
END_TEST

START_TEST(nothing_is_the_beginning_of_something)
{
	struct buf none = { 0 };

	ck_assert_int_eq(judge(&none), FCGI_RECORD_MORE);
}
END_TEST

START_TEST(what_a_request_says_of_itself_is_taken_over)
{
	struct buf bytes = { 0 };
	struct fcgi_record_request r;
	const char body[8] = { 0, RESPONDER, KEEP };
	const struct wire begin = { 1, BEGIN, 0xfedc, 17 };
	const struct wire params = { 1, PARAMS, 0xfedc, 3 };
	const struct wire in = { 1, STDIN, 0xfedc, 255 };
	put_record(&bytes, begin, (struct span){ body, sizeof(body) });
	put_record(&bytes, params, PAIRS);
	put_record(&bytes, params, SPAN(""));
	put_record(&bytes, in, SPAN("0123456789"));
	put_record(&bytes, in, SPAN(""));
	fcgi_record_init(&r, BODY_MAX);
	buf_put(&r.bytes, buf_span(&bytes));

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);

	ck_assert_uint_eq(r.id, 0xfedc);
	ck_assert(r.keep);
	ck_assert_uint_eq(r.body, 10);
	ck_assert_uint_eq(r.params, PAIRS.len);
	ck_assert(!r.too_large);
	fcgi_record_fini(&r);
	buf_fini(&bytes);
}
END_TEST

/* Where libfcgi turns to another stream it forgets how much was left to skip. */
START_TEST(padding_that_libfcgi_forgets_is_left_out)
{
	struct buf bytes = { 0 };
	struct buf kept = { 0 };
	struct fcgi_record_request r;
	const char body[8] = { 0, RESPONDER };
	const struct wire begin[] = { { 1, BEGIN, 7, 17 }, { 1, BEGIN, 7, 0 } };
	const struct wire params[] = { { 1, PARAMS, 7, 3 },
		{ 1, PARAMS, 7, 0 } };
	const struct wire in[] = { { 1, STDIN, 7, 255 }, { 1, STDIN, 7, 0 } };
	struct buf *const to[] = { &bytes, &kept };
	for (size_t i = 0; i < UNIT_COUNT(to); i++) {
		put_record(to[i], begin[i],
		    (struct span){ body, sizeof(body) });
		put_record(to[i], params[0], PAIRS);
		put_record(to[i], params[i], SPAN(""));
		put_record(to[i], in[0], SPAN("0123456789"));
		put_record(to[i], in[i], SPAN(""));
	}
	fcgi_record_init(&r, BODY_MAX);
	buf_put(&r.bytes, buf_span(&bytes));

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);

	ck_assert(span_equal(fcgi_record_span(&r), buf_span(&kept)));
	fcgi_record_fini(&r);
	buf_fini(&kept);
	buf_fini(&bytes);
}
END_TEST

START_TEST(variables_may_be_split_anywhere_over_records)
{
	for (size_t cut = 0; cut <= PAIRS.len; cut++) {
		struct buf bytes = { 0 };
		put_begin(&bytes, RESPONDER, 0);
		if (cut > 0)
			put(&bytes, PARAMS, (struct span){ PAIRS.ptr, cut });
		if (cut < PAIRS.len)
			put(&bytes, PARAMS,
			    (struct span){ PAIRS.ptr + cut, PAIRS.len - cut });
		put(&bytes, PARAMS, SPAN(""));
		put(&bytes, STDIN, SPAN(""));

		ck_assert_int_eq(judge(&bytes), FCGI_RECORD_WHOLE);

		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(variables_that_are_no_pairs_are_broken)
{
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "\1", 1 },		       /* no second length */
		{ "\1\2Ab", 4 },	       /* a value cut short */
		{ "\2\0A", 3 },		       /* a name cut short */
		{ "\1\2Abc\1", 6 },	       /* a second pair cut short */
		{ "\x80\0\0", 3 },	       /* a long length cut short */
		{ "\1\x80\0\0", 4 },	       /* the same, of a value */
		{ "\x7f\xff\xff\xff", 4 },     /* a length that is none */
		{ "\xff\xff\xff\xfe\1Ab", 7 }, /* near 2^31: aborts libfcgi */
		{ "\x80\0\0\1\xff\xff\xff\xffZ", 9 },
		{ "\1\2A\0b", 5 }, /* NUL in a value */
		{ "\1\1\0b", 4 },  /* NUL in a name */
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct buf bytes = { 0 };
		put_request(&bytes, (struct span){ rows[i].bytes, rows[i].len },
		    SPAN(""));

		ck_assert_msg(judge(&bytes) == FCGI_RECORD_BROKEN, "row %zu",
		    i);

		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(request_without_variables_is_a_request)
{
	struct buf bytes = { 0 };
	put_request(&bytes, SPAN(""), SPAN(""));

	ck_assert_int_eq(judge(&bytes), FCGI_RECORD_WHOLE);
	buf_fini(&bytes);
}
END_TEST

START_TEST(every_version_but_1_is_broken_at_its_first_byte)
{
	for (int version = 0; version < 256; version++) {
		struct buf bytes = { 0 };
		buf_put_char(&bytes, (char)version);

		ck_assert_int_eq(judge(&bytes),
		    version == 1 ? FCGI_RECORD_MORE : FCGI_RECORD_BROKEN);

		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(version_is_looked_at_in_every_record)
{
	struct buf bytes = { 0 };
	put_begin(&bytes, RESPONDER, 0);
	put_record(&bytes, (struct wire){ 2, PARAMS, 1, 0 }, PAIRS);

	assert_broken(&bytes);
}
END_TEST

START_TEST(record_that_does_not_begin_a_request_is_broken)
{
	for (int type = 0; type < 256; type++) {
		struct buf bytes = { 0 };
		if (type == BEGIN)
			continue;
		put(&bytes, (unsigned char)type, SPAN("\0\1\0\0\0\0\0\0"));

		assert_broken(&bytes);
	}
}
END_TEST

START_TEST(record_that_has_no_place_in_a_request_is_broken)
{
	for (int type = 0; type < 256; type++) {
		struct buf bytes = { 0 };
		if (type == ABORT || type == PARAMS || type == STDIN)
			continue;
		put_begin(&bytes, RESPONDER, 0);
		put(&bytes, (unsigned char)type, SPAN("\0\1\0\0\0\0\0\0"));

		assert_broken(&bytes);
	}
}
END_TEST

START_TEST(management_record_is_broken_wherever_it_comes)
{
	struct buf first = { 0 };
	struct buf midst = { 0 };
	const struct wire get_values = { 1, GET_VALUES, 0, 0 };
	const struct span names = SPAN("\16\0FCGI_MAX_CONNS\15\0FCGI_MAX_REQS");
	put_record(&first, get_values, names);
	put_begin(&midst, RESPONDER, 0);
	put_record(&midst, get_values, names);

	assert_broken(&first);
	assert_broken(&midst);
}
END_TEST

START_TEST(beginning_of_another_length_or_without_an_id_is_broken)
{
	struct buf short_one = { 0 };
	struct buf long_one = { 0 };
	struct buf without_id = { 0 };
	put(&short_one, BEGIN, SPAN("\0\1\0\0\0\0\0"));
	put(&long_one, BEGIN, SPAN("\0\1\0\0\0\0\0\0\0"));
	put_record(&without_id, (struct wire){ 1, BEGIN, 0, 0 },
	    SPAN("\0\1\0\0\0\0\0\0"));

	assert_broken(&short_one);
	assert_broken(&long_one);
	assert_broken(&without_id);
}
END_TEST

START_TEST(another_request_s_record_is_broken)
{
	static const unsigned char types[] = { BEGIN, ABORT, PARAMS, STDIN };

	for (size_t i = 0; i < UNIT_COUNT(types); i++) {
		struct buf bytes = { 0 };
		put_begin(&bytes, RESPONDER, 0);
		put_record(&bytes, (struct wire){ 1, types[i], 2, 0 },
		    SPAN("\0\1\0\0\0\0\0\0"));

		assert_broken(&bytes);
	}
}
END_TEST

START_TEST(body_before_the_variables_end_is_broken)
{
	struct buf at_once = { 0 };
	struct buf amid = { 0 };
	put_begin(&at_once, RESPONDER, 0);
	put(&at_once, STDIN, SPAN(""));
	put_begin(&amid, RESPONDER, 0);
	put(&amid, PARAMS, PAIRS);
	put(&amid, STDIN, SPAN("body"));

	assert_broken(&at_once);
	assert_broken(&amid);
}
END_TEST

START_TEST(variables_after_their_end_are_broken)
{
	struct buf more = { 0 };
	struct buf end = { 0 };
	put_begin(&more, RESPONDER, 0);
	put(&more, PARAMS, SPAN(""));
	put(&more, PARAMS, PAIRS);
	put_begin(&end, RESPONDER, 0);
	put(&end, PARAMS, SPAN(""));
	put(&end, PARAMS, SPAN(""));

	assert_broken(&more);
	assert_broken(&end);
}
END_TEST

/* A pair whose value fills PARAMS up to len bytes, in records of at most 30000. */
static void
put_params(struct buf *b, size_t len)
{
	struct buf params = { 0 };
	size_t value = len - 1 - 4 - 1;
	const char head[6] = { 1, (char)(value >> 24 | 0x80),
		(char)(value >> 16), (char)(value >> 8), (char)value, 'A' };

	buf_put(&params, (struct span){ head, sizeof(head) });
	while (params.len < len)
		buf_put_char(&params, 'x');
	for (size_t at = 0; at < len; at += 30000)
		put(b, PARAMS,
		    (struct span){ params.ptr + at,
			len - at < 30000 ? len - at : 30000 });
	put(b, PARAMS, SPAN(""));
	buf_fini(&params);
}

START_TEST(variables_are_taken_up_to_the_limit)
{
	struct buf just = { 0 };
	struct buf over = { 0 };
	put_begin(&just, RESPONDER, 0);
	put_params(&just, FCGI_RECORD_PARAMS_MAX);
	put(&just, STDIN, SPAN(""));
	put_begin(&over, RESPONDER, 0);
	put_params(&over, FCGI_RECORD_PARAMS_MAX + 1);

	ck_assert_int_eq(judge(&just), FCGI_RECORD_WHOLE);
	buf_fini(&just);
	assert_broken(&over);
}
END_TEST

START_TEST(other_roles_are_told_apart_from_rubbish)
{
	static const unsigned roles[] = { 0, 2, 3, 0x101, 0xffff };

	for (size_t i = 0; i < UNIT_COUNT(roles); i++) {
		struct buf bytes = { 0 };
		put_begin(&bytes, roles[i], 0);

		ck_assert_int_eq(judge(&bytes), FCGI_RECORD_UNKNOWN_ROLE);

		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(abort_is_told_wherever_it_comes)
{
	for (int before = 0; before < 4; before++) {
		struct buf bytes = { 0 };
		put_begin(&bytes, RESPONDER, 0);
		if (before > 0)
			put(&bytes, PARAMS, PAIRS);
		if (before > 1)
			put(&bytes, PARAMS, SPAN(""));
		if (before > 2)
			put(&bytes, STDIN, SPAN("half a bo"));
		put(&bytes, ABORT, SPAN(""));

		ck_assert_int_eq(judge(&bytes), FCGI_RECORD_ABORTED);

		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(body_of_just_the_limit_is_kept)
{
	char body[BODY_MAX];
	struct fcgi_record_request r;
	memset(body, 'x', sizeof(body));
	fcgi_record_init(&r, sizeof(body));
	put_request(&r.bytes, PAIRS, (struct span){ body, sizeof(body) });

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);

	ck_assert(!r.too_large);
	ck_assert_uint_eq(r.body, sizeof(body));
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(body_that_is_too_large_is_passed_over_to_its_end)
{
	static char part[50000];
	struct fcgi_record_request r;
	size_t kept = 0;
	memset(part, 'x', sizeof(part));
	fcgi_record_init(&r, BODY_MAX);
	put_begin(&r.bytes, RESPONDER, KEEP);
	put(&r.bytes, PARAMS, PAIRS);
	put(&r.bytes, PARAMS, SPAN(""));
	put(&r.bytes, STDIN, (struct span){ part, BODY_MAX });
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_MORE);
	ck_assert(!r.too_large);
	kept = r.bytes.len;

	for (int i = 0; i < 100; i++) {
		put(&r.bytes, STDIN, (struct span){ part, sizeof(part) });
		ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_MORE);
		/* However much of it comes, none of it stays. */
		ck_assert_uint_eq(r.bytes.len, kept);
	}
	put(&r.bytes, STDIN, SPAN(""));
	put_request(&r.bytes, PAIRS, SPAN("next"));

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);
	ck_assert(r.too_large);
	ck_assert_uint_eq(r.body, BODY_MAX + 100 * sizeof(part));
	fcgi_record_next(&r);
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);
	ck_assert(!r.too_large);
	ck_assert_uint_eq(r.body, 4);
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(requests_of_a_kept_connection_come_one_by_one)
{
	struct fcgi_record_request r;
	struct buf bytes[3] = { { 0 } };
	fcgi_record_init(&r, BODY_MAX);
	put_request(&bytes[0], PAIRS, SPAN("one"));
	put_request(&bytes[1], SPAN(""), SPAN(""));
	put_request(&bytes[2], PAIRS, SPAN("three"));
	for (size_t i = 0; i < 3; i++)
		buf_put(&r.bytes, buf_span(&bytes[i]));

	for (size_t i = 0; i < 3; i++) {
		ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);
		ck_assert(
		    span_equal(fcgi_record_span(&r), buf_span(&bytes[i])));
		fcgi_record_next(&r);
		ck_assert_uint_eq(r.id, 0);
		buf_fini(&bytes[i]);
	}

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_MORE);
	ck_assert_uint_eq(r.bytes.len, 0);
	fcgi_record_fini(&r);
}
END_TEST

/* xorshift64, so that a failure can be told by its seed. */
static uint64_t
roll(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % below;
}

/* A request, or two, and sometimes one with a byte that is wrong. */
static void
put_random(struct buf *b, uint64_t *state)
{
	static const char text[600];
	char letters[sizeof(text)];

	memset(letters, 'x', sizeof(letters));
	for (uint64_t n = 1 + roll(state, 2); n > 0; n--) {
		put_begin(b, RESPONDER, (unsigned)roll(state, 2));
		for (uint64_t i = roll(state, 3); i > 0; i--)
			put_record(b,
			    (struct wire){ 1, PARAMS, 1,
				(unsigned char)roll(state, 9) },
			    PAIRS);
		put(b, PARAMS, SPAN(""));
		for (uint64_t i = roll(state, 4); i > 0; i--)
			put_record(b,
			    (struct wire){ 1, STDIN, 1,
				(unsigned char)roll(state, 256) },
			    (struct span){ letters,
				1 + roll(state, sizeof(letters) - 1) });
		put(b, STDIN, SPAN(""));
	}
	if (roll(state, 2) == 0)
		b->ptr[roll(state, b->len)] = (char)roll(state, 256);
}

/* What a look or several come to. */
struct outcome {
	enum fcgi_record_verdict verdict;
	struct buf bytes;
	size_t body;
	bool too_large;
};

static struct outcome
feed(struct span bytes, uint64_t most, uint64_t *state)
{
	struct fcgi_record_request r;
	struct outcome out = { .verdict = FCGI_RECORD_MORE };

	fcgi_record_init(&r, BODY_MAX);
	while (out.verdict == FCGI_RECORD_MORE && bytes.len > 0) {
		size_t len = most == 1 ? 1 : 1 + roll(state, most);
		if (len > bytes.len)
			len = bytes.len;
		buf_put(&r.bytes, (struct span){ bytes.ptr, len });
		bytes.ptr += len;
		bytes.len -= len;
		out.verdict = fcgi_record_look(&r);
	}
	if (out.verdict == FCGI_RECORD_WHOLE)
		buf_put(&out.bytes, fcgi_record_span(&r));
	out.body = r.body;
	out.too_large = r.too_large;
	fcgi_record_fini(&r);
	return out;
}

START_TEST(request_is_judged_alike_however_its_bytes_come)
{
	for (uint64_t seed = 1; seed <= 2000; seed++) {
		uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15);
		static const uint64_t steps[] = { 1, 7, 300 };
		struct buf bytes = { 0 };
		put_random(&bytes, &state);
		struct span all = buf_span(&bytes);
		struct outcome whole = feed(all, UINT32_MAX, &state);

		for (size_t i = 0; i < UNIT_COUNT(steps); i++) {
			struct outcome part = feed(all, steps[i], &state);

			ck_assert_msg(part.verdict == whole.verdict &&
				part.body == whole.body &&
				part.too_large == whole.too_large &&
				span_equal(buf_span(&part.bytes),
				    buf_span(&whole.bytes)),
			    "seed %llu", (unsigned long long)seed);
			buf_fini(&part.bytes);
		}
		buf_fini(&whole.bytes);
		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(abort_is_seen_while_a_request_is_answered)
{
	struct buf bytes = { 0 };
	put(&bytes, STDIN, SPAN(""));
	put(&bytes, STDIN, SPAN(""));
	bool late_end = fcgi_record_is_abort(buf_span(&bytes), 1);
	bool other_s = fcgi_record_is_abort(buf_span(&bytes), 2);
	put(&bytes, ABORT, SPAN(""));

	ck_assert(!late_end);
	ck_assert(other_s);
	ck_assert(fcgi_record_is_abort(buf_span(&bytes), 1));
	ck_assert(!fcgi_record_is_abort(SPAN(""), 1));
	ck_assert(fcgi_record_is_abort(SPAN("\2"), 1));
	ck_assert(fcgi_record_is_abort(SPAN("rubbish that is long enough"), 1));
	buf_fini(&bytes);
}
END_TEST

START_TEST(end_of_a_request_says_why)
{
	unsigned char out[FCGI_RECORD_END_LEN];
	/* Section 5.5: appStatus in four bytes, protocolStatus in one. */
	const unsigned char want[FCGI_RECORD_END_LEN] = { 1, END, 0xab, 0xcd, 0,
		8, 0, 0, 0, 0, 0, 0, FCGI_RECORD_STATUS_UNKNOWN_ROLE, 0, 0, 0 };

	fcgi_record_end(out, 0xabcd, FCGI_RECORD_STATUS_UNKNOWN_ROLE);

	ck_assert_mem_eq(out, want, sizeof(want));
}
END_TEST

UNIT_MAIN("record", request_is_whole_with_its_last_byte_and_not_before,
    nothing_is_the_beginning_of_something,
    what_a_request_says_of_itself_is_taken_over,
    padding_that_libfcgi_forgets_is_left_out,
    variables_may_be_split_anywhere_over_records,
    variables_that_are_no_pairs_are_broken,
    request_without_variables_is_a_request,
    every_version_but_1_is_broken_at_its_first_byte,
    version_is_looked_at_in_every_record,
    record_that_does_not_begin_a_request_is_broken,
    record_that_has_no_place_in_a_request_is_broken,
    management_record_is_broken_wherever_it_comes,
    beginning_of_another_length_or_without_an_id_is_broken,
    another_request_s_record_is_broken, body_before_the_variables_end_is_broken,
    variables_after_their_end_are_broken, variables_are_taken_up_to_the_limit,
    other_roles_are_told_apart_from_rubbish, abort_is_told_wherever_it_comes,
    body_of_just_the_limit_is_kept,
    body_that_is_too_large_is_passed_over_to_its_end,
    requests_of_a_kept_connection_come_one_by_one,
    request_is_judged_alike_however_its_bytes_come,
    abort_is_seen_while_a_request_is_answered, end_of_a_request_says_why)
