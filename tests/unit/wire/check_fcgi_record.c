#include "unit.h"

#include "records.h"

START_TEST(request_is_whole_with_its_last_byte_and_not_before)
{
	struct buf bytes = { 0 };
	put_request(&bytes, PAIRS, SPAN("body"));

	for (size_t len = 0; len <= bytes.len; len++) {
		struct fcgi_record_request r;
		fcgi_record_init(&r, BODY_MAX);
		buf_put(&r.bytes, (struct span){ bytes.ptr, len });

		enum fcgi_record_verdict verdict = look_on(&r);

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

	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

	ck_assert_uint_eq(r.id, 0xfedc);
	ck_assert(r.keep);
	unit_assert_span(buf_span(&r.body), "0123456789");
	ck_assert_uint_eq(r.body_len, 10);
	ck_assert_uint_eq(r.params.len, PAIRS.len);
	ck_assert_uint_eq(r.variable_count, 2);
	ck_assert(!r.too_large);
	fcgi_record_fini(&r);
	buf_fini(&bytes);
}
END_TEST

START_TEST(padding_is_skipped_wherever_it_stands)
{
	static const unsigned char lens[] = { 1, 7, 8, 255 };
	const struct {
		unsigned char type;
		struct span content;
	} records[] = {
		{ BEGIN, SPAN("\0\1\0\0\0\0\0\0") },
		{ PARAMS, SPAN("\1\2A") },
		{ PARAMS, SPAN("bc") },
		{ PARAMS, SPAN("") },
		{ STDIN, SPAN("01234") },
		{ STDIN, SPAN("56789") },
		{ STDIN, SPAN("") },
	};

	/* One bit for each record: which of them are padded. */
	for (unsigned padded = 0; padded < 1U << UNIT_COUNT(records);
	     padded++) {
		struct fcgi_record_request r;
		fcgi_record_init(&r, BODY_MAX);
		for (size_t i = 0; i < UNIT_COUNT(records); i++) {
			unsigned char padding = padded >> i & 1
			    ? lens[(padded + i) % UNIT_COUNT(lens)]
			    : 0;
			put_record(&r.bytes,
			    (struct wire){ 1, records[i].type, 1, padding },
			    records[i].content);
		}

		ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

		ck_assert_pstr_eq(fcgi_record_variable(&r, "A"), "bc");
		unit_assert_span(buf_span(&r.body), "0123456789");
		ck_assert_uint_eq(r.bytes.len, 0);
		fcgi_record_fini(&r);
	}
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

START_TEST(body_may_be_split_anywhere_over_records)
{
	const struct span body = SPAN("0123456789");

	for (size_t first = 1; first < body.len - 1; first++) {
		for (size_t second = 1; first + second < body.len; second++) {
			struct fcgi_record_request r;
			fcgi_record_init(&r, BODY_MAX);
			put_begin(&r.bytes, RESPONDER, 0);
			put_params(&r.bytes, PAIRS);
			put(&r.bytes, STDIN, (struct span){ body.ptr, first });
			put(&r.bytes, STDIN,
			    (struct span){ body.ptr + first, second });
			put(&r.bytes, STDIN,
			    (struct span){ body.ptr + first + second,
				body.len - first - second });
			put(&r.bytes, STDIN, SPAN(""));

			ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

			ck_assert(span_equal(buf_span(&r.body), body));
			ck_assert_uint_eq(r.body_len, body.len);
			fcgi_record_fini(&r);
		}
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

	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

	ck_assert(!r.too_large);
	ck_assert_uint_eq(r.body_len, sizeof(body));
	ck_assert_uint_eq(r.body.len, sizeof(body));
	ck_assert_mem_eq(r.body.ptr, body, sizeof(body));
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(body_that_is_too_large_is_passed_over_to_its_end)
{
	static char part[50000];
	struct fcgi_record_request r;
	memset(part, 'x', sizeof(part));
	fcgi_record_init(&r, BODY_MAX);
	put_begin(&r.bytes, RESPONDER, KEEP);
	put_params(&r.bytes, PAIRS);
	put(&r.bytes, STDIN, (struct span){ part, BODY_MAX });
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_MORE);
	ck_assert(!r.too_large);
	ck_assert_uint_eq(r.body.len, BODY_MAX);

	for (int i = 0; i < 100; i++) {
		put(&r.bytes, STDIN, (struct span){ part, sizeof(part) });
		ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_MORE);
		/* However much of it comes, none of it stays. */
		ck_assert(r.too_large);
		ck_assert_uint_eq(r.bytes.len, 0);
		ck_assert_uint_eq(r.body.len, 0);
		ck_assert_uint_eq(r.body.cap, 0);
	}
	put(&r.bytes, STDIN, SPAN(""));
	put_request(&r.bytes, PAIRS, SPAN("next"));

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);
	ck_assert(r.too_large);
	ck_assert_uint_eq(r.body_len, BODY_MAX + 100 * sizeof(part));
	ck_assert_uint_eq(r.body.len, 0);
	fcgi_record_next(&r);
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
	ck_assert(!r.too_large);
	ck_assert_uint_eq(r.body_len, 4);
	unit_assert_span(buf_span(&r.body), "next");
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(body_that_nobody_wants_is_counted_and_not_kept)
{
	static char body[BODY_MAX];
	struct fcgi_record_request r;
	fcgi_record_init(&r, BODY_MAX);
	put_request(&r.bytes, PAIRS, (struct span){ body, sizeof(body) });
	put_request(&r.bytes, PAIRS, SPAN("next"));
	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_VARIABLES);
	r.discard = true;

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_WHOLE);

	ck_assert_uint_eq(r.body_len, BODY_MAX);
	ck_assert_uint_eq(r.body.len, 0);
	ck_assert_uint_eq(r.body.cap, 0);
	ck_assert(!r.too_large);
	/* It was the one request's. */
	fcgi_record_next(&r);
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
	unit_assert_span(buf_span(&r.body), "next");
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(requests_of_a_kept_connection_come_one_by_one)
{
	static const char *const bodies[] = { "one", "", "three" };
	struct fcgi_record_request r;
	size_t left[UNIT_COUNT(bodies)];
	fcgi_record_init(&r, BODY_MAX);
	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		put_request(&r.bytes, i == 1 ? SPAN("") : PAIRS,
		    span_of(bodies[i]));
		left[i] = r.bytes.len;
	}

	for (size_t i = 0; i < UNIT_COUNT(bodies); i++) {
		ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
		unit_assert_span(buf_span(&r.body), bodies[i]);
		ck_assert_pstr_eq(fcgi_record_variable(&r, "A"),
		    i == 1 ? NULL : "bc");
		ck_assert_uint_eq(r.bytes.len,
		    left[UNIT_COUNT(bodies) - 1] - left[i]);
		fcgi_record_next(&r);
		ck_assert_uint_eq(r.id, 0);
		ck_assert_uint_eq(r.body.len, 0);
		ck_assert_uint_eq(r.body_len, 0);
	}

	ck_assert_int_eq(fcgi_record_look(&r), FCGI_RECORD_MORE);
	ck_assert_uint_eq(r.bytes.len, 0);
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(what_comes_behind_a_request_stays_as_it_was_sent)
{
	struct buf next = { 0 };
	put_request(&next, PAIRS, SPAN("next"));

	for (size_t len = 0; len <= next.len; len++) {
		struct fcgi_record_request r;
		const struct span behind = { next.ptr, len };
		fcgi_record_init(&r, BODY_MAX);
		put_request(&r.bytes, PAIRS, SPAN("body"));
		buf_put(&r.bytes, behind);

		ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

		ck_assert(span_equal(buf_span(&r.bytes), behind));
		fcgi_record_next(&r);
		ck_assert(span_equal(buf_span(&r.bytes), behind));
		buf_put(&r.bytes,
		    (struct span){ next.ptr + len, next.len - len });
		ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
		unit_assert_span(buf_span(&r.body), "next");
		fcgi_record_fini(&r);
	}
	buf_fini(&next);
}
END_TEST

START_TEST(memory_of_a_request_serves_the_next)
{
	struct fcgi_record_request r;
	fcgi_record_init(&r, BODY_MAX);
	put_request(&r.bytes, PAIRS, SPAN("body"));
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
	const void *const had[] = { r.bytes.ptr, r.params.ptr, r.body.ptr,
		r.variables };

	fcgi_record_next(&r);

	/* Freed memory may be allocated at the same place again. */
	ck_assert_uint_gt(r.bytes.cap, 0);
	ck_assert_uint_gt(r.params.cap, 0);
	ck_assert_uint_gt(r.body.cap, 0);
	ck_assert_ptr_eq(r.variables, had[3]);
	put_request(&r.bytes, PAIRS, SPAN("next"));
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);

	ck_assert_ptr_eq(r.bytes.ptr, had[0]);
	ck_assert_ptr_eq(r.params.ptr, had[1]);
	ck_assert_ptr_eq(r.body.ptr, had[2]);
	ck_assert_ptr_eq(r.variables, had[3]);
	ck_assert_str_eq(fcgi_record_variable(&r, "A"), "bc");
	unit_assert_span(buf_span(&r.body), "next");
	fcgi_record_fini(&r);
}
END_TEST

