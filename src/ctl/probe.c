#include "ctl/probe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_writer.h"

/* Take a URL apart and look its host up. */
static int
find_mount(struct probe_mount *m, const char *text, const char *method)
{
	const char *fault = url_read(&m->url, span_of(text));

	m->text = text;
	if (fault == NULL)
		fault = http_client_resolve(&m->target, &m->url);
	if (fault != NULL) {
		(void)fprintf(stderr, "pealctl: \"%s\" %s\n", text, fault);
		return -EINVAL;
	}
	(void)snprintf(m->what, sizeof(m->what), "%s %.*s", method,
	    (int)(m->url.target.len < 200 ? m->url.target.len : 200),
	    m->url.target.ptr);
	return 0;
}

int
probe_init(struct probe *p, const struct probe_plan *plan)
{
	*p = (struct probe){ .plan = plan };
	exchange_init(&p->stream);
	exchange_init(&p->post);
	findings_init(&p->diagnosis);
	/* Of our own, so that nobody else hears the test events. */
	(void)snprintf(p->name, sizeof(p->name), "peal-doctor-%x-%llx",
	    (unsigned)getpid(), (unsigned long long)clock_read().wall_ms);
	probe_choose_channel(p, "");
	int rc = find_mount(&p->subscribe, plan->url, "GET");
	if (rc == 0)
		rc = find_mount(&p->publish,
		    plan->publish_url != NULL ? plan->publish_url : plan->url,
		    "POST");
	return rc;
}

void
probe_choose_channel(struct probe *p, const char *suffix)
{
	(void)snprintf(p->channel, sizeof(p->channel), "%s%s", p->name, suffix);
}

void
probe_fini(struct probe *p)
{
	exchange_fini(&p->stream);
	exchange_fini(&p->post);
	findings_fini(&p->diagnosis);
}

unsigned long long
probe_limit(const struct probe *p)
{
	return (unsigned long long)p->plan->limit_ms;
}

static void
put_target(const struct probe *p, struct span target, struct buf *out)
{
	const char *place = memmem(target.ptr, target.len, "{}", 2);

	if (place == NULL) {
		bool has_query = memchr(target.ptr, '?', target.len) != NULL;
		buf_put(out, target);
		buf_put_cstr(out, has_query ? "&channel=" : "?channel=");
		buf_put_cstr(out, p->channel);
		return;
	}
	size_t before = (size_t)(place - target.ptr);
	buf_put(out, (struct span){ target.ptr, before });
	buf_put_cstr(out, p->channel);
	buf_put(out, (struct span){ place + 2, target.len - before - 2 });
}

void
probe_get(const struct probe *p, struct exchange *v, const char *method,
    bool as_browser)
{
	struct buf out = { 0 };
	bool head = strcmp(method, "HEAD") == 0;

	buf_put_cstr(&out, method);
	buf_put_char(&out, ' ');
	put_target(p, p->subscribe.url.target, &out);
	buf_put(&out, SPAN(" HTTP/1.1\r\nHost: "));
	buf_put(&out, p->subscribe.url.origin);
	buf_put(&out, SPAN("\r\nAccept: text/event-stream\r\n"));
	if (as_browser)
		buf_put(&out, SPAN("Accept-Encoding: gzip, deflate, br\r\n"));
	if (head)
		buf_put(&out, SPAN("Connection: close\r\n"));
	buf_put(&out, p->plan->headers);
	buf_put(&out, SPAN("\r\n"));
	exchange_begin(v, &p->subscribe.target, buf_span(&out), head);
	buf_fini(&out);
}

void
probe_post(struct probe *p, struct span body)
{
	struct buf out = { 0 };

	buf_put(&out, SPAN("POST "));
	buf_put(&out, p->publish.url.target);
	buf_put(&out, SPAN(" HTTP/1.1\r\nHost: "));
	buf_put(&out, p->publish.url.origin);
	buf_put(&out,
	    SPAN("\r\nContent-Type: application/json\r\nConnection: close\r\n"
		 "Content-Length: "));
	buf_put_u64(&out, body.len);
	buf_put(&out, SPAN("\r\n"));
	if (p->plan->key.len > 0 && !p->as_stranger) {
		buf_put(&out, SPAN("Authorization: Bearer "));
		buf_put(&out, p->plan->key);
		buf_put(&out, SPAN("\r\n"));
	}
	buf_put(&out, p->plan->headers);
	buf_put(&out, SPAN("\r\n"));
	buf_put(&out, body);
	exchange_begin(&p->post, &p->publish.target, buf_span(&out), false);
	buf_fini(&out);
}

bool
probe_publish_body(struct probe *p, struct exchange **streams, size_t count,
    struct span body)
{
	struct exchange **all = calloc(count + 1, sizeof(struct exchange *));

	if (all == NULL)
		return false;
	memcpy(all, streams, count * sizeof(struct exchange *));
	all[count] = &p->post;
	probe_post(p, body);
	bool over = exchange_wait(all, count + 1, exchange_is_over, &p->post,
	    p->plan->limit_ms);
	free(all);
	return over;
}

bool
probe_publish(struct probe *p, struct exchange **streams, size_t count)
{
	struct buf body = { 0 };
	struct json_writer w = { .out = &body };

	json_writer_begin(&w, NULL, '{');
	json_writer_string(&w, "channel", span_of(p->channel));
	json_writer_string(&w, "topic", SPAN("test event"));
	json_writer_u64(&w, "data", ++p->number);
	json_writer_end(&w, '}');
	bool over = probe_publish_body(p, streams, count, buf_span(&body));
	buf_fini(&body);
	return over;
}

bool
probe_is_published(const struct probe *p)
{
	struct buf id = { 0 };
	bool has_id = findings_string(&p->post, "id", &id);

	buf_fini(&id);
	return exchange_status(&p->post) == 200 && has_id;
}

bool
probe_has_subscribers(const struct probe *p)
{
	uint64_t count;

	return findings_number(&p->post, "subscribers", &count) && count > 0;
}
