#include "ctl/findings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
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

/* The text of a member of the JSON object that was answered; empty for none. */
static struct span
find_member(const struct exchange *v, const char *name)
{
	struct span rest = buf_span(&v->body);
	struct span object;
	struct span value;

	if (json_value(&rest, &object) != 0 ||
	    json_find(object, span_of(name), &value) != 0)
		return (struct span){ NULL, 0 };
	return value;
}

bool
findings_string(const struct exchange *v, const char *name, struct buf *out)
{
	struct span value = find_member(v, name);

	return value.len > 0 && value.ptr[0] == '"' &&
	    json_decode(out, value) == 0;
}

bool
findings_number(const struct exchange *v, const char *name, uint64_t *number)
{
	return span_to_u64(find_member(v, name), number) == 0;
}

bool
findings_is(const struct exchange *v, enum problem_kind kind)
{
	struct buf type = { 0 };
	bool is = findings_is_problem(v) && findings_string(v, "type", &type) &&
	    span_equal(buf_span(&type), span_of(problem_type(kind)));

	buf_fini(&type);
	return is;
}

/* What peal's own errors mean to doctor, which asks for nothing that is wrong. */
static enum advice_fault
fault_of_problem(const struct exchange *v)
{
	static const struct {
		enum problem_kind kind;
		enum advice_fault fault;
	} faults[] = {
		{ PROBLEM_KEY_MISSING, ADVICE_KEY_LOST },
		{ PROBLEM_KEY_WRONG, ADVICE_KEY_WRONG },
		{ PROBLEM_NO_ROLE, ADVICE_NO_ROLE },
		{ PROBLEM_NO_CHANNEL, ADVICE_NO_CHANNEL },
		{ PROBLEM_BAD_CHANNEL, ADVICE_NO_CHANNEL },
		{ PROBLEM_CHANNEL_VARIABLE, ADVICE_CHANNEL_VARIABLE },
		{ PROBLEM_METHOD, ADVICE_NO_VARIABLES },
		{ PROBLEM_NOT_FOUND, ADVICE_NOT_MOUNTED },
	};

	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
		if (findings_is(v, faults[i].kind))
			return faults[i].fault;
	}
	return exchange_status(v) >= 500 ? ADVICE_DOWN : ADVICE_NOT_MOUNTED;
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
	struct buf detail = { 0 };

	(void)findings_string(v, "detail", &detail);
	findings_find(d, fault_of_problem(v), "%s: peal answers %d: %.*s",
	    request, exchange_status(v), (int)detail.len,
	    detail.len > 0 ? detail.ptr : "");
	buf_fini(&detail);
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
