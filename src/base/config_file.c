#include "base/config_file.h"

#include <string.h>

/* Cut a comment off: '#' at the beginning or after white space. */
static struct span
cut_comment(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] == '#' &&
		    (i == 0 || s.ptr[i - 1] == ' ' || s.ptr[i - 1] == '\t'))
			s.len = i;
	}
	return span_trim(s);
}

/* Read a value that begins with a quotation mark. */
static const char *
read_quoted(struct span rest, struct span *value)
{
	const char *end = memchr(rest.ptr + 1, '"', rest.len - 1);

	if (end == NULL)
		return "a quotation mark is not closed";
	*value = (struct span){ rest.ptr + 1, (size_t)(end - rest.ptr - 1) };
	rest.len -= value->len + 2;
	rest.ptr = end + 1;
	/* A '#' right behind the quotation mark begins no comment. */
	if (cut_comment(rest).len > 0 || (rest.len > 0 && rest.ptr[0] == '#'))
		return "something follows the quoted value";
	return NULL;
}

const char *
config_file_line(struct span line, struct span *name, struct span *value)
{
	struct span rest = span_trim(line);

	*name = (struct span){ NULL, 0 };
	*value = (struct span){ NULL, 0 };
	if (rest.len == 0 || rest.ptr[0] == '#')
		return NULL;
	if (memchr(rest.ptr, '\0', rest.len) != NULL)
		return "there is a NUL byte";
	(void)span_word(&rest, name);
	rest = span_trim(rest);
	if (rest.len > 0 && rest.ptr[0] == '"')
		return read_quoted(rest, value);
	rest = cut_comment(rest);
	if (rest.len > 0)
		*value = rest;
	return NULL;
}
