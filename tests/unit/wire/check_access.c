#include "unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/event.h"
#include "wire/access.h"

static const struct span key_a = SPAN("abcdefghijklmnop");
static const struct span key_b = SPAN("0123456789abcdef0123456789abcdef");

static struct access_keys
two_keys(void)
{
	return (struct access_keys){ .keys = { key_a, key_b }, .count = 2 };
}

static struct request
with_authorization(const char *authorization)
{
	return (struct request){ .authorization = span_of(authorization) };
}

static struct request
with_roles(const char *roles)
{
	return (struct request){ .roles = span_of(roles), .has_roles = true };
}

/* The status of a refusal; 0 if the request may. */
static int
status_of(const struct request *r, enum access_role role,
    unsigned default_roles, const struct access_keys *keys)
{
	struct problem problem = { 0 };

	struct access access;
	access_build(&access, r, default_roles, keys);
	int error = access_check(&access, role, &problem);

	ck_assert_int_eq(error, problem.status == 0 ? 0 : -EACCES);
	ck_assert_int_eq(problem.detail[0] == '\0', problem.status == 0);
	return problem.status;
}

START_TEST(roles_are_parted_by_spaces_or_commas)
{
	static const struct {
		const char *list;
		unsigned roles;
	} cases[] = {
		{ "", 0 },
		{ " , ", 0 },
		{ "subscribe", ACCESS_SUBSCRIBE },
		{ "publish,status", ACCESS_PUBLISH | ACCESS_STATUS },
		{ " status\tsubscribe , publish ",
		    ACCESS_SUBSCRIBE | ACCESS_PUBLISH | ACCESS_STATUS },
		{ "publish publish", ACCESS_PUBLISH },
	};

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		unsigned roles = 77;
		struct span bad;

		int error =
		    access_roles_parse(span_of(cases[i].list), &roles, &bad);

		ck_assert_int_eq(error, 0);
		ck_assert_uint_eq(roles, cases[i].roles);
	}
}
END_TEST

START_TEST(the_first_word_that_is_no_role_is_told_and_the_others_count)
{
	unsigned roles;
	struct span bad;

	int error = access_roles_parse(SPAN("publish Subscribe,pub status"),
	    &roles, &bad);

	ck_assert_int_eq(error, -EINVAL);
	unit_assert_span(bad, "Subscribe");
	ck_assert_uint_eq(roles, ACCESS_PUBLISH | ACCESS_STATUS);
}
END_TEST

START_TEST(keys_are_read_one_a_line)
{
	struct access_keys keys;
	size_t line;

	int error = access_keys_parse(&keys,
	    SPAN("# who may publish\n\n  abcdefghijklmnop\t\r\n"
		 " # more\n0123456789abcdef#not-a-comment"),
	    &line);

	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(keys.count, 2);
	unit_assert_span(keys.keys[0], "abcdefghijklmnop");
	unit_assert_span(keys.keys[1], "0123456789abcdef#not-a-comment");
}
END_TEST

START_TEST(a_file_without_a_key_is_told)
{
	struct access_keys keys;
	size_t line;

	ck_assert_int_eq(access_keys_parse(&keys, SPAN(""), &line), -ENODATA);
	ck_assert_int_eq(access_keys_parse(&keys, SPAN("\n# none\n \n"), &line),
	    -ENODATA);
	ck_assert_int_eq(access_keys_parse(&keys, (struct span){ NULL, 0 },
			     &line),
	    -ENODATA);
	ck_assert_uint_eq(keys.count, 0);
}
END_TEST

START_TEST(a_faulty_key_is_told_by_its_line)
{
	static const char *const faulty[] = {
		"abcdefghijklmno",
		"abcdefghijklmnop qrstuvw",
		"abcdefghijklmnop\x01",
		"abcdefghijklmnop\xc3\xa9",
		"abcdefghijklmnop\x7f",
	};

	for (size_t i = 0; i < UNIT_COUNT(faulty); i++) {
		char text[128];
		struct access_keys keys;
		size_t line = 0;
		(void)snprintf(text, sizeof(text), "0123456789abcdef\n#\n%s\n",
		    faulty[i]);

		int error = access_keys_parse(&keys, span_of(text), &line);

		ck_assert_msg(error == -EINVAL, "%s", faulty[i]);
		ck_assert_uint_eq(line, 3);
		ck_assert_uint_eq(keys.count, 0);
	}
}
END_TEST