START_TEST(memory_of_a_large_request_is_given_back)
{
	enum { LARGE = 200000, PART = 50000 };
	static char part[PART];
	struct fcgi_record_request r;
	struct buf params = { 0 };
	/* {"": 59996 bytes}. */
	buf_put(&params, SPAN("\0\x80\0\xea\x5c"));
	memset(part, 'x', sizeof(part));
	buf_put(&params, (struct span){ part, PART });
	buf_put(&params, (struct span){ part, 0xea5c - PART });
	fcgi_record_init(&r, LARGE);
	put_begin(&r.bytes, RESPONDER, 0);
	put_params(&r.bytes, buf_span(&params));
	for (int i = 0; i < LARGE / PART; i++)
		put(&r.bytes, STDIN, (struct span){ part, PART });
	put(&r.bytes, STDIN, SPAN(""));
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
	ck_assert_uint_eq(r.body.len, LARGE);

	fcgi_record_next(&r);

	ck_assert_uint_le(r.bytes.cap, 65536);
	ck_assert_uint_le(r.params.cap, 65536);
	ck_assert_uint_le(r.body.cap, 65536);
	put_request(&r.bytes, PAIRS, SPAN("next"));
	ck_assert_int_eq(look_on(&r), FCGI_RECORD_WHOLE);
	unit_assert_span(buf_span(&r.body), "next");
	fcgi_record_fini(&r);
	buf_fini(&params);
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
	struct buf params;
	struct buf body;
	size_t taken; /* bytes, with those of a request that has only begun */
	uint64_t body_len;
	unsigned variables; /* how often they were reported */
	bool too_large;
};

