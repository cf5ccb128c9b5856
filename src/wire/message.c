#include "wire/message.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/event.h"
#include "base/json.h"
#include "wire/urlencoded.h"

/* Put what a string says into the store.  bad is what it is if it cannot be. */
static int
keep_string(struct message_builder *b, enum problem_kind bad, struct span text,
    struct span *kept)
{
	struct buf *store = &b->m->store;
	size_t begin = store->len;

	/* Decoded, it would be U+FFFD: two names would become one. */
	if (json_has_half_pair(text))
		return message_builder_refuse(b, bad,
		    "%s has half a surrogate pair, which is no character",
		    bad == PROBLEM_BAD_TOPIC	? "the topic"
			: bad == PROBLEM_BAD_ID ? "the id"
						: "the channel name");
	if (json_decode(store, text) != 0)
		return message_builder_refuse_memory(b);
	*kept = (struct span){ store->ptr + begin, store->len - begin };
	return 0;
}

static int
read_channel(struct message_builder *b, struct span text)
{
	struct span channel;

	if (text.ptr[0] != '"')
		return message_builder_refuse(b, PROBLEM_BAD_CHANNEL,
		    "\"channel\" must be a string or an array of at least one "
		    "string");
	int error = keep_string(b, PROBLEM_BAD_CHANNEL, text, &channel);
	/* The analyzer does not know that message_builder_refuse(), after which channel is
	 * not set, never returns 0.
	 * NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage) */
	return error == 0 ? message_builder_add(b, channel) : error;
}

static int
read_channels(struct message_builder *b, struct span value)
{
	struct span name;
	struct span element;
	size_t at = 0;

	if (value.ptr[0] != '[' || json_next(value, &at, &name, &element) == 0)
		return read_channel(b, value);
	do {
		int error = read_channel(b, element);
		if (error != 0)
			return error;
	} while (json_next(value, &at, &name, &element) > 0);
	return 0;
}

/* Whether a member is as good as missing. */
static bool
is_missing(struct span text)
{
	return text.len == 0 || span_equal(text, SPAN("null"));
}

static int
read_topic(struct message_builder *b, struct span text, struct span *topic)
{
	if (is_missing(text))
		return 0;
	if (text.ptr[0] != '"')
		return message_builder_refuse(b, PROBLEM_BAD_TOPIC,
		    "\"topic\" must be a string");
	int error = keep_string(b, PROBLEM_BAD_TOPIC, text, topic);
	return error == 0 ? message_builder_check_topic(b, *topic) : error;
}

static int
read_id(struct message_builder *b, struct span text, struct span *id)
{
	if (is_missing(text))
		return 0;
	if (text.ptr[0] != '"')
		return message_builder_refuse(b, PROBLEM_BAD_ID,
		    "\"id\" must be a string");
	int error = keep_string(b, PROBLEM_BAD_ID, text, id);
	return error == 0 ? message_builder_check_id(b, *id) : error;
}

static struct span
keep_compact(struct message_builder *b, struct span value)
{
	struct buf *store = &b->m->store;
	struct span kept = { store->ptr + store->len, 0 };

	assert(value.len <= store->cap - store->len);
	json_compact(store, value);
	kept.len = (size_t)(store->ptr + store->len - kept.ptr);
	return kept;
}

/* The texts of an event's members; one that is missing is empty. */
struct members {
	struct span channel;
	struct span topic;
	struct span data;
	struct span id;
};

static int
read_members(struct message_builder *b, struct span object,
    struct members *members)
{
	const struct {
		struct span name;
		struct span *value;
	} known[] = {
		{ SPAN("channel"), &members->channel },
		{ SPAN("topic"), &members->topic },
		{ SPAN("data"), &members->data },
		{ SPAN("id"), &members->id },
	};
	struct span name;
	struct span value;
	size_t at = 0;

	*members = (struct members){ 0 };
	while (json_next(object, &at, &name, &value) > 0) {
		int same = 0;
		for (size_t i = 0;
		     same == 0 && i < sizeof(known) / sizeof(known[0]); i++) {
			same = json_equal(name, known[i].name);
			if (same > 0)
				*known[i].value = value;
		}
		if (same < 0)
			return message_builder_refuse_memory(b);
	}
	return 0;
}

