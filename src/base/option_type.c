#include "base/option_type.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/units.h"

/* Append to the text, on one line whatever the arguments hold. */
__attribute__((format(printf, 2, 0))) static void
say_list(struct buf *text, const char *format, va_list arguments)
{
	char *said;

	if (vasprintf(&said, format, arguments) < 0) {
		text->failed = true;
		return;
	}
	printable_clean(said);
	buf_put_cstr(text, said);
	free(said);
}

void
option_print(struct buf *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_list(text, format, arguments);
	va_end(arguments);
}

int
option_type_refuse(const struct option_place *place, const struct option *s,
    const char *format, ...)
{
	va_list arguments;

	option_print(place->text, "%s: ", place->program);
	if (place->file != NULL)
		option_print(place->text, "%s:%zu: ", place->file, place->line);
	if (s != NULL)
		option_print(place->text,
		    "%s%s: ", place->file == NULL ? "--" : "", s->name);
	va_start(arguments, format);
	say_list(place->text, format, arguments);
	va_end(arguments);
	buf_put_char(place->text, '\n');
	return -EINVAL;
}

/* Copy a string into what the caller frees.  Returns NULL without memory. */
static char *
own(const struct option_place *place, const char *string)
{
	size_t count = *place->owned_count;

	char **owned = reallocarray(*place->owned, count + 1, sizeof(*owned));
	if (owned == NULL)
		return NULL;
	*place->owned = owned;
	char *copy = strdup(string);
	if (copy != NULL) {
		owned[count] = copy;
		*place->owned_count = count + 1;
	}
	return copy;
}

int
option_type_string(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	char *copy = own(place, value);

	if (copy == NULL)
		return option_type_refuse(place, s, "out of memory");
	memcpy(field, &copy, sizeof(copy));
	return 0;
}

int
option_type_name(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	if (value[0] == '\0')
		return option_type_refuse(place, s, "the value is empty");
	return option_type_string(place, s, field, value);
}

static int
check_range(const struct option_place *place, const struct option *s,
    const char *value, uint64_t amount, const struct unit *units)
{
	char min[UNITS_CHARS];
	char max[UNITS_CHARS];

	if (amount >= s->min && amount <= s->max)
		return 0;
	units_print(min, s->min, units);
	units_print(max, s->max, units);
	return option_type_refuse(place, s, "\"%s\" is out of range (%s to %s)",
	    value, min, max);
}

int
option_type_size(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	uint64_t amount;

	if (units_parse(value, units_of_size, 1, &amount) == -EINVAL)
		return option_type_refuse(place, s,
		    "\"%s\" is not a size (a number, and K, M or G)", value);
	int error = check_range(place, s, value, amount, units_of_size);
	if (error == 0)
		memcpy(field, &amount, sizeof(amount));
	return error;
}

int
option_type_time(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	uint64_t amount;

	if (units_parse(value, units_of_time, s->unit, &amount) == -EINVAL)
		return option_type_refuse(place, s,
		    "\"%s\" is not a time (a number and ms, s, m, h or d)",
		    value);
	int error = check_range(place, s, value, amount, units_of_time);
	if (error == 0)
		memcpy(field, &amount, sizeof(amount));
	return error;
}

_Static_assert(sizeof(unsigned) == sizeof(uint32_t),
    "option_type_number writes both");

int
option_type_number(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	uint64_t amount;

	if (units_parse(value, units_of_count, 1, &amount) == -EINVAL)
		return option_type_refuse(place, s, "\"%s\" is not a number",
		    value);
	int error = check_range(place, s, value, amount, units_of_count);
	if (error == 0) {
		uint32_t number = (uint32_t)amount;
		memcpy(field, &number, sizeof(number));
	}
	return error;
}

int
option_type_mode(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	size_t digits = strspn(value, "01234567");
	unsigned long mode = strtoul(value, NULL, 8);

	if (digits == 0 || value[digits] != '\0' || mode > 0777)
		return option_type_refuse(place, s,
		    "\"%s\" is not a file mode (octal, at most 0777)", value);
	*(unsigned *)field = (unsigned)mode;
	return 0;
}

int
option_type_level(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	if (log_level_parse(value, field) != 0)
		return option_type_refuse(place, s,
		    "\"%s\" is not a level (error, warning, notice, info or "
		    "debug)",
		    value);
	return 0;
}

int
option_type_listen(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (strchr(value, '/') != NULL) {
		if (strlen(value) >= path_max)
			return option_type_refuse(place, s,
			    "\"%s\" is longer than the %zu bytes of a socket's "
			    "path",
			    value, path_max - 1);
	} else if (!address_is_socket(value)) {
		return option_type_refuse(place, s,
		    "\"%s\" is not an address (a path with a \"/\", HOST:PORT "
		    "or fd:N)",
		    value);
	}
	return option_type_string(place, s, field, value);
}

int
option_type_header(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	const char *colon = strchr(value, ':');

	if (colon == NULL || colon == value || span_has_control(span_of(value)))
		return option_type_refuse(place, s,
		    "\"%s\" is not a header, NAME: VALUE", value);
	buf_put_cstr(field, value);
	buf_put(field, SPAN("\r\n"));
	return 0;
}

/* value is NULL where a flag stands alone on the command line. */
int
option_type_flag(const struct option_place *place, const struct option *s,
    void *field, const char *value)
{
	bool on = value == NULL || strcmp(value, "yes") == 0;

	if (!on && strcmp(value, "no") != 0)
		return option_type_refuse(place, s,
		    "\"%s\" is neither yes nor no", value);
	memcpy(field, &on, sizeof(on));
	return 0;
}
