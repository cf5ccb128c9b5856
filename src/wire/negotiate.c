#include "wire/negotiate.h"

#include <stdbool.h>

/* Qualities are thousandths, the finest that the header can tell. */
#define QUALITY_MAX 1000

/* How closely a range fits a type. */
enum fit {
	FIT_NONE,
	FIT_ANY,      /* every type */
	FIT_SUBTYPES, /* every subtype */
	FIT_NAMED,
};

/*
 * As span_cut(), but for separators inside of a quoted string.
 * RFC 9110, section 5.6.4: a backslash there quotes the next character.
 */
static bool
cut_unquoted(struct span *rest, char sep, struct span *piece)
{
	bool quoted = false;
	size_t at = 0;

	if (rest->ptr == NULL)
		return false;
	for (; at < rest->len; at++) {
		char c = rest->ptr[at];
		if (c == '"')
			quoted = !quoted;
		else if (c == '\\' && quoted)
			at++;
		else if (c == sep && !quoted)
			break;
	}
	if (at >= rest->len) {
		*piece = *rest;
		*rest = (struct span){ NULL, 0 };
		return true;
	}
	*piece = (struct span){ rest->ptr, at };
	rest->ptr += at + 1;
	rest->len -= at + 1;
	return true;
}

/*
 * RFC 9110, section 12.4.2: "0" or "1", and up to three decimals.
 * Returns thousandths, or -1.
 */
static int
read_quality(struct span s)
{
	int value = 0;
	int unit = 100;

	if (s.len == 0 || s.len > 5 || (s.ptr[0] != '0' && s.ptr[0] != '1') ||
	    (s.len > 1 && s.ptr[1] != '.'))
		return -1;
	for (size_t i = 2; i < s.len; i++, unit /= 10) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return -1;
		value += (s.ptr[i] - '0') * unit;
	}
	if (s.ptr[0] == '0')
		return value;
	return value == 0 ? QUALITY_MAX : -1;
}

static enum fit
fit_of(struct span range, struct span type)
{
	struct span rest = type;
	struct span major;

	if (span_equal(range, SPAN("*/*")))
		return FIT_ANY;
	if (span_equal_nocase(range, type))
		return FIT_NAMED;
	(void)span_cut(&rest, '/', &major);
	if (range.len == major.len + 2 && span_starts_nocase(range, major) &&
	    range.ptr[major.len] == '/' && range.ptr[major.len + 1] == '*')
		return FIT_SUBTYPES;
	return FIT_NONE;
}

/* The quality among a range's parameters, or -1 when it is none. */
static int
quality_of(struct span parameters)
{
	struct span parameter;
	struct span name;

	while (cut_unquoted(&parameters, ';', &parameter)) {
		if (span_cut(&parameter, '=', &name) &&
		    span_equal_nocase(span_trim(name), SPAN("q")))
			return read_quality(span_trim(parameter));
	}
	return QUALITY_MAX;
}

/* The quality of a type: that of the range which fits it closest. */
static int
quality_for(struct span accept, struct span type)
{
	enum fit best = FIT_NONE;
	int quality = 0;
	struct span element;
	struct span range;

	while (cut_unquoted(&accept, ',', &element)) {
		(void)span_cut(&element, ';', &range);
		enum fit fit = fit_of(span_trim(range), type);
		int q = quality_of(element);
		if (q < 0 || fit == FIT_NONE || fit < best ||
		    (fit == best && q < quality))
			continue;
		best = fit;
		quality = q;
	}
	return quality;
}

size_t
negotiate_choose(struct span accept, const char *const types[], size_t count)
{
	size_t chosen = 0;
	int highest = 0;

	for (size_t i = 0; i < count; i++) {
		int quality = quality_for(accept, span_of(types[i]));
		if (quality > highest) {
			highest = quality;
			chosen = i;
		}
	}
	return chosen;
}
