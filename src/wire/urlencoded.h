/*
 * application/x-www-form-urlencoded, as query strings and form bodies have it.
 * Source: WHATWG URL, "application/x-www-form-urlencoded parsing".
 */
#ifndef PEAL_URLENCODED_H
#define PEAL_URLENCODED_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/span.h"

/*
 * Cut the next name=value pair off the front of *rest and append its decoded
 * name and value to out.  Empty pieces between '&' are passed over; a name
 * without '=' has an empty value; a '%' that begins no escape stands for
 * itself.
 *
 * On true, *name and *value are offsets into out rather than pointers, since
 * out may move while it grows.  Returns false at the end of *rest.  A failed
 * allocation shows in buf_error(out), and ends the walk.
 */
struct urlencoded_pair {
	size_t at;
	size_t len;
};

bool urlencoded_next(struct span *rest, struct buf *out,
    struct urlencoded_pair *name, struct urlencoded_pair *value);

/*
 * Whether a decoded name is wanted, or wanted with an index, as PHP writes and
 * reads lists: "channel", "channel[]", "channel[0]".
 * Source: PHP manual, "http_build_query" and "Variables from external sources".
 */
bool urlencoded_is_member(struct span name, struct span wanted);

/* The span of a piece, valid until out grows. */
struct span urlencoded_span(const struct buf *out,
    struct urlencoded_pair piece);

#endif
