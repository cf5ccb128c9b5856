#include "wire/access.h"

#include <errno.h>
#include <string.h>

static bool
is_separator(char c)
{
	return c == ' ' || c == '\t' || c == ',';
}

static unsigned
role_of(struct span word)
{
	if (span_equal(word, SPAN("subscribe")))
		return ACCESS_SUBSCRIBE;
	if (span_equal(word, SPAN("publish")))
		return ACCESS_PUBLISH;
	if (span_equal(word, SPAN("status")))
		return ACCESS_STATUS;
	return 0;
}

static const char *
role_name(enum access_role role)
{
	switch (role) {
	case ACCESS_SUBSCRIBE:
		return "subscribe";
	case ACCESS_PUBLISH:
		return "publish";
	case ACCESS_STATUS:
		return "status";
	}
	return "";
}

int
access_roles_parse(struct span list, unsigned *roles, struct span *bad)
{
	unsigned found = 0;
	int error = 0;
	size_t i = 0;

	for (;;) {
		while (i < list.len && is_separator(list.ptr[i]))
			i++;
		if (i == list.len)
			break;
		struct span word = { list.ptr + i, 0 };
		while (i < list.len && !is_separator(list.ptr[i]))
			i++;
		word.len = (size_t)(list.ptr + i - word.ptr);
		unsigned role = role_of(word);
		if (role == 0 && error == 0) {
			*bad = word;
			error = -EINVAL;
		}
		found |= role;
	}
	*roles = found;
	return error;
}

/* A header must carry it, and a client must be able to type it. */
static bool
is_key(struct span key)
{
	if (key.len < ACCESS_KEY_MIN || key.len > ACCESS_KEY_MAX)
		return false;
	for (size_t i = 0; i < key.len; i++) {
		if (key.ptr[i] <= ' ' || key.ptr[i] > '~')
			return false;
	}
	return true;
}

int
access_keys_parse(struct access_keys *keys, struct span text, size_t *line)
{
	struct span piece;
	size_t number = 0;
	size_t count = 0;

	keys->count = 0;
	while (span_cut(&text, '\n', &piece)) {
		struct span key = span_trim(piece);
		number++;
		if (key.len == 0 || key.ptr[0] == '#')
			continue;
		if (!is_key(key) || count == ACCESS_KEYS_MAX) {
			*line = number;
			return -EINVAL;
		}
		keys->keys[count++] = key;
	}
	if (count == 0)
		return -ENODATA;
	keys->count = count;
	return 0;
}

/*
 * Compare two keys in a time that tells nothing of what they hold: as many
 * steps whether they differ at the first byte, at the last or in length.
 */
static bool
keys_equal(struct span a, struct span b)
{
	/* volatile: no compiler may leave the loop once the answer is known. */
	volatile size_t differs = a.len ^ b.len;

	for (size_t i = 0; i < ACCESS_KEY_MAX; i++) {
		unsigned x = i < a.len ? (unsigned char)a.ptr[i] : 0;
		unsigned y = i < b.len ? (unsigned char)b.ptr[i] : 0;
		differs |= x ^ y;
	}
	return differs == 0;
}

static bool
key_is_known(const struct access_keys *keys, struct span key)
{
	unsigned known = 0;

	for (size_t i = 0; i < keys->count; i++)
		known |= keys_equal(keys->keys[i], key);
	return known != 0;
}

/*
 * The key of an Authorization header, or the empty span.
 * RFC 9110, section 11.1: the scheme's case does not matter.
 */
static struct span
bearer_key(struct span authorization)
{
	struct span rest = span_trim(authorization);
	struct span scheme;

	if (!span_word(&rest, &scheme) ||
	    !span_equal_nocase(scheme, SPAN("Bearer")))
		return (struct span){ NULL, 0 };
	return span_trim(rest);
}

void
access_build(struct access *a, const struct request *r, unsigned default_roles,
    const struct access_keys *keys)
{
	struct span bad;

	*a = (struct access){ .roles = default_roles };
	if (r->has_roles)
		(void)access_roles_parse(r->roles, &a->roles, &bad);
	if ((a->roles & ACCESS_PUBLISH) != 0 || keys == NULL)
		return;
	struct span key = bearer_key(r->authorization);
	a->wants_key = true;
	a->has_bearer = key.len > 0;
	a->has_right_key = a->has_bearer && key_is_known(keys, key);
}

int
access_check(const struct access *a, enum access_role role,
    struct problem *problem)
{
	if ((a->roles & (unsigned)role) != 0)
		return 0;
	if (role != ACCESS_PUBLISH || !a->wants_key)
		problem_set(problem, PROBLEM_NO_ROLE,
		    "the role \"%s\" is not granted here", role_name(role));
	else if (a->has_right_key)
		return 0;
	else
		problem_set(problem,
		    a->has_bearer ? PROBLEM_KEY_WRONG : PROBLEM_KEY_MISSING,
		    "%s",
		    a->has_bearer
			? "the key is not one that may publish"
			: "publishing needs a key, sent as \"Authorization: "
			  "Bearer KEY\"");
	return -EACCES;
}

int
access_check_channel(const struct access *a, enum access_role role,
    struct span channel, struct problem *problem)
{
	(void)channel;
	return access_check(a, role, problem);
}