static void
outcome_fini(struct outcome *o)
{
	buf_fini(&o->params);
	buf_fini(&o->body);
}

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
		out.taken += len;
		out.verdict = fcgi_record_look(&r);
		if (out.verdict == FCGI_RECORD_VARIABLES) {
			out.variables++;
			out.verdict = fcgi_record_look(&r);
		}
	}
	out.taken -= r.bytes.len;
	buf_put(&out.params, buf_span(&r.params));
	buf_put(&out.body, buf_span(&r.body));
	out.body_len = r.body_len;
	out.too_large = r.too_large;
	fcgi_record_fini(&r);
	return out;
}

/* Where a request is broken, nobody looks at what was taken of it. */
static bool
is_alike(const struct outcome *a, const struct outcome *b)
{
	return a->verdict == b->verdict &&
	    (a->verdict == FCGI_RECORD_BROKEN || a->taken == b->taken) &&
	    a->body_len == b->body_len && a->variables == b->variables &&
	    a->too_large == b->too_large &&
	    span_equal(buf_span(&a->params), buf_span(&b->params)) &&
	    span_equal(buf_span(&a->body), buf_span(&b->body));
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

			ck_assert_msg(is_alike(&part, &whole), "seed %llu",
			    (unsigned long long)seed);
			outcome_fini(&part);
		}
		outcome_fini(&whole);
		buf_fini(&bytes);
	}
}
END_TEST

START_TEST(header_of_stdout_names_request_and_length)
{
	static const size_t lens[] = { 0, 1, 0x1234, FCGI_RECORD_CONTENT_MAX };

	for (size_t i = 0; i < UNIT_COUNT(lens); i++) {
		unsigned char out[FCGI_RECORD_HEADER];
		/* Section 3.3: two bytes of id, two of length, no padding. */
		const unsigned char want[FCGI_RECORD_HEADER] = { 1, STDOUT,
			0xab, 0xcd, (unsigned char)(lens[i] >> 8),
			(unsigned char)(lens[i] & 0xff), 0, 0 };
		memset(out, 0xff, sizeof(out));

		fcgi_record_stdout(out, 0xabcd, lens[i]);

		ck_assert_mem_eq(out, want, sizeof(want));
	}
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
    padding_is_skipped_wherever_it_stands,
    every_version_but_1_is_broken_at_its_first_byte,
    version_is_looked_at_in_every_record,
    record_that_has_no_place_in_a_request_is_broken,
    beginning_of_another_length_or_without_an_id_is_broken,
    body_before_the_variables_end_is_broken,
    other_roles_are_told_apart_from_rubbish, abort_is_told_wherever_it_comes,
    body_may_be_split_anywhere_over_records, body_of_just_the_limit_is_kept,
    body_that_nobody_wants_is_counted_and_not_kept,
    what_comes_behind_a_request_stays_as_it_was_sent,
    memory_of_a_request_serves_the_next,
    memory_of_a_large_request_is_given_back,
    header_of_stdout_names_request_and_length,
    body_that_is_too_large_is_passed_over_to_its_end,
    requests_of_a_kept_connection_come_one_by_one,
    request_is_judged_alike_however_its_bytes_come, end_of_a_request_says_why)