START_TEST(a_key_has_at_most_256_bytes)
{
	char text[ACCESS_KEY_MAX + 1];
	struct access_keys keys;
	size_t line;

	memset(text, 'k', sizeof(text));
	int fits = access_keys_parse(&keys,
	    (struct span){ text, ACCESS_KEY_MAX }, &line);
	int over = access_keys_parse(&keys,
	    (struct span){ text, ACCESS_KEY_MAX + 1 }, &line);

	ck_assert_int_eq(fits, 0);
	ck_assert_int_eq(over, -EINVAL);
	ck_assert_uint_eq(line, 1);
}
END_TEST

START_TEST(one_key_too_many_is_told_by_its_line)
{
	struct buf text;
	struct access_keys keys;
	size_t line;

	buf_init(&text);
	for (int i = 0; i < ACCESS_KEYS_MAX; i++)
		buf_put_cstr(&text, "abcdefghijklmnop\n");
	int fits = access_keys_parse(&keys, buf_span(&text), &line);
	buf_put_cstr(&text, "abcdefghijklmnop\n");
	int over = access_keys_parse(&keys, buf_span(&text), &line);

	ck_assert_int_eq(fits, 0);
	ck_assert_int_eq(over, -EINVAL);
	ck_assert_uint_eq(line, ACCESS_KEYS_MAX + 1);
	buf_fini(&text);
}
END_TEST

START_TEST(the_default_roles_hold_where_the_request_has_none)
{
	const struct request r = { 0 };

	ck_assert_int_eq(status_of(&r, ACCESS_SUBSCRIBE, ACCESS_SUBSCRIBE,
			     NULL),
	    0);
	ck_assert_int_eq(status_of(&r, ACCESS_PUBLISH, ACCESS_SUBSCRIBE, NULL),
	    403);
	ck_assert_int_eq(status_of(&r, ACCESS_STATUS, ACCESS_SUBSCRIBE, NULL),
	    403);
	ck_assert_int_eq(status_of(&r, ACCESS_SUBSCRIBE, 0, NULL), 403);
}
END_TEST

START_TEST(the_requests_roles_replace_the_default)
{
	const struct request publisher = with_roles("publish");
	const struct request nobody = with_roles("");

	ck_assert_int_eq(status_of(&publisher, ACCESS_PUBLISH, ACCESS_SUBSCRIBE,
			     NULL),
	    0);
	ck_assert_int_eq(status_of(&publisher, ACCESS_SUBSCRIBE,
			     ACCESS_SUBSCRIBE, NULL),
	    403);
	ck_assert_int_eq(status_of(&nobody, ACCESS_SUBSCRIBE, ACCESS_SUBSCRIBE,
			     NULL),
	    403);
}
END_TEST

START_TEST(a_word_that_is_no_role_grants_nothing)
{
	const struct request r = with_roles("publisher,all subscribe");

	ck_assert_int_eq(status_of(&r, ACCESS_PUBLISH, 0, NULL), 403);
	ck_assert_int_eq(status_of(&r, ACCESS_STATUS, 0, NULL), 403);
	ck_assert_int_eq(status_of(&r, ACCESS_SUBSCRIBE, 0, NULL), 0);
}
END_TEST

START_TEST(any_of_the_keys_may_publish)
{
	static const char *const right[] = {
		"Bearer abcdefghijklmnop",
		"Bearer 0123456789abcdef0123456789abcdef",
		"bearer abcdefghijklmnop",
		"BEARER    abcdefghijklmnop ",
	};
	const struct access_keys keys = two_keys();

	for (size_t i = 0; i < UNIT_COUNT(right); i++) {
		struct request r = with_authorization(right[i]);

		int status =
		    status_of(&r, ACCESS_PUBLISH, ACCESS_SUBSCRIBE, &keys);

		ck_assert_msg(status == 0, "%s", right[i]);
	}
}
END_TEST

