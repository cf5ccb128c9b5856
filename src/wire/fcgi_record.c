#include "wire/fcgi_record.h"

#include <stdlib.h>
#include <string.h>

/* FastCGI Specification 1.0, section 8: types and constants. */
#define VERSION_1 1
#define TYPE_BEGIN_REQUEST 1
#define TYPE_ABORT_REQUEST 2
#define TYPE_END_REQUEST 3
#define TYPE_PARAMS 4
#define TYPE_STDIN 5
#define TYPE_STDOUT 6
#define TYPE_GET_VALUES 9
#define TYPE_GET_VALUES_RESULT 10
#define TYPE_UNKNOWN_TYPE 11 /* the last that the specification knows */
#define ROLE_RESPONDER 1
#define FLAG_KEEP_CONN 1
#define BEGIN_BODY 8

/* Memory that a request keeps for the next one, of each kind. */
#define KEPT_MAX 65536

struct record {
	unsigned char type;
	uint16_t id;
	struct span content;
	size_t len; /* with header and padding */
};

void
fcgi_record_init(struct fcgi_record_request *r, size_t body_max)
{
	*r = (struct fcgi_record_request){
		.body_max = body_max,
		.conns_max = 1,
	};
}

void
fcgi_record_fini(struct fcgi_record_request *r)
{
	buf_fini(&r->bytes);
	buf_fini(&r->params);
	buf_fini(&r->body);
	buf_fini(&r->to_peer);
	free(r->variables);
	r->variables = NULL;
	r->variable_room = 0;
	r->variable_count = 0;
}

static void
empty(struct buf *b)
{
	if (b->cap > KEPT_MAX)
		buf_fini(b);
	buf_clear(b);
}

void
fcgi_record_next(struct fcgi_record_request *r)
{
	empty(&r->params);
	empty(&r->body);
	buf_clear(&r->to_peer);
	if (r->bytes.len == 0)
		empty(&r->bytes);
	if (r->variable_count > 0)
		memset(r->buckets, 0, sizeof(r->buckets));
	r->variable_count = 0;
	r->body_len = 0;
	r->id = 0;
	r->keep = false;
	r->params_done = false;
	r->too_large = false;
	r->discard = false;
}

/*
 * Read the record that bytes begin with.  Returns false while it is not whole; its
 * version is looked at by the caller.
 */
static bool
parse_record(struct span bytes, struct record *record)
{
	const unsigned char *p = (const unsigned char *)bytes.ptr;

	if (bytes.len < FCGI_RECORD_HEADER)
		return false;
	size_t content = (size_t)p[4] << 8 | p[5];
	record->type = p[1];
	record->id = (uint16_t)(p[2] << 8 | p[3]);
	record->content =
	    (struct span){ bytes.ptr + FCGI_RECORD_HEADER, content };
	record->len = FCGI_RECORD_HEADER + content + p[6];
	return bytes.len >= record->len;
}

/* One length of a name-value pair.  Section 3.4. */
static bool
read_length(struct span *rest, size_t *len)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;
	size_t used = 1;

	if (rest->len == 0)
		return false;
	*len = p[0];
	if (p[0] >= 0x80) {
		used = 4;
		if (rest->len < used)
			return false;
		*len = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 |
		    (size_t)p[2] << 8 | p[3];
	}
	rest->ptr += used;
	rest->len -= used;
	return true;
}

static size_t
bucket_of(const char *name, size_t len)
{
	/* Few variables differ in neither length nor these three characters.  Who
	 * makes them all alike has FCGI_RECORD_VARIABLES_MAX of them at most. */
	size_t hash = len == 0 ? 0
			       : len * 7 + (unsigned char)name[len - 1] * 5 +
		(unsigned char)name[len / 2] * 3 + (unsigned char)name[0];

	return hash % FCGI_RECORD_BUCKETS;
}

static enum fcgi_record_verdict
grow_variables(struct fcgi_record_request *r)
{
	uint32_t room = r->variable_room == 0 ? 64 : r->variable_room * 2;

	if (room > FCGI_RECORD_VARIABLES_MAX)
		return FCGI_RECORD_BROKEN;
	void *variables =
	    reallocarray(r->variables, room, sizeof(r->variables[0]));
	if (variables == NULL)
		return FCGI_RECORD_NO_MEMORY;
	r->variables = variables;
	r->variable_room = room;
	return FCGI_RECORD_VARIABLES;
}

