#include "ctl/answerer.h"

#include <stddef.h>
#include <string.h>

static bool
has(struct span text, const char *part)
{
	return text.len > 0 &&
	    memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

/* What PHP says, by FastCGI, to a request for what is no script of its own. */
static bool
is_php_without_script(const struct exchange *v)
{
	struct span body = span_trim(buf_span(&v->body));

	return span_equal(body, SPAN("File not found.")) ||
	    span_equal(body, SPAN("No input file specified."));
}

/* A page of a site that is made by a program: no web server adds these fields. */
static bool
is_page_of_site(const struct exchange *v)
{
	return exchange_is_type(v, "text/html") &&
	    (exchange_field(v, "X-Powered-By").len > 0 ||
		exchange_field(v, "Set-Cookie").len > 0 ||
		exchange_field(v, "X-Generator").len > 0 ||
		/* WordPress's. */
		has(exchange_field(v, "Link"), "api.w.org"));
}

enum advice_fault
answerer_fault(const struct exchange *v)
{
	int status = exchange_status(v);

	if (is_php_without_script(v))
		return ADVICE_OTHER_PROGRAM;
	if (status >= 300 && status < 400)
		return ADVICE_REDIRECTED;
	if (status == 401 || status == 407)
		return ADVICE_LOCKED;
	if (status < 500 && is_page_of_site(v))
		return ADVICE_REWRITTEN;
	if (status == 403)
		return ADVICE_FORBIDDEN;
	return status >= 500 ? ADVICE_DOWN : ADVICE_NOT_MOUNTED;
}
