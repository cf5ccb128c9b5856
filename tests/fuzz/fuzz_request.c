/*
 * The whole way of a request, from its variables and its body to the decision
 * and the reply.
 *
 * The input is lines "NAME=value", up to an empty one: FastCGI variables, in
 * which the byte 0x1f stands for a line feed.  The rest is the body.  The
 * variable FUZZ says how peal is configured, by letters: p and s, the roles
 * publish and status are everybody's; k, there are keys; o, an origin is named;
 * a, any origin is.
 *   - Nobody acts in a role that neither configuration, variable nor key gave.
 *   - Channels and resume points are what peal can keep.
 *   - A reply is a Status line and headers that hold what we put there: no line
 *     of anybody else's.  Its body is as long as it says, and JSON where it says
 *     so.
 */
#include <errno.h>
#include <json-c/json.h>

#include "base/event.h"
#include "wire/negotiate.h"
#include "naive.h"
#include "wire/access.h"
#include "wire/message.h"
#include "wire/reply.h"
#include "wire/request.h"
#include "wire/sse.h"
#include "wire/subscription.h"

const char fuzz_name[] = "request";

#define VARIABLES_MAX 64
#define KEY "the-key-of-this-test"
#define ORIGIN "https://a.example"

struct variables {
	char *lines[VARIABLES_MAX]; /* "NAME=value" */
	size_t count;
};

static const char *
look(const void *context, const char *name)
{
	const struct variables *v = context;
	size_t len = strlen(name);

	for (size_t i = 0; i < v->count; i++) {
		if (strncmp(v->lines[i], name, len) == 0 &&
		    v->lines[i][len] == '=')
			return v->lines[i] + len + 1;
	}
	return NULL;
}

/* How peal is configured. */
struct site {
	unsigned roles;
	bool has_keys;
	struct access_keys keys;
	struct reply_cors cors;
};

static struct site
site_of(const char *letters)
{
	struct site site = { .roles = ACCESS_SUBSCRIBE };

	if (letters == NULL)
		return site;
	if (strchr(letters, 'p') != NULL)
		site.roles |= ACCESS_PUBLISH;
	if (strchr(letters, 's') != NULL)
		site.roles |= ACCESS_STATUS;
	site.has_keys = strchr(letters, 'k') != NULL;
	site.keys.keys[site.keys.count++] = SPAN(KEY);
	if (strchr(letters, 'o') != NULL)
		site.cors.origins[site.cors.count++] = SPAN(ORIGIN);
	if (strchr(letters, 'a') != NULL)
		site.cors.origins[site.cors.count++] = SPAN("*");
	return site;
}

/* A reply taken apart. */
struct parts {
	int status;
	struct span type;
	long length; /* -1: not said */
	struct span allow_origin;
	bool credentials;
	struct span body;
};

static void
take_header(struct parts *parts, struct span name, struct span value)
{
	static const char *const ours[] = { "Cache-Control",
		"X-Accel-Buffering", "Vary", "Allow", "WWW-Authenticate",
		"Accept-Encoding", "Access-Control-Allow-Methods",
		"Access-Control-Allow-Headers", "Access-Control-Max-Age",
		"Content-Security-Policy" };
	bool known = false;

	if (span_equal(name, SPAN("Status"))) {
		parts->status = atoi(value.ptr);
		known = true;
	} else if (span_equal(name, SPAN("Content-Type"))) {
		parts->type = value;
		known = true;
	} else if (span_equal(name, SPAN("Content-Length"))) {
		parts->length = atol(value.ptr);
		known = true;
	} else if (span_equal(name, SPAN("Access-Control-Allow-Origin"))) {
		parts->allow_origin = value;
		known = true;
	} else if (span_equal(name, SPAN("Access-Control-Allow-Credentials"))) {
		parts->credentials = true;
		known = true;
	}
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		known = known || span_equal(name, span_of(ours[i]));
	FUZZ_REQUIRE(known);
}