static int
read_event(struct message_builder *b, struct span object)
{
	size_t first = b->m->count;
	struct members members;
	struct message_content content = { 0 };

	if (object.ptr[0] != '{')
		return message_builder_refuse(b, PROBLEM_BAD_EVENT,
		    "an event must be an object");
	int error = read_members(b, object, &members);
	if (error != 0)
		return error;
	if (members.channel.len == 0)
		return message_builder_refuse(b, PROBLEM_NO_CHANNEL,
		    "the member \"channel\" is missing");
	if (members.data.len == 0)
		return message_builder_refuse(b, PROBLEM_NO_DATA,
		    "the member \"data\" is missing");
	error = read_channels(b, members.channel);
	if (error == 0)
		error = read_topic(b, members.topic, &content.topic);
	if (error == 0)
		error = read_id(b, members.id, &content.id);
	if (error != 0)
		return error;
	content.data = keep_compact(b, members.data);
	message_builder_finish(b, first, &content);
	return message_builder_check_size(b, "\"data\"", content.data);
}

/* Say why text is not JSON, which what is how it is called; rest is where that was
 * found, error what json_value() returned or 0. */
static int
refuse_json(struct message_builder *b, const char *what, struct span text,
    struct span rest, int error)
{
	size_t offset = (size_t)(rest.ptr - text.ptr);

	if (error == -ENODATA)
		return message_builder_refuse(b, PROBLEM_BAD_JSON,
		    "%s is empty", what);
	if (error == -ELOOP)
		return message_builder_refuse(b, PROBLEM_BAD_JSON,
		    "%s is nested deeper than %d levels", what, JSON_DEPTH_MAX);
	if (rest.len == 0)
		return message_builder_refuse(b, PROBLEM_BAD_JSON,
		    "%s is not JSON: it ends too soon, after byte %zu", what,
		    offset);
	/* RFC 8259, section 8.1. */
	if (offset == 0 && span_starts_nocase(rest, SPAN("\xef\xbb\xbf")))
		return message_builder_refuse(b, PROBLEM_BAD_JSON,
		    "%s is not JSON: it begins with a byte order mark", what);
	return message_builder_refuse(b, PROBLEM_BAD_JSON,
	    "%s is not JSON: unexpected character at byte %zu", what, offset);
}

/* RFC 8259, section 2. */
static void
skip_space(struct span *rest)
{
	while (rest->len > 0 && strchr(" \t\r\n", rest->ptr[0]) != NULL &&
	    rest->ptr[0] != '\0') {
		rest->ptr++;
		rest->len--;
	}
}

/* Take a character off the front, if it is this one. */
static bool
take(struct span *rest, char c)
{
	if (rest->len == 0 || rest->ptr[0] != c)
		return false;
	rest->ptr++;
	rest->len--;
	return true;
}

/* Check that text is one JSON value; what is how it is called if it is not. */
static int
read_value(struct message_builder *b, const char *what, struct span text,
    struct span *value)
{
	struct span rest = text;
	int error = json_value(&rest, value);

	if (error == 0) {
		skip_space(&rest);
		if (rest.len == 0)
			return 0;
	}
	return refuse_json(b, what, text, rest, error);
}

/* A syntax error is the body's, and not that of an event of it. */
static int
refuse_body(struct message_reader *r, int error)
{
	r->builder.batch = false;
	return refuse_json(&r->builder, "the body", r->body, r->rest, error);
}

/*
 * Read an element of the array and what stands behind it.  Returns 1, 0 when it was
 * the last one, or -EINVAL.
 */
static int
read_element(struct message_reader *r)
{
	struct message_builder *b = &r->builder;
	struct span element;

	skip_space(&r->rest);
	bool ends = b->index == 0 && take(&r->rest, ']');
	if (!ends) {
		int error = json_element(&r->rest, &element);
		if (error != 0)
			return refuse_body(r, error == -ENODATA ? 0 : error);
		error = read_event(b, element);
		if (error != 0)
			return error;
		b->index++;
		skip_space(&r->rest);
		if (take(&r->rest, ','))
			return 1;
		if (!take(&r->rest, ']'))
			return refuse_body(r, 0);
	}
	skip_space(&r->rest);
	return r->rest.len == 0 ? 0 : refuse_body(r, 0);
}

/* Read a line.  Returns as read_element(). */
static int
read_line(struct message_reader *r)
{
	struct message_builder *b = &r->builder;
	struct span line;
	struct span value;

	if (!span_cut(&r->rest, '\n', &line)) {
		b->line = 0;
		return 0;
	}
	r->lines++;
	if (span_trim(line).len == 0)
		return 1;
	b->line = r->lines;
	int error = read_value(b, "the line", line, &value);
	if (error == 0)
		error = read_event(b, value);
	if (error != 0)
		return error;
	b->index++;
	return 1;
}

