#include "wire/problem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/span.h"

void
problem_set(struct problem *p, int status, const char *detail, ...)
{
	va_list arguments;

	p->status = status;
	p->reads_only = false;
	va_start(arguments, detail);
	(void)vsnprintf(p->detail, sizeof(p->detail), detail, arguments);
	va_end(arguments);
	p->detail[span_utf8_prefix(span_of(p->detail))] = '\0';
}

const char *
problem_title(int status)
{
	static const struct {
		int status;
		const char *title;
	} titles[] = {
		/* RFC 9110, section 15. */
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 411, "Length Required" },
		{ 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (titles[i].status == status)
			return titles[i].title;
	}
	return "Error";
}