static struct parts
take_apart(const struct buf *reply)
{
	struct parts parts = { .length = -1 };
	struct span rest = buf_span(reply);
	struct span line;
	struct span name;
	size_t count = 0;

	FUZZ_REQUIRE(buf_error(reply) == 0);
	while (span_cut(&rest, '\n', &line)) {
		FUZZ_REQUIRE(line.len > 0 && line.ptr[line.len - 1] == '\r');
		line.len--;
		if (line.len == 0)
			break;
		FUZZ_REQUIRE(!span_has_control(line));
		FUZZ_REQUIRE(span_cut(&line, ':', &name) && line.len > 1);
		FUZZ_REQUIRE(count++ > 0 || span_equal(name, SPAN("Status")));
		take_header(&parts, name,
		    (struct span){ line.ptr + 1, line.len - 1 });
	}
	FUZZ_REQUIRE(rest.ptr != NULL);
	parts.body = rest;
	return parts;
}

static void
require_json(struct span body, int status)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *member;

	json_tokener_set_flags(tokener, fuzz_json_flags());
	struct json_object *object =
	    json_tokener_parse_ex(tokener, body.ptr, (int)body.len);
	FUZZ_REQUIRE(json_object_is_type(object, json_type_object));
	if (status != 200) {
		FUZZ_REQUIRE(
		    json_object_object_get_ex(object, "status", &member) &&
		    json_object_get_int(member) == status);
		FUZZ_REQUIRE(
		    json_object_object_get_ex(object, "detail", &member) &&
		    json_object_get_string_len(member) > 0);
		FUZZ_REQUIRE(json_object_object_get_ex(object, "title", NULL));
	}
	json_object_put(object);
	json_tokener_free(tokener);
}

/* Judge a reply to r; status is the one it must have. */
static void
judge_reply(const struct buf *reply, int status, const struct request *r,
    const struct site *site)
{
	struct parts parts = take_apart(reply);
	bool head = r->method == REQUEST_HEAD;

	FUZZ_REQUIRE(parts.status == status);
	if (parts.length >= 0 && !head)
		FUZZ_REQUIRE((size_t)parts.length == parts.body.len);
	if (head || parts.length < 0)
		FUZZ_REQUIRE(parts.body.len == 0);
	else
		require_json(parts.body, status);
	if (status >= 400)
		FUZZ_REQUIRE(
		    span_equal(parts.type, SPAN("application/problem+json")));
	/* Credentials go to a named origin only. */
	if (parts.allow_origin.len > 0)
		FUZZ_REQUIRE(span_equal(parts.allow_origin, SPAN("*")) ||
		    span_equal(parts.allow_origin, SPAN(ORIGIN)));
	FUZZ_REQUIRE(
	    parts.credentials == span_equal(parts.allow_origin, SPAN(ORIGIN)));
	FUZZ_REQUIRE(site->cors.count > 0 || parts.allow_origin.len == 0);
}

static void
refuse(const struct problem *problem, const struct request *r,
    const struct site *site)
{
	struct buf reply = { 0 };
	struct span detail = span_of(problem->detail);

	FUZZ_REQUIRE(problem->status >= 400 && problem->status < 500);
	FUZZ_REQUIRE(detail.len > 0 && detail.len < PROBLEM_DETAIL_MAX);
	FUZZ_REQUIRE(span_is_utf8(detail) && !span_has_control(detail));
	reply_problem(&reply, problem, &site->cors, r->origin,
	    r->method == REQUEST_HEAD);
	judge_reply(&reply, problem->status, r, site);
	buf_fini(&reply);
}

/* Whether a list of roles names a role, found in the plainest way. */
static bool
names_role(struct span list, const char *role)
{
	size_t len = strlen(role);

	for (size_t i = 0; i + len <= list.len; i++) {
		bool begins = i == 0 || memchr(" \t,", list.ptr[i - 1], 3);
		bool ends =
		    i + len == list.len || memchr(" \t,", list.ptr[i + len], 3);
		if (begins && ends && memcmp(list.ptr + i, role, len) == 0)
			return true;
	}
	return false;
}

static bool
may(const struct request *r, enum access_role role, const struct site *site)
{
	struct problem problem = { 0 };
	const char *name = role == ACCESS_SUBSCRIBE ? "subscribe"
	    : role == ACCESS_PUBLISH		    ? "publish"
						    : "status";
	bool given = r->has_roles ? names_role(r->roles, name)
				  : (site->roles & (unsigned)role) != 0;
	struct access access;
	access_build(&access, r, site->roles,
	    site->has_keys ? &site->keys : NULL);
	int rc = access_check(&access, role, &problem);

	if (given)
		FUZZ_REQUIRE(rc == 0);
	if (rc == 0 && !given)
		FUZZ_REQUIRE(role == ACCESS_PUBLISH && site->has_keys &&
		    memmem(r->authorization.ptr, r->authorization.len, KEY,
			strlen(KEY)) != NULL);
	if (rc != 0) {
		FUZZ_REQUIRE(rc == -EACCES);
		FUZZ_REQUIRE(problem.status ==
		    (role == ACCESS_PUBLISH && site->has_keys ? 401 : 403));
		refuse(&problem, r, site);
	}
	return rc == 0;
}

