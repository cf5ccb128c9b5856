#include "base/units.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"

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
