#include "base/option.h"

#include <string.h>

const struct option *
option_find(const struct option_table *t, struct span name)
{
	for (size_t i = 0; i < t->count; i++) {
		if (span_equal(span_of(t->rows[i].name), name))
			return &t->rows[i];
	}
	return NULL;
}

static void
put_row(struct buf *out, const struct option *row)
{
	const size_t column = 27;
	size_t begin = out->len;

	option_print(out, "  --%s%s%s", row->name,
	    row->argument != NULL ? " " : "",
	    row->argument != NULL ? row->argument : "");
	option_print(out, "%*s%s", (int)(begin + column - out->len), "",
	    row->help);
	const char *initial = row->shown != NULL ? row->shown : row->initial;
	if (initial != NULL) {
		bool fits = out->len - begin + strlen(initial) + 3 <= 80;
		buf_put_char(out, fits ? ' ' : '\n');
		option_print(out, "%*s[%s]", fits ? 0 : (int)column, "",
		    initial);
	}
	buf_put_char(out, '\n');
}

void
option_put_help(const struct option_table *t, struct buf *out)
{
	for (size_t i = 0; i < t->count; i++)
		put_row(out, &t->rows[i]);
}

int
option_set(const struct option *row, const struct option_place *place,
    void *target, const char *value)
{
	return row->set(place, row, (char *)target + row->offset, value);
}

int
option_set_defaults(const struct option_table *t,
    const struct option_place *place, void *target)
{
	for (size_t i = 0; i < t->count; i++) {
		if (t->rows[i].initial == NULL)
			continue;
		int error =
		    option_set(&t->rows[i], place, target, t->rows[i].initial);
		if (error != 0)
			return error;
	}
	return 0;
}

int
option_next(const struct option_table *t, const struct option_place *place,
    struct option_arguments *arguments, const struct option **row,
    const char **value)
{
	*row = NULL;
	*value = NULL;
	if (arguments->at >= arguments->argc)
		return 0;
	const char *argument = arguments->argv[arguments->at++];
	if (strncmp(argument, "--", 2) != 0) {
		*value = argument;
		return t->words
		    ? 1
		    : option_type_refuse(place, NULL,
			  "unexpected argument \"%s\"; try --help", argument);
	}
	struct span name = { argument + 2, strcspn(argument + 2, "=") };
	*row = option_find(t, name);
	if (*row == NULL)
		return option_type_refuse(place, NULL,
		    "unknown option \"--%.*s\"; try --help", (int)name.len,
		    name.ptr);
	*value = name.ptr[name.len] == '=' ? name.ptr + name.len + 1 : NULL;
	if ((*row)->argument == NULL) {
		if (*value != NULL && (*row)->local)
			return option_type_refuse(place, *row,
			    "it takes no value");
	} else if (*value == NULL) {
		if (arguments->at >= arguments->argc)
			return option_type_refuse(place, *row,
			    "it needs a value, %s", (*row)->argument);
		*value = arguments->argv[arguments->at++];
	}
	return 1;
}