static void
judge_subscription(const struct subscription *s)
{
	struct buf out = { 0 };
	struct naive e = { 0 };

	FUZZ_REQUIRE(s->count >= 1 && s->count <= SUBSCRIPTION_CHANNELS_MAX);
	for (size_t i = 0; i < s->count; i++) {
		FUZZ_REQUIRE(event_channel_fault(s->channels[i]) == NULL);
		for (size_t j = 0; j < i; j++)
			FUZZ_REQUIRE(
			    !span_equal(s->channels[i], s->channels[j]));
	}
	sse_open(&out, 3000, s->resume.id);
	naive_read(&e, buf_span(&out));
	FUZZ_REQUIRE(e.dispatched == 1 && e.retry);
	buf_clear(&out);
	sse_gap(&out, s->resume.id, s->asked, s->resume.id,
	    event_resume_hint(s->asked));
	naive_read(&e, buf_span(&out));
	FUZZ_REQUIRE(e.dispatched == 2);
	FUZZ_REQUIRE(span_equal(buf_span(&e.last_topic), SPAN("peal:gap")));
	require_json(buf_span(&e.last_data), 200);
	naive_fini(&e);
	buf_fini(&out);
}

static void
subscribe(const struct request *r, const struct variables *v,
    const struct site *site)
{
	const char *fixed = look(v, "PEAL_CHANNEL");
	struct subscription s;
	struct problem problem = { 0 };
	struct buf reply = { 0 };

	if (!may(r, ACCESS_SUBSCRIBE, site))
		return;
	const struct access access = { .roles = ACCESS_SUBSCRIBE };
	const struct subscription_rules rules = { "channel", &access };
	int rc = subscription_read(&s, r, &rules, look, v, &problem);
	if (rc == 0) {
		judge_subscription(&s);
		/* What the server fixed is all there is. */
		if (fixed != NULL && strchr(fixed, '{') == NULL)
			for (size_t i = 0; i < s.count; i++)
				FUZZ_REQUIRE(memmem(fixed, strlen(fixed),
						 s.channels[i].ptr,
						 s.channels[i].len) != NULL);
		reply_stream(&reply, &site->cors, r->origin);
		judge_reply(&reply, 200, r, site);
	} else {
		FUZZ_REQUIRE(rc == -EINVAL);
		FUZZ_REQUIRE(problem.status == 400 ||
		    (problem.status == 403 && fixed != NULL));
		refuse(&problem, r, site);
	}
	subscription_fini(&s);
	buf_fini(&reply);
}

static void
put_published(struct buf *body, const struct message *m)
{
	struct reply_published *events = calloc(m->count, sizeof(*events));

	FUZZ_REQUIRE(events != NULL);
	for (size_t i = 0; i < m->count; i++) {
		FUZZ_REQUIRE(event_channel_fault(m->events[i].channel) == NULL);
		events[i].channel = m->events[i].channel;
		events[i].own_id = m->events[i].content.id;
		events[i].id = i;
	}
	reply_published(body, events, m->count, m->single);
	free(events);
}

static void
publish(const struct request *r, struct span text, const struct site *site)
{
	const struct access access = { .roles = ACCESS_PUBLISH };
	const struct message_rules limits = { .event_size = 65536,
		.access = &access };
	struct problem problem = { 0 };
	struct buf reply = { 0 };
	struct buf json = { 0 };
	struct message m = { 0 };
	enum message_type type;

	if (!may(r, ACCESS_PUBLISH, site))
		return;
	int rc = message_accept(r->content_type, r->content_encoding, &type,
	    &problem);
	if (rc == 0)
		rc = message_read(&m, type, text, r->query, &limits, &problem);
	if (rc == 0) {
		/* Nothing but a body as it is can be read. */
		FUZZ_REQUIRE(r->content_encoding.len == 0 ||
		    memchr(r->content_encoding.ptr, ',',
			r->content_encoding.len) != NULL ||
		    span_equal_nocase(span_trim(r->content_encoding),
			SPAN("identity")) ||
		    span_trim(r->content_encoding).len == 0);
		put_published(&json, &m);
		reply_body(&reply, 200, "application/json", buf_span(&json),
		    &site->cors, r->origin, false);
		judge_reply(&reply, 200, r, site);
	} else {
		refuse(&problem, r, site);
	}
	message_fini(&m);
	buf_fini(&json);
	buf_fini(&reply);
}

