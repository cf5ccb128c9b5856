#include "ctl/findings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/option_type.h"
#include "base/terminal.h"
#include "ctl/answerer.h"

void
findings_init(struct findings *d)
{
	*d = (struct findings){
		.progress = terminal_shows_progress(),
	};
}

void
findings_fini(struct findings *d)
{
	buf_fini(&d->server_name);
	buf_fini(&d->via);
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

/* RFC 9110, section 5.1: names may be spelled in any way.  HAProxy spells all of
 * them small, those of other servers too, and does not name itself. */
static bool
is_spelled_small(const struct exchange *v)
{
	struct span rest = buf_span(&v->client.response.head);
	struct span line;
	bool small = span_cut(&rest, '\n', &line);
	bool any = false;

	while (small && span_cut(&rest, '\n', &line)) {
		for (size_t i = 0; i < line.len && line.ptr[i] != ':'; i++)
			small &= line.ptr[i] < 'A' || line.ptr[i] > 'Z';
		any |= memchr(line.ptr, ':', line.len) != NULL;
	}
	return small && any;
}

void
findings_see(struct findings *d, const struct exchange *v)
{
	struct span name = exchange_field(v, "Server");
	struct span via = exchange_field(v, "Via");
	enum advice_server server = advice_server_of(name);

	if (!v->headed)
		return;
	buf_clear(&d->server_name);
	buf_put(&d->server_name, name);
	buf_clear(&d->via);
	buf_put(&d->via, via);
	d->hops.servers |= advice_servers_of_via(via);
	if (server != ADVICE_UNKNOWN)
		d->hops.servers |= 1U << server;
	/* Envoy spells so as well, and says who it is. */
	if (is_spelled_small(v) && (name.len == 0 || server != ADVICE_UNKNOWN))
		d->hops.servers |= 1U << ADVICE_HAPROXY;
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

	if (fault == ADVICE_DOWN && d->is_explained)
		return;
	buf_put_cstr(out, advice_code(fault));
	buf_put(out, SPAN(": "));
	va_start(arguments, format);
	put_list(out, format, arguments);
	va_end(arguments);
	buf_put_char(out, '\n');
	advice_put(out, fault, &d->hops, "    ");
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
findings_answered(struct findings *d, const struct exchange *v,
    const char *request, enum advice_fault fault)
{
	struct span name = exchange_field(v, "Server");
	struct span type = exchange_field(v, "Content-Type");
	struct span where = exchange_field(v, "Location");
	enum advice_server server = advice_server_of(name);
	struct advice_hops all = d->hops;

	if (type.len == 0)
		type = SPAN("without Content-Type");
	/* Who has answered is at fault, whoever else stands on the way. */
	if (server != ADVICE_UNKNOWN)
		d->hops.servers = 1U << server;
	findings_find(d, fault, "%s is answered %d, %s%.*s%s%.*s", request,
	    exchange_status(v), where.len > 0 ? "to " : "",
	    (int)(where.len > 0 ? where.len : type.len),
	    where.len > 0 ? where.ptr : type.ptr, name.len > 0 ? ", by " : "",
	    (int)name.len, name.len > 0 ? name.ptr : "");
	d->hops = all;
}

void
findings_refused(struct findings *d, const struct exchange *v,
    const char *request)
{
	if (exchange_status(v) == 0)
		findings_find(d,
		    v->error == -EKEYREJECTED ? ADVICE_CERTIFICATE
					      : ADVICE_DOWN,
		    "%s: the connection is closed without an answer%s%s",
		    request, v->error != 0 ? ": " : "",
		    v->error != 0 ? http_client_error(&v->client, v->error)
				  : "");
	else if (findings_is_problem(v))
		find_problem(d, v, request);
	else
		findings_answered(d, v, request, answerer_fault(v));
}

static void
print_hops(const struct findings *d, FILE *out)
{
	bool haproxy = (d->hops.servers >> ADVICE_HAPROXY & 1) != 0;

	if (d->server_name.len > 0)
		(void)fprintf(out, "server: %.*s%s\n", (int)d->server_name.len,
		    d->server_name.ptr,
		    haproxy ? ", behind HAProxy as it seems" : "");
	else if (haproxy)
		(void)fputs("server: HAProxy, as it seems\n", out);
	if (d->via.len > 0)
		(void)fprintf(out, "via: %.*s\n", (int)d->via.len, d->via.ptr);
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
	print_hops(d, out);
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