static int
read_json(struct message_builder *b, struct span body)
{
	struct span value;

	int error = read_value(b, "the body", body, &value);
	if (error != 0)
		return error;
	if (value.ptr[0] != '{')
		return message_builder_refuse(b, PROBLEM_BAD_EVENT,
		    "the body must be an object or an array of objects");
	return read_event(b, value);
}

/* What a form, or the query of a raw body, says. */
struct fields {
	struct message_content content;
	bool has_data;
	bool has_id;
};

static int
read_field(struct message_builder *b, struct span name, struct span value,
    struct fields *fields)
{
	if (urlencoded_is_member(name, SPAN("channel")))
		return message_builder_add(b, message_builder_keep(b, value));
	if (span_equal(name, SPAN("topic"))) {
		fields->content.topic = message_builder_keep(b, value);
	} else if (span_equal(name, SPAN("id"))) {
		fields->content.id = message_builder_keep(b, value);
		fields->has_id = true;
	} else if (span_equal(name, SPAN("data"))) {
		fields->content.data = message_builder_keep(b, value);
		fields->has_data = true;
	}
	return 0;
}

/* Read the pairs of text, adding an event for each channel. */
static int
read_fields(struct message_builder *b, struct span text, struct fields *fields)
{
	struct buf pair;
	struct urlencoded_pair name;
	struct urlencoded_pair value;
	int error = 0;

	*fields = (struct fields){ 0 };
	buf_init(&pair);
	while (error == 0 && urlencoded_next(&text, &pair, &name, &value)) {
		error = read_field(b, urlencoded_span(&pair, name),
		    urlencoded_span(&pair, value), fields);
		buf_clear(&pair);
	}
	if (error == 0 && buf_error(&pair) != 0)
		error = message_builder_refuse_memory(b);
	buf_fini(&pair);
	if (error == 0)
		error = message_builder_check_topic(b, fields->content.topic);
	if (error == 0 && fields->has_id)
		error = message_builder_check_id(b, fields->content.id);
	return error;
}

static int
check_text(struct message_builder *b, struct span data)
{
	size_t good = span_utf8_prefix(data);

	if (good < data.len)
		return message_builder_refuse(b, PROBLEM_NOT_UTF8,
		    "the data is not UTF-8, at byte %zu", good);
	return message_builder_check_size(b, "the data", data);
}

static int
read_form(struct message_builder *b, struct span body)
{
	struct fields fields;

	int error = read_fields(b, body, &fields);
	if (error != 0)
		return error;
	if (b->m->count == 0)
		return message_builder_refuse(b, PROBLEM_NO_CHANNEL,
		    "the field \"channel\" is missing");
	if (!fields.has_data)
		return message_builder_refuse(b, PROBLEM_NO_DATA,
		    "the field \"data\" is missing");
	message_builder_finish(b, 0, &fields.content);
	return check_text(b, fields.content.data);
}

static int
read_raw(struct message_builder *b, struct span body, struct span query)
{
	struct fields fields;

	int error = read_fields(b, query, &fields);
	if (error != 0)
		return error;
	if (b->m->count == 0)
		return message_builder_refuse(b, PROBLEM_NO_CHANNEL,
		    "\"channel\" is missing from the query string, where it "
		    "belongs with a body of this Content-Type");
	error = check_text(b, body);
	if (error != 0)
		return error;
	fields.content.data = message_builder_keep(b, body);
	message_builder_finish(b, 0, &fields.content);
	return 0;
}

/* Read a body that is no batch. */
static int
read_body(struct message_reader *r)
{
	switch (r->type) {
	case MESSAGE_JSON:
		return read_json(&r->builder, r->body);
	case MESSAGE_FORM:
		return read_form(&r->builder, r->body);
	case MESSAGE_RAW:
		return read_raw(&r->builder, r->body, r->query);
	case MESSAGE_NDJSON:
		break;
	}
	return -EINVAL;
}

static bool
is_json_suffix(struct span name)
{
	const struct span json = SPAN("+json");

	/* RFC 6839, section 3.1. */
	return name.len > json.len &&
	    span_equal_nocase((struct span){ name.ptr + name.len - json.len,
				  json.len },
		json);
}

