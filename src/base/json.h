/*
 * JSON, read: whether it keeps to the grammar, where its parts lie, and what a
 * string says.  json_writer writes it.  Source: RFC 8259.
 *
 * json-c decodes strings, and this is the only module that knows it.  It does no
 * more: even when strict, it takes NaN, single quotes, "1." and raw control
 * characters, and does not say where in the text a value stood.  peal passes
 * data on byte for byte, so it needs both.
 */
#ifndef PEAL_JSON_H
#define PEAL_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/span.h"

/* Arrays and objects within each other; RFC 8259, section 9, allows a limit. */
#define JSON_DEPTH_MAX 64

/*
 * Cut one value off the front of *rest: white space before it is dropped, what
 * follows it stays.  The whole value is checked: grammar, UTF-8, no unescaped
 * control character, depth.  Does not recurse.
 *
 * Returns 0 and the value's text, or
 *   -ENODATA   nothing but white space was left
 *   -EINVAL    not JSON; *rest begins at the offending byte
 *   -ELOOP     deeper than JSON_DEPTH_MAX
 */
int json_value(struct span *rest, struct span *value);

/* The same for an element of an array that began before, which counts as a level. */
int json_element(struct span *rest, struct span *value);

/*
 * Walk an object or an array that json_value() returned: set *at to 0, call
 * until 0 is returned.  name (with its quotes, escapes as sent; empty for an
 * array's element) and value are set on 1.
 */
int json_next(struct span container, size_t *at, struct span *name,
    struct span *value);

/*
 * Find the member of an object that json_value() returned.  Of several with that
 * name the last counts.  value is set on 0.
 *
 * Returns 0, or
 *   -ENOENT  there is none, or it is no object
 *   -ENOMEM  memory for a name with escapes ran out
 */
int json_find(struct span object, struct span name, struct span *value);

/*
 * Append what a checked string, with its quotes, says.  That is never longer than
 * the string.  Half a surrogate pair becomes U+FFFD; U+0000 may be among it.
 *
 * Returns 0, or -ENOMEM; a string longer than INT_MAX is as bad.
 */
int json_decode(struct buf *out, struct span string);

/*
 * Compare what a checked string, with its quotes, says with text.
 * Returns 1 if it is the same, 0 if not, or -ENOMEM.
 */
int json_equal(struct span string, struct span text);

/*
 * Append a checked value to out without the white space between its tokens.
 * Everything else goes byte for byte.
 */
void json_compact(struct buf *out, struct span value);

/*
 * True if a checked string, with its quotes, holds half a surrogate pair, such
 * as "\ud800": the grammar allows it, though it is no character.  Source: RFC
 * 8259, section 8.2.
 */
bool json_has_half_pair(struct span string);

#endif
