/*
 * JSON as text: where its parts lie, and whether it keeps to the grammar.
 *
 * json-c, even when strict, takes NaN, single quotes, "1." and raw control
 * characters, and does not tell where in the text a value stood.  peal passes
 * data on byte for byte, so it needs both.  Source: RFC 8259.
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

/*
 * Walk an object or an array that json_value() returned: set *at to 0, call
 * until 0 is returned.  name (with its quotes, escapes as sent; empty for an
 * array's element) and value are set on 1.
 */
int json_next(struct span container, size_t *at, struct span *name,
    struct span *value);

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
