/*
 * Who may do what.  The web server's configuration decides: roles come from
 * PEAL_ROLES or --roles, and a key may stand in for the role publish.
 */
#ifndef PEAL_GRANT_H
#define PEAL_GRANT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/span.h"
#include "wire/problem.h"
#include "wire/request.h"

enum grant_role {
	GRANT_SUBSCRIBE = 1 << 0,
	GRANT_PUBLISH = 1 << 1,
	GRANT_STATUS = 1 << 2,
};

/* A publishing key's length, bytes. */
#define GRANT_KEY_MIN 16
#define GRANT_KEY_MAX 256
#define GRANT_KEYS_MAX 64

/* Keys that may publish; read whole from a file's text. */
struct grant_keys {
	struct span keys[GRANT_KEYS_MAX];
	size_t count;
};

/*
 * Read a list of roles parted by spaces or commas into *roles, a set of enum
 * grant_role.
 *
 * Returns 0, or -EINVAL with *bad set to the first word that is no role; *roles
 * then holds the others.
 */
int grant_roles_parse(struct span list, unsigned *roles, struct span *bad);

/*
 * Read keys, one a line; blank lines and lines beginning with '#' are passed
 * over, white space around a key is dropped.  The spans point into text.
 *
 * Returns 0, or -EINVAL with *line set to the faulty line, counted from 1 (too
 * short, too long, a byte that is not visible ASCII, or one key too many), or
 * -ENODATA when there is no key.  After a failure there are none in keys.
 */
int grant_keys_parse(struct grant_keys *keys, struct span text, size_t *line);

/*
 * Decide whether a request may act in a role.
 *
 * default_roles is --roles; the request's own roles replace it.  A word in
 * them that is no role grants nothing.  keys may be NULL: no key file is
 * configured.  The key is compared in constant time with each of them.
 *
 * Returns 0, or -EACCES with *problem filled in: 401 for publishing where keys
 * are configured and the right one is not given, else 403.
 */
int grant_check(const struct request *r, enum grant_role role,
    unsigned default_roles, const struct grant_keys *keys,
    struct problem *problem);

#endif
