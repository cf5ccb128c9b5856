#include "ctl/findings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/option_type.h"
#include "base/terminal.h"

void
findings_init(struct findings *d)
{
	*d = (struct findings){
		.server = ADVICE_UNKNOWN,
		.progress = terminal_shows_progress(),
	};
}

void
findings_fini(struct findings *d)
{
	buf_fini(&d->server_name);
	buf_fini(&d->findings);
	buf_fini(&d->notes);
}

void
findings_step(const struct findings *d, const char *what)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s ...", what);
	if (d->progress)
		terminal_progress(span_of(text));
}

void
findings_wait(const struct findings *d, const char *what, uint64_t left_ms)
{
	char text[64];

	(void)snprintf(text, sizeof(text), "%s ... %llu s left", what,
	    (unsigned long long)((left_ms + 999) / 1000));
	if (d->progress)
		terminal_progress(span_of(text));
}

__attribute__((format(printf, 2, 0))) static void
put_list(struct buf *out, const char *format, va_list arguments)
{
	char *said;

	if (vasprintf(&said, format, arguments) < 0) {
		out->failed = true;
		return;
	}
	option_print(out, "%s", said);
	free(said);
}

void
findings_find(struct findings *d, enum advice_fault fault, const char *format,
    ...)
{
	struct buf *out = &d->findings;
	va_list arguments;

	buf_put_cstr(out, advice_code(fault));
	buf_put(out, SPAN(": "));
	va_start(arguments, format);
	put_list(out, format, arguments);
	va_end(arguments);
	buf_put_char(out, '\n');
	advice_put(out, fault, d->server, "    ");
	d->count++;
}

void
findings_note(struct findings *d, const char *format, ...)
{
	va_list arguments;

	buf_put(&d->notes, SPAN("note: "));
	va_start(arguments, format);
	put_list(&d->notes, format, arguments);
	va_end(arguments);
	buf_put_char(&d->notes, '\n');
}

bool
findings_is_problem(const struct exchange *v)
{
	return exchange_is_type(v, "application/problem+json");
}

struct span
findings_member(const struct exchange *v, const char *name)
{
	const struct span none = { NULL, 0 };
	struct span body = buf_span(&v->body);
	char quoted[32];

	(void)snprintf(quoted, sizeof(quoted), "\"%s\":", name);
	size_t len = strlen(quoted);
	const char *at =
	    body.len == 0 ? NULL : memmem(body.ptr, body.len, quoted, len);
	if (at == NULL)
		return none;
	struct span value = { at + len,
		body.len - (size_t)(at - body.ptr) - len };
	bool string = value.len > 0 && value.ptr[0] == '"';
	if (string) {
		value.ptr++;
		value.len--;
	}
	size_t end = 0;
	while (end < value.len &&
	    (string ? value.ptr[end] != '"' || value.ptr[end - 1] == '\\'
		    : value.ptr[end] >= '0' && value.ptr[end] <= '9'))
		end++;
	return (struct span){ value.ptr, end };
}

static enum advice_fault
fault_of_problem(int status)
{
	if (status == 401)
		return ADVICE_KEY_WRONG;
	if (status == 403)
		return ADVICE_NO_ROLE;
	if (status == 400)
		return ADVICE_NO_CHANNEL;
	if (status == 405)
		return ADVICE_NO_VARIABLES;
	return status >= 500 ? ADVICE_DOWN : ADVICE_NOT_MOUNTED;
}

static enum advice_fault
fault_of_status(int status)
{
	if (status >= 300 && status < 400)
		return ADVICE_REDIRECTED;
	if (status == 401 || status == 407)
		return ADVICE_LOCKED;
	if (status == 403)
		return ADVICE_FORBIDDEN;
	return status >= 500 ? ADVICE_DOWN : ADVICE_NOT_MOUNTED;
}

static void
find_problem(struct findings *d, const struct exchange *v, const char *request)
{
	struct span detail = findings_member(v, "detail");
	struct buf text = { 0 };

	/* RFC 8259, section 7: what peal escapes in a sentence is quotes. */
	for (size_t i = 0; i < detail.len; i++) {
		if (detail.ptr[i] != '\\' || i + 1 == detail.len)
			buf_put_char(&text, detail.ptr[i]);
	}
	findings_find(d, fault_of_problem(exchange_status(v)),
	    "%s: peal answers %d: %.*s", request, exchange_status(v),
	    (int)text.len, text.len > 0 ? text.ptr : "");
	buf_fini(&text);
}

void
findings_refused(struct findings *d, const struct exchange *v,
    const char *request)
{
	int status = exchange_status(v);
	struct span type = exchange_field(v, "Content-Type");
	struct span where = exchange_field(v, "Location");

	if (status == 0)
		findings_find(d,
		    v->error == -EKEYREJECTED ? ADVICE_CERTIFICATE
					      : ADVICE_DOWN,
		    "%s: the connection is closed without an answer%s%s",
		    request, v->error != 0 ? ": " : "",
		    v->error != 0 ? http_client_error(&v->client, v->error)
				  : "");
	else if (findings_is_problem(v))
		find_problem(d, v, request);
	else if (where.len > 0)
		findings_find(d, fault_of_status(status),
		    "%s is answered %d, to %.*s", request, status,
		    (int)where.len, where.ptr);
	else
		findings_find(d, fault_of_status(status),
		    "%s is answered %d, %.*s", request, status,
		    (int)(type.len > 0 ? type.len : 20),
		    type.len > 0 ? type.ptr : "without Content-Type");
}

int
findings_print(struct findings *d, FILE *out)
{
	int rc = buf_error(&d->findings);

	if (d->progress)
		terminal_progress(span_of(""));
	if (rc == 0)
		rc = buf_error(&d->notes);
	if (rc != 0)
		return rc;
	if (d->server_name.len > 0)
		(void)fprintf(out, "server: %.*s\n", (int)d->server_name.len,
		    d->server_name.ptr);
	if (d->findings.len > 0)
		(void)fwrite(d->findings.ptr, 1, d->findings.len, out);
	if (d->notes.len > 0)
		(void)fwrite(d->notes.ptr, 1, d->notes.len, out);
	if (d->count == 0)
		(void)fputs("all well\n", out);
	else
		(void)fprintf(out, "%u finding%s\n", d->count,
		    d->count == 1 ? "" : "s");
	return d->count == 0 ? 0 : 1;
}