/* The lengths of a pair, most of which take a byte each. */
static inline bool
read_lengths(struct span *rest, size_t *name, size_t *value)
{
	const unsigned char *p = (const unsigned char *)rest->ptr;

	if (rest->len >= 2 && (p[0] | p[1]) < 0x80) {
		*name = p[0];
		*value = p[1];
		rest->ptr += 2;
		rest->len -= 2;
	} else if (!read_length(rest, name) || !read_length(rest, value)) {
		return false;
	}
	return *name <= rest->len && *value <= rest->len - *name;
}

/* The first NUL from at on, or the end. */
static const char *
find_nul(const struct fcgi_record_request *r, const char *at)
{
	const char *end = r->params.ptr + r->params.len;
	const char *nul = memchr(at, '\0', (size_t)(end - at));

	return nul != NULL ? nul : end;
}

/*
 * Note where each variable lies.  They must be whole pairs and hold no NUL, which
 * would cut them: each NUL there is must be a length.
 */
static enum fcgi_record_verdict
find_pairs(struct fcgi_record_request *r)
{
	enum fcgi_record_verdict verdict = FCGI_RECORD_VARIABLES;
	struct span rest = buf_span(&r->params);
	const char *nul = rest.len > 0 ? find_nul(r, rest.ptr) : NULL;
	size_t name;
	size_t value;

	while (rest.len > 0) {
		if (!read_lengths(&rest, &name, &value))
			return FCGI_RECORD_BROKEN;
		if (nul < rest.ptr)
			nul = find_nul(r, rest.ptr);
		if (nul < rest.ptr + name + value)
			return FCGI_RECORD_BROKEN;
		if (r->variable_count == r->variable_room)
			verdict = grow_variables(r);
		if (verdict != FCGI_RECORD_VARIABLES)
			return verdict;
		uint32_t at = (uint32_t)(rest.ptr - r->params.ptr);
		struct fcgi_record_variable *v =
		    &r->variables[r->variable_count++];
		v->name = at;
		v->name_len = (uint16_t)name;
		v->value = at + (uint32_t)name;
		v->value_len = (uint32_t)value;
		rest.ptr += name + value;
		rest.len -= name + value;
	}
	return FCGI_RECORD_VARIABLES;
}

/* See that the parameters are sound, and make them ready to be looked up. */
static enum fcgi_record_verdict
read_params(struct fcgi_record_request *r)
{
	/* For the last value's terminator. */
	if (buf_room(&r->params, 1) == NULL)
		return FCGI_RECORD_NO_MEMORY;
	enum fcgi_record_verdict verdict = find_pairs(r);
	if (verdict != FCGI_RECORD_VARIABLES)
		return verdict;
	/* From the last to the first, so that the first of a name is found. */
	for (uint32_t i = r->variable_count; i > 0; i--) {
		struct fcgi_record_variable *v = &r->variables[i - 1];
		size_t bucket = bucket_of(r->params.ptr + v->name, v->name_len);
		v->next = r->buckets[bucket];
		r->buckets[bucket] = (uint16_t)i;
		/* A length of the next pair stands there, which was read. */
		r->params.ptr[v->value + v->value_len] = '\0';
	}
	return FCGI_RECORD_VARIABLES;
}

const char *
fcgi_record_variable(const void *request, const char *name)
{
	const struct fcgi_record_request *r = request;
	size_t len = strlen(name);
	uint16_t i = r->buckets[bucket_of(name, len)];

	while (i != 0) {
		const struct fcgi_record_variable *v = &r->variables[i - 1];
		if (v->name_len == len &&
		    memcmp(r->params.ptr + v->name, name, len) == 0)
			return r->params.ptr + v->value;
		i = v->next;
	}
	return NULL;
}

static void
put_header(unsigned char *out, unsigned char type, uint16_t id, size_t len)
{
	memset(out, 0, FCGI_RECORD_HEADER);
	out[0] = VERSION_1;
	out[1] = type;
	out[2] = (unsigned char)(id >> 8);
	out[3] = (unsigned char)(id & 0xff);
	out[4] = (unsigned char)(len >> 8);
	out[5] = (unsigned char)(len & 0xff);
}

/* A record of the connection, to be sent. */
static void
put_management(struct buf *out, unsigned char type, struct span content)
{
	unsigned char header[FCGI_RECORD_HEADER];

	put_header(header, type, 0, content.len);
	buf_put(out, (struct span){ (char *)header, sizeof(header) });
	buf_put(out, content);
}

