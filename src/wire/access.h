/*
 * Who may do what.  The web server's configuration decides: roles come from
 * PEAL_ROLES or --roles, and a key may stand in for the role publish.
 */
#ifndef PEAL_ACCESS_H
#define PEAL_ACCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "wire/problem.h"
#include "wire/request.h"

enum access_role {
	ACCESS_SUBSCRIBE = 1 << 0,
	ACCESS_PUBLISH = 1 << 1,
	ACCESS_STATUS = 1 << 2,
};

/* A publishing key's length, bytes. */
#define ACCESS_KEY_MIN 16
#define ACCESS_KEY_MAX 256
#define ACCESS_KEYS_MAX 64

/* Keys that may publish; read whole from a file's text. */
struct access_keys {
	struct span keys[ACCESS_KEYS_MAX];
	size_t count;
};

/*
 * Read a list of roles parted by spaces or commas into *roles, a set of enum
 * access_role.
 *
 * Returns 0, or -EINVAL with *bad set to the first word that is no role; *roles
 * then holds the others.
 */
int access_roles_parse(struct span list, unsigned *roles, struct span *bad);

/*
 * Read keys, one a line; blank lines and lines beginning with '#' are passed
 * over, white space around a key is dropped.  The spans point into text.
 *
 * Returns 0, or -EINVAL with *line set to the faulty line, counted from 1 (too
 * short, too long, a byte that is not visible ASCII, or one key too many), or
 * -ENODATA when there is no key.  After a failure there are none in keys.
 */
int access_keys_parse(struct access_keys *keys, struct span text, size_t *line);

/*
 * What one request may do: built once, when its variables are read, and asked for
 * each channel when the channel's name is known.  All zero: nothing.
 */
struct access {
	unsigned roles;	 /* a set of enum access_role */
	bool wants_key;	 /* keys are configured, and publishing needs one */
	bool has_bearer; /* a key was sent */
	bool has_right_key;
};

/*
 * default_roles is --roles; the request's own roles replace it.  A word in them
 * that is no role grants nothing.  keys may be NULL: no key file is configured.
 * The key is compared in constant time with each of them.
 */
void access_build(struct access *a, const struct request *r,
    unsigned default_roles, const struct access_keys *keys);

/*
 * Whether the request may act in a role.
 *
 * Returns 0, or -EACCES with *problem filled in: 401 for publishing where keys
 * are configured and the right one is not given, else 403.
 */
int access_check(const struct access *a, enum access_role role,
    struct problem *problem);

/*
 * The same for one channel.  A role counts for every channel.  Returns as
 * access_check().
 */
int access_check_channel(const struct access *a, enum access_role role,
    struct span channel, struct problem *problem);

#endif
