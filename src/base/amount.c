#include "base/amount.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"

const struct amount_unit amount_sizes[] = {
	{ "G", AMOUNT_GIB },
	{ "M", AMOUNT_MIB },
	{ "K", AMOUNT_KIB },
	{ "", 1 },
	{ NULL, 0 },
};

const struct amount_unit amount_times[] = {
	{ "d", AMOUNT_DAY },
	{ "h", AMOUNT_SECOND * 60 * 60 },
	{ "m", AMOUNT_SECOND * 60 },
	{ "s", AMOUNT_SECOND },
	{ "ms", 1 },
	{ NULL, 0 },
};

const struct amount_unit amount_counts[] = {
	{ "", 1 },
	{ NULL, 0 },
};

int
amount_parse(const char *text, const struct amount_unit *units, uint64_t bare,
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
amount_print(char out[AMOUNT_CHARS], uint64_t amount,
    const struct amount_unit *units)
{
	/* The last unit is 1, which divides everything. */
	while (amount % units->factor != 0)
		units++;
	(void)snprintf(out, AMOUNT_CHARS, "%" PRIu64 "%s",
	    amount / units->factor, amount == 0 ? "" : units->name);
}
