/*
 * The key file and the list of roles.
 *
 * The input is a key file's text.  Every key that is read is one that a header
 * can carry, lets its bearer publish, and lets nobody else; a line that is
 * refused is there.  As a list of roles, what is granted was named.
 */
#include <errno.h>

#include "fuzz.h"
#include "wire/access.h"

const char fuzz_name[] = "keys";

static bool
may_publish(const struct access_keys *keys, struct span key, size_t len)
{
	struct problem problem = { 0 };
	struct request request = { 0 };
	char header[16 + ACCESS_KEY_MAX];

	memcpy(header, "bEARER  ", 8);
	memcpy(header + 8, key.ptr, key.len);
	header[8 + key.len] = 'x';
	request.authorization = (struct span){ header, 8 + len };
	struct access access;
	access_build(&access, &request, ACCESS_SUBSCRIBE, keys);
	int rc = access_check(&access, ACCESS_PUBLISH, &problem);
	FUZZ_REQUIRE(rc == 0 || (rc == -EACCES && problem.status == 401));
	return rc == 0;
}

static bool
is_listed(const struct access_keys *keys, struct span key)
{
	for (size_t i = 0; i < keys->count; i++) {
		if (span_equal(keys->keys[i], key))
			return true;
	}
	return false;
}

static void
judge_key(const struct access_keys *keys, struct span key, struct span text)
{
	struct span shorter = { key.ptr, key.len - 1 };

	FUZZ_REQUIRE(fuzz_within(key, text));
	FUZZ_REQUIRE(key.len >= ACCESS_KEY_MIN && key.len <= ACCESS_KEY_MAX);
	FUZZ_REQUIRE(key.ptr[0] != '#');
	for (size_t i = 0; i < key.len; i++)
		FUZZ_REQUIRE(key.ptr[i] > ' ' && key.ptr[i] <= '~');
	FUZZ_REQUIRE(may_publish(keys, key, key.len));
	FUZZ_REQUIRE(
	    may_publish(keys, key, key.len - 1) == is_listed(keys, shorter));
	if (keys->count == 1)
		FUZZ_REQUIRE(!may_publish(keys, key, key.len + 1));
}

static size_t
count_lines(struct span text)
{
	size_t count = 1;

	for (size_t i = 0; i < text.len; i++)
		count += text.ptr[i] == '\n';
	return count;
}

static void
judge_roles(struct span list)
{
	unsigned roles = ~0u;
	struct span bad = { 0 };
	int rc = access_roles_parse(list, &roles, &bad);

	FUZZ_REQUIRE((roles &
			 ~(unsigned)(ACCESS_SUBSCRIBE | ACCESS_PUBLISH |
			     ACCESS_STATUS)) == 0);
	FUZZ_REQUIRE(rc == 0 || (rc == -EINVAL && bad.len > 0));
	FUZZ_REQUIRE(fuzz_within(bad, list));
	if ((roles & ACCESS_PUBLISH) != 0)
		FUZZ_REQUIRE(memmem(list.ptr, list.len, "publish", 7) != NULL);
	if ((roles & ACCESS_STATUS) != 0)
		FUZZ_REQUIRE(memmem(list.ptr, list.len, "status", 6) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = fuzz_copy(data, size);
	struct access_keys keys;
	size_t line = 0;

	int rc = access_keys_parse(&keys, text, &line);
	if (rc == 0) {
		FUZZ_REQUIRE(keys.count > 0 && keys.count <= ACCESS_KEYS_MAX);
		/* The first and the last: a constant time is a long one. */
		judge_key(&keys, keys.keys[0], text);
		judge_key(&keys, keys.keys[keys.count - 1], text);
	} else {
		FUZZ_REQUIRE(rc == -ENODATA || rc == -EINVAL);
		FUZZ_REQUIRE(keys.count == 0);
	}
	if (rc == -EINVAL)
		FUZZ_REQUIRE(line >= 1 && line <= count_lines(text));
	judge_roles(text);
	free((char *)text.ptr);
	return 0;
}
