/*
 * What a client would rather have: the Accept header.
 * Source: RFC 9110, section 12.5.1.
 */
#ifndef PEAL_NEGOTIATE_H
#define PEAL_NEGOTIATE_H

#include <stddef.h>

#include "base/span.h"

/*
 * Choose among media types, such as "text/html", the one with the highest quality.
 * The first of those that are equal wins, and the first of all where there is no
 * header or none of them is wanted: so the first is the default.
 *
 * A media range that names a type counts more than one of all its subtypes, and that more than
 * any type.  Parameters of a range, other than q, are passed over; a range whose
 * q is no quality counts as not there.
 */
size_t negotiate_choose(struct span accept, const char *const types[],
    size_t count);

#endif