static enum message_type
type_of(struct span name)
{
	static const struct {
		const char *name;
		enum message_type type;
	} types[] = {
		{ "application/json", MESSAGE_JSON },
		{ "application/x-ndjson", MESSAGE_NDJSON },
		{ "application/jsonl", MESSAGE_NDJSON },
		{ "application/x-www-form-urlencoded", MESSAGE_FORM },
	};

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (span_equal_nocase(name, span_of(types[i].name)))
			return types[i].type;
	}
	return is_json_suffix(name) ? MESSAGE_JSON : MESSAGE_RAW;
}

/*
 * The first coding of a list that is not identity, or an empty span.
 * RFC 9110, section 8.4: a list of codings, whose case does not matter.
 */
static struct span
find_coding(struct span list)
{
	struct span piece;

	while (span_cut(&list, ',', &piece)) {
		piece = span_trim(piece);
		if (piece.len > 0 &&
		    !span_equal_nocase(piece, SPAN("identity")))
			return piece;
	}
	return (struct span){ NULL, 0 };
}

/* RFC 9110, section 5.6.2: a coding is a token; this is stricter. */
static bool
is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.ptr[i] <= ' ' || s.ptr[i] > '~')
			return false;
	}
	return true;
}

static int
refuse_coding(struct span coding, struct problem *problem)
{
	const size_t most = 64;

	if (coding.len > most || !is_printable(coding))
		coding = SPAN("of this request");
	problem_set(problem, PROBLEM_CONTENT_ENCODING,
	    "the Content-Encoding %.*s is not supported; send the body without "
	    "one",
	    (int)coding.len, coding.ptr);
	return -EINVAL;
}

int
message_accept(struct span content_type, struct span content_encoding,
    enum message_type *type, struct problem *problem)
{
	struct span coding = find_coding(content_encoding);
	struct span name = { NULL, 0 };

	(void)span_cut(&content_type, ';', &name);
	name = span_trim(name);
	if (coding.len > 0)
		return refuse_coding(coding, problem);
	if (span_equal_nocase(name, SPAN("multipart/form-data"))) {
		problem_set(problem, PROBLEM_MEDIA_TYPE,
		    "the Content-Type multipart/form-data is not supported; "
		    "send JSON, a URL-encoded form, or the data itself");
		return -EINVAL;
	}
	*type = type_of(name);
	return 0;
}

int
message_begin(struct message_reader *r, struct message *m,
    enum message_type type, struct span body, struct span query,
    const struct message_rules *rules, struct problem *problem)
{
	*r = (struct message_reader){
		.builder = { .m = m, .rules = rules, .problem = problem },
		.type = type,
		.body = body,
		.query = query,
		.rest = body,
	};
	*m = (struct message){ 0 };
	/* json_decode() takes no longer string. */
	if (body.len > INT_MAX)
		return message_builder_refuse(&r->builder, PROBLEM_TOO_LARGE,
		    "the body is too long");
	(void)buf_room(&m->store, body.len + query.len + 1);
	if (buf_error(&m->store) != 0)
		return message_builder_refuse_memory(&r->builder);
	if (type == MESSAGE_JSON) {
		skip_space(&r->rest);
		r->builder.batch = take(&r->rest, '[');
	} else {
		r->builder.batch = type == MESSAGE_NDJSON;
	}
	return 0;
}

/* Nothing of a body that has a fault, or no event, may be used. */
static int
end_reading(struct message_reader *r, int error)
{
	struct message *m = r->builder.m;
	bool batch = r->builder.batch;

	if (error == 0 && m->count == 0) {
		r->builder.batch = false;
		error = message_builder_refuse(&r->builder, PROBLEM_NO_EVENT,
		    "the batch has no event");
	}
	if (error != 0)
		m->count = 0;
	m->single = m->count == 1 && !batch;
	return error;
}

int
message_step(struct message_reader *r, size_t bytes)
{
	size_t before = r->rest.len;
	int rc = 1;

	if (!r->builder.batch)
		return end_reading(r, read_body(r));
	while (rc == 1 && before - r->rest.len < bytes)
		rc = r->type == MESSAGE_JSON ? read_element(r) : read_line(r);
	return rc == 1 ? 1 : end_reading(r, rc);
}

int
message_read(struct message *m, enum message_type type, struct span body,
    struct span query, const struct message_rules *rules,
    struct problem *problem)
{
	struct message_reader r;
	int rc = message_begin(&r, m, type, body, query, rules, problem);

	return rc == 0 ? message_step(&r, SIZE_MAX) : rc;
}

void
message_fini(struct message *m)
{
	free(m->events);
	buf_fini(&m->store);
	*m = (struct message){ 0 };
}