/* A pair whose name and value are shorter than 128 bytes. */
static void
put_pair(struct buf *out, struct span name, struct span value)
{
	buf_put_char(out, (char)name.len);
	buf_put_char(out, (char)value.len);
	buf_put(out, name);
	buf_put(out, value);
}

/*
 * Section 4.1: the values of those variables that the peer asks for and we know,
 * each once however often it is named.  With one request of a connection at a time,
 * there are as many requests as connections.
 */
static enum fcgi_record_verdict
put_values(struct fcgi_record_request *r, struct span asked)
{
	struct buf number = { 0 };
	buf_put_u64(&number, r->conns_max);
	const struct {
		struct span name;
		struct span value;
	} known[] = {
		{ SPAN("FCGI_MAX_CONNS"), buf_span(&number) },
		{ SPAN("FCGI_MAX_REQS"), buf_span(&number) },
		{ SPAN("FCGI_MPXS_CONNS"), SPAN("0") },
	};
	enum { KNOWN = sizeof(known) / sizeof(known[0]) };
	bool is_asked[KNOWN] = { false };
	struct buf pairs = { 0 };
	struct span name;
	size_t value;
	bool good = true;

	while (good && asked.len > 0) {
		good = read_lengths(&asked, &name.len, &value);
		name.ptr = asked.ptr;
		for (size_t i = 0; good && i < KNOWN; i++)
			is_asked[i] |= span_equal(name, known[i].name);
		asked.ptr += good ? name.len + value : 0;
		asked.len -= good ? name.len + value : 0;
	}
	for (size_t i = 0; i < KNOWN; i++) {
		if (is_asked[i])
			put_pair(&pairs, known[i].name, known[i].value);
	}
	put_management(&r->to_peer, TYPE_GET_VALUES_RESULT, buf_span(&pairs));
	buf_fini(&pairs);
	buf_fini(&number);
	return good ? FCGI_RECORD_MORE : FCGI_RECORD_BROKEN;
}

/* A management record, which belongs to the connection. */
static enum fcgi_record_verdict
manage(struct fcgi_record_request *r, const struct record *record)
{
	const char unknown[8] = { (char)record->type };

	if (record->type == TYPE_GET_VALUES)
		return put_values(r, record->content);
	/* A type that belongs to a request, or that only we send. */
	if (record->type >= TYPE_BEGIN_REQUEST &&
	    record->type <= TYPE_UNKNOWN_TYPE)
		return FCGI_RECORD_BROKEN;
	/* Section 4.2. */
	put_management(&r->to_peer, TYPE_UNKNOWN_TYPE,
	    (struct span){ unknown, sizeof(unknown) });
	return FCGI_RECORD_MORE;
}

/* A record that does not belong to the request active; 0: there is none. */
static enum fcgi_record_verdict
take_foreign(struct fcgi_record_request *r, const struct record *record,
    uint16_t active)
{
	unsigned char end[FCGI_RECORD_END_LEN];
	enum fcgi_record_verdict verdict = FCGI_RECORD_MORE;

	if (record->id == 0) {
		verdict = manage(r, record);
	} else if (record->type == TYPE_BEGIN_REQUEST && active != 0) {
		if (record->content.len != BEGIN_BODY)
			return FCGI_RECORD_BROKEN;
		/* Section 5.5: a second request on a connection is refused. */
		fcgi_record_end(end, record->id,
		    FCGI_RECORD_STATUS_CANT_MPX_CONN);
		buf_put(&r->to_peer, (struct span){ (char *)end, sizeof(end) });
	}
	/* Section 3.3: all else of a request that is not active is ignored. */
	if (buf_error(&r->to_peer) != 0)
		return FCGI_RECORD_NO_MEMORY;
	return r->to_peer.len > FCGI_RECORD_TO_PEER_MAX ? FCGI_RECORD_BROKEN
							: verdict;
}

static enum fcgi_record_verdict
begin_request(struct fcgi_record_request *r, const struct record *record)
{
	const unsigned char *body = (const unsigned char *)record->content.ptr;

	if (record->content.len != BEGIN_BODY)
		return FCGI_RECORD_BROKEN;
	r->id = record->id;
	r->keep = (body[2] & FLAG_KEEP_CONN) != 0;
	if ((body[0] << 8 | body[1]) != ROLE_RESPONDER)
		return FCGI_RECORD_UNKNOWN_ROLE;
	return FCGI_RECORD_MORE;
}