START_TEST(a_key_stands_beside_the_requests_roles)
{
	const struct access_keys keys = two_keys();
	struct request r = with_roles("subscribe");
	r.authorization = SPAN("Bearer abcdefghijklmnop");

	int status = status_of(&r, ACCESS_PUBLISH, 0, &keys);

	ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_missing_or_wrong_key_is_401)
{
	static const char *const wrong[] = {
		"",
		"Bearer",
		"Bearer ",
		"abcdefghijklmnop",
		"Basic abcdefghijklmnop",
		"Bearerabcdefghijklmnop",
		"Bearer abcdefghijklmno",
		"Bearer abcdefghijklmnopq",
		"Bearer abcdefghijklmnoP",
		"Bearer bbcdefghijklmnop",
		"Bearer abcdefghijklmnop x",
		"Bearer \"abcdefghijklmnop\"",
		"Bearer 0123456789abcdef",
		"Bearer abcdefghijklmnop0123456789abcdef0123456789abcdef",
	};
	const struct access_keys keys = two_keys();

	for (size_t i = 0; i < UNIT_COUNT(wrong); i++) {
		struct request r = with_authorization(wrong[i]);

		int status =
		    status_of(&r, ACCESS_PUBLISH, ACCESS_SUBSCRIBE, &keys);

		ck_assert_msg(status == 401, "%s", wrong[i]);
	}
}
END_TEST

/* Padding with zeros must not make a key of the same bytes and more equal. */
START_TEST(a_key_with_nul_behind_it_is_wrong)
{
	const struct access_keys keys = two_keys();
	const struct request r = {
		.authorization = SPAN("Bearer abcdefghijklmnop\0\0x"),
	};
	const struct request s = {
		.authorization = SPAN("Bearer abcdefghijklmnop\0"),
	};

	ck_assert_int_eq(status_of(&r, ACCESS_PUBLISH, 0, &keys), 401);
	ck_assert_int_eq(status_of(&s, ACCESS_PUBLISH, 0, &keys), 401);
}
END_TEST

START_TEST(a_key_longer_than_any_may_be_is_wrong)
{
	char text[7 + 2 * ACCESS_KEY_MAX];
	char longest[ACCESS_KEY_MAX];
	memset(longest, 'k', sizeof(longest));
	memset(text, 'k', sizeof(text));
	memcpy(text, "Bearer ", 7);
	const struct access_keys keys = {
		.keys = { { longest, sizeof(longest) } },
		.count = 1,
	};
	struct request r = { .authorization = { text, 7 + ACCESS_KEY_MAX } };

	ck_assert_int_eq(status_of(&r, ACCESS_PUBLISH, 0, &keys), 0);
	r.authorization.len++;
	ck_assert_int_eq(status_of(&r, ACCESS_PUBLISH, 0, &keys), 401);
	r.authorization.len = sizeof(text);
	ck_assert_int_eq(status_of(&r, ACCESS_PUBLISH, 0, &keys), 401);
}
END_TEST

START_TEST(a_key_opens_nothing_but_publishing)
{
	const struct access_keys keys = two_keys();
	const struct request r = with_authorization("Bearer abcdefghijklmnop");

	ck_assert_int_eq(status_of(&r, ACCESS_STATUS, 0, &keys), 403);
	ck_assert_int_eq(status_of(&r, ACCESS_SUBSCRIBE, 0, &keys), 403);
}
END_TEST

UNIT_MAIN("grant", roles_are_parted_by_spaces_or_commas,
    the_first_word_that_is_no_role_is_told_and_the_others_count,
    keys_are_read_one_a_line, a_file_without_a_key_is_told,
    a_faulty_key_is_told_by_its_line, a_key_has_at_most_256_bytes,
    one_key_too_many_is_told_by_its_line,
    the_default_roles_hold_where_the_request_has_none,
    the_requests_roles_replace_the_default,
    a_word_that_is_no_role_grants_nothing, any_of_the_keys_may_publish,
    a_key_stands_beside_the_requests_roles, a_missing_or_wrong_key_is_401,
    a_key_with_nul_behind_it_is_wrong, a_key_longer_than_any_may_be_is_wrong,
    a_key_opens_nothing_but_publishing)