/* The status is told in one of its forms, by default as the first. */
static void
look_on(const struct request *r, const struct site *site)
{
	static const char *const types[] = { "application/json", "text/html",
		"text/event-stream" };
	struct buf reply = { 0 };

	if (!may(r, ACCESS_STATUS, site))
		return;
	size_t chosen = negotiate_choose(r->accept, types, 3);
	FUZZ_REQUIRE(chosen < 3);
	/* What is chosen was named, if not in full. */
	FUZZ_REQUIRE(chosen == 0 ||
	    memmem(r->accept.ptr, r->accept.len, "/", 1) != NULL);
	if (chosen == 2) {
		reply_negotiated_stream(&reply, &site->cors, r->origin);
	} else {
		reply_negotiated(&reply, types[chosen], 2,
		    chosen == 1 ? "default-src 'none'" : NULL, &site->cors,
		    r->origin);
		if (r->method != REQUEST_HEAD)
			buf_put(&reply, SPAN("{}"));
	}
	judge_reply(&reply, 200, r, site);
	buf_fini(&reply);
}

static void
route(const struct request *r, const struct variables *v, struct span body,
    const struct site *site)
{
	bool reads = r->method == REQUEST_GET || r->method == REQUEST_HEAD;
	struct problem problem = { 0 };
	struct buf reply = { 0 };

	FUZZ_REQUIRE(r->content_length >= -1);
	if (r->path == REQUEST_UNKNOWN) {
		problem_set(&problem, PROBLEM_NOT_FOUND,
		    "there is nothing here");
		refuse(&problem, r, site);
	} else if (r->method == REQUEST_OPTIONS) {
		reply_options(&reply, &site->cors, r->origin,
		    r->path != REQUEST_MOUNT);
		judge_reply(&reply, 204, r, site);
	} else if (reads && r->path == REQUEST_MOUNT) {
		subscribe(r, v, site);
	} else if (reads && r->path == REQUEST_HEALTH) {
		reply_body(&reply, 200, "application/json", SPAN("{}"),
		    &site->cors, r->origin, r->method == REQUEST_HEAD);
		judge_reply(&reply, 200, r, site);
	} else if (reads) {
		look_on(r, site);
	} else if (r->method == REQUEST_POST && r->path == REQUEST_MOUNT) {
		publish(r, body, site);
	} else {
		problem_set(&problem, PROBLEM_METHOD, "not this way");
		problem.reads_only = r->path != REQUEST_MOUNT;
		refuse(&problem, r, site);
	}
	buf_fini(&reply);
}

static void
read_variables(struct variables *v, struct span *rest)
{
	struct span line;

	while (span_cut(rest, '\n', &line) && line.len > 0) {
		if (v->count == VARIABLES_MAX ||
		    memchr(line.ptr, '=', line.len) == NULL)
			continue;
		/* Cut at a NUL: record.h lets none through. */
		char *copy = strndup(line.ptr, line.len);
		FUZZ_REQUIRE(copy != NULL);
		for (char *c = copy; *c != '\0'; c++) {
			if (*c == '\x1f')
				*c = '\n';
		}
		v->lines[v->count++] = copy;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = { (const char *)data, size };
	struct variables v = { .count = 0 };
	struct request r;

	if (size == 0)
		return 0;
	read_variables(&v, &rest);
	struct span body = fuzz_copy((const uint8_t *)rest.ptr, rest.len);
	struct site site = site_of(look(&v, "FUZZ"));
	request_read(&r, look, &v);
	route(&r, &v, body, &site);
	free((char *)body.ptr);
	for (size_t i = 0; i < v.count; i++)
		free(v.lines[i]);
	return 0;
}
