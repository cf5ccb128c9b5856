#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"

/* Two digits at a time: ids are printed several times for each event. */
static const char pairs[200] =
    "00010203040506070809101112131415161718192021222324"
    "25262728293031323334353637383940414243444546474849"
    "50515253545556575859606162636465666768697071727374"
    "75767778798081828384858687888990919293949596979899";

size_t
units_print_u64(uint64_t value, char *out)
{
	char digits[UNITS_DIGITS_MAX];
	size_t at = sizeof(digits);

	while (value >= 10) {
		at -= 2;
		memcpy(digits + at, pairs + value % 100 * 2, 2);
		value /= 100;
	}
	if (value > 0 || at == sizeof(digits))
		digits[--at] = (char)('0' + value);
	memcpy(out, digits + at, sizeof(digits) - at);
	return sizeof(digits) - at;
}

const struct unit units_of_size[] = {
	{ "G", UNITS_GIB },
	{ "M", UNITS_MIB },
	{ "K", UNITS_KIB },
	{ "", 1 },
	{ NULL, 0 },
};

const struct unit units_of_time[] = {
	{ "d", UNITS_DAY },
	{ "h", UNITS_SECOND * 60 * 60 },
	{ "m", UNITS_SECOND * 60 },
	{ "s", UNITS_SECOND },
	{ "ms", 1 },
	{ NULL, 0 },
};

const struct unit units_of_count[] = {
	{ "", 1 },
	{ NULL, 0 },
};

int
units_parse(const char *text, const struct unit *units, uint64_t bare,
    uint64_t *amount)
{
	size_t digits = strspn(text, "0123456789");
	uint64_t factor = bare;
	uint64_t number;

	if (text[digits] != '\0') {
		while (units->name != NULL &&
		    strcmp(units->name, text + digits) != 0)
			units++;
		if (units->name == NULL)
			return -EINVAL;
		factor = units->factor;
	}
	int error = span_to_u64((struct span){ text, digits }, &number);
	if (error == -EINVAL)
		return error;
	if (error == -ERANGE || number > UINT64_MAX / factor) {
		*amount = UINT64_MAX;
		return -ERANGE;
	}
	*amount = number * factor;
	return 0;
}

void
units_print(char out[UNITS_CHARS], uint64_t amount, const struct unit *units)
{
	/* The last unit is 1, which divides everything. */
	while (amount % units->factor != 0)
		units++;
	(void)snprintf(out, UNITS_CHARS, "%" PRIu64 "%s",
	    amount / units->factor, amount == 0 ? "" : units->name);
}