static enum fcgi_record_verdict
take_params(struct fcgi_record_request *r, const struct record *record)
{
	if (r->params_done ||
	    record->content.len > FCGI_RECORD_PARAMS_MAX - r->params.len)
		return FCGI_RECORD_BROKEN;
	if (record->content.len == 0) {
		r->params_done = true;
		return read_params(r);
	}
	buf_put(&r->params, record->content);
	return buf_error(&r->params) == 0 ? FCGI_RECORD_MORE
					  : FCGI_RECORD_NO_MEMORY;
}

/* Returns WHOLE at the stream's end. */
static enum fcgi_record_verdict
take_stdin(struct fcgi_record_request *r, const struct record *record)
{
	if (!r->params_done)
		return FCGI_RECORD_BROKEN;
	if (record->content.len == 0)
		return FCGI_RECORD_WHOLE;
	r->body_len += record->content.len;
	if (r->body_len > r->body_max && !r->too_large) {
		r->too_large = true;
		buf_fini(&r->body);
	}
	if (r->too_large || r->discard)
		return FCGI_RECORD_MORE;
	buf_put(&r->body, record->content);
	return buf_error(&r->body) == 0 ? FCGI_RECORD_MORE
					: FCGI_RECORD_NO_MEMORY;
}

static enum fcgi_record_verdict
take_record(struct fcgi_record_request *r, const struct record *record)
{
	if (r->id == 0 && record->id != 0 && record->type == TYPE_BEGIN_REQUEST)
		return begin_request(r, record);
	if (r->id == 0 || record->id != r->id)
		return take_foreign(r, record, r->id);
	switch (record->type) {
	case TYPE_PARAMS:
		return take_params(r, record);
	case TYPE_STDIN:
		return take_stdin(r, record);
	case TYPE_ABORT_REQUEST:
		return FCGI_RECORD_ABORTED;
	default:
		return FCGI_RECORD_BROKEN;
	}
}

/* A record that comes while request id is being answered. */
static enum fcgi_record_verdict
take_beside(struct fcgi_record_request *r, const struct record *record,
    uint16_t id)
{
	if (record->id != id)
		return take_foreign(r, record, id);
	if (record->type == TYPE_ABORT_REQUEST)
		return FCGI_RECORD_ABORTED;
	/* Some servers send the empty end of STDIN late. */
	return record->type == TYPE_STDIN && record->content.len == 0
	    ? FCGI_RECORD_MORE
	    : FCGI_RECORD_BROKEN;
}

/* Read records as long as they are whole.  beside: the request that is being
 * answered, 0 where one is read. */
static enum fcgi_record_verdict
look(struct fcgi_record_request *r, uint16_t beside)
{
	enum fcgi_record_verdict verdict = FCGI_RECORD_MORE;
	struct span rest = buf_span(&r->bytes);
	struct record record;

	while (verdict == FCGI_RECORD_MORE && rest.len > 0) {
		if (rest.ptr[0] != VERSION_1)
			return FCGI_RECORD_BROKEN;
		if (!parse_record(rest, &record))
			break;
		rest.ptr += record.len;
		rest.len -= record.len;
		verdict = beside != 0 ? take_beside(r, &record, beside)
				      : take_record(r, &record);
	}
	/* What is left is less than a record, or belongs to what comes next. */
	if (rest.len > 0 && rest.len < r->bytes.len)
		memmove(r->bytes.ptr, rest.ptr, rest.len);
	r->bytes.len = rest.len;
	return verdict;
}

enum fcgi_record_verdict
fcgi_record_look(struct fcgi_record_request *r)
{
	return look(r, 0);
}

enum fcgi_record_verdict
fcgi_record_look_beside(struct fcgi_record_request *r, uint16_t id)
{
	return look(r, id);
}

void
fcgi_record_stdout(unsigned char out[FCGI_RECORD_HEADER], uint16_t id,
    size_t len)
{
	put_header(out, TYPE_STDOUT, id, len);
}

void
fcgi_record_end(unsigned char out[FCGI_RECORD_END_LEN], uint16_t id,
    unsigned char protocol_status)
{
	memset(out, 0, FCGI_RECORD_END_LEN);
	put_header(out, TYPE_END_REQUEST, id, 8);
	out[FCGI_RECORD_HEADER + 4] = protocol_status;
}
