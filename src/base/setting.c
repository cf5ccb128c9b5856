#include "base/setting.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "base/address.h"
#include "base/amount.h"
#include "base/log.h"

/* Append to the text, on one line whatever the arguments hold. */
__attribute__((format(printf, 2, 0))) static void
say_list(struct buf *text, const char *format, va_list arguments)
{
	char *said;

	if (vasprintf(&said, format, arguments) < 0) {
		text->failed = true;
		return;
	}
	for (char *c = said; *c != '\0'; c++) {
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	}
	buf_put_cstr(text, said);
	free(said);
}

void
setting_say(struct buf *text, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say_list(text, format, arguments);
	va_end(arguments);
}

int
setting_refuse(const struct setting_place *place, const struct setting *s,
    const char *format, ...)
{
	va_list arguments;

	setting_say(place->text, "%s: ", place->program);
	if (place->file != NULL)
		setting_say(place->text, "%s:%zu: ", place->file, place->line);
	if (s != NULL)
		setting_say(place->text,
		    "%s%s: ", place->file == NULL ? "--" : "", s->name);
	va_start(arguments, format);
	say_list(place->text, format, arguments);
	va_end(arguments);
	buf_put_char(place->text, '\n');
	return -EINVAL;
}

/* Copy a string into what the caller frees.  Returns NULL without memory. */
static char *
own(const struct setting_place *place, const char *string)
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
setting_string(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	char *copy = own(place, value);

	if (copy == NULL)
		return setting_refuse(place, s, "out of memory");
	memcpy(field, &copy, sizeof(copy));
	return 0;
}

int
setting_name(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	if (value[0] == '\0')
		return setting_refuse(place, s, "the value is empty");
	return setting_string(place, s, field, value);
}

static int
check_range(const struct setting_place *place, const struct setting *s,
    const char *value, uint64_t amount, const struct amount_unit *units)
{
	char min[AMOUNT_CHARS];
	char max[AMOUNT_CHARS];

	if (amount >= s->min && amount <= s->max)
		return 0;
	amount_print(min, s->min, units);
	amount_print(max, s->max, units);
	return setting_refuse(place, s, "\"%s\" is out of range (%s to %s)",
	    value, min, max);
}

int
setting_size(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	uint64_t amount;

	if (amount_parse(value, amount_sizes, 1, &amount) == -EINVAL)
		return setting_refuse(place, s,
		    "\"%s\" is not a size (a number, and K, M or G)", value);
	int error = check_range(place, s, value, amount, amount_sizes);
	if (error == 0)
		memcpy(field, &amount, sizeof(amount));
	return error;
}

int
setting_time(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	uint64_t amount;

	if (amount_parse(value, amount_times, s->unit, &amount) == -EINVAL)
		return setting_refuse(place, s,
		    "\"%s\" is not a time (a number and ms, s, m, h or d)",
		    value);
	int error = check_range(place, s, value, amount, amount_times);
	if (error == 0)
		memcpy(field, &amount, sizeof(amount));
	return error;
}

_Static_assert(sizeof(unsigned) == sizeof(uint32_t),
    "setting_number writes both");

int
setting_number(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	uint64_t amount;

	if (amount_parse(value, amount_counts, 1, &amount) == -EINVAL)
		return setting_refuse(place, s, "\"%s\" is not a number",
		    value);
	int error = check_range(place, s, value, amount, amount_counts);
	if (error == 0) {
		uint32_t number = (uint32_t)amount;
		memcpy(field, &number, sizeof(number));
	}
	return error;
}

int
setting_mode(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	size_t digits = strspn(value, "01234567");
	unsigned long mode = strtoul(value, NULL, 8);

	if (digits == 0 || value[digits] != '\0' || mode > 0777)
		return setting_refuse(place, s,
		    "\"%s\" is not a file mode (octal, at most 0777)", value);
	*(unsigned *)field = (unsigned)mode;
	return 0;
}

int
setting_level(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	if (log_level_parse(value, field) != 0)
		return setting_refuse(place, s,
		    "\"%s\" is not a level (error, warning, notice, info or "
		    "debug)",
		    value);
	return 0;
}

int
setting_listen(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	const size_t path_max = sizeof(((struct sockaddr_un *)NULL)->sun_path);

	if (strchr(value, '/') != NULL) {
		if (strlen(value) >= path_max)
			return setting_refuse(place, s,
			    "\"%s\" is longer than the %zu bytes of a socket's "
			    "path",
			    value, path_max - 1);
	} else if (!address_is_socket(value)) {
		return setting_refuse(place, s,
		    "\"%s\" is not an address (a path with a \"/\", HOST:PORT "
		    "or fd:N)",
		    value);
	}
	return setting_string(place, s, field, value);
}

int
setting_header(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	const char *colon = strchr(value, ':');

	if (colon == NULL || colon == value || span_has_control(span_of(value)))
		return setting_refuse(place, s,
		    "\"%s\" is not a header, NAME: VALUE", value);
	buf_put_cstr(field, value);
	buf_put(field, SPAN("\r\n"));
	return 0;
}

/* value is NULL where a flag stands alone on the command line. */
int
setting_flag(const struct setting_place *place, const struct setting *s,
    void *field, const char *value)
{
	bool on = value == NULL || strcmp(value, "yes") == 0;

	if (!on && strcmp(value, "no") != 0)
		return setting_refuse(place, s, "\"%s\" is neither yes nor no",
		    value);
	memcpy(field, &on, sizeof(on));
	return 0;
}
