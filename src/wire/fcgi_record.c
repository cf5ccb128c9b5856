#include "wire/fcgi_record.h"

#include <string.h>

/* FastCGI Specification 1.0, section 8: types and constants. */
#define VERSION_1 1
#define TYPE_BEGIN_REQUEST 1
#define TYPE_ABORT_REQUEST 2
#define TYPE_END_REQUEST 3
#define TYPE_PARAMS 4
#define TYPE_STDIN 5
#define ROLE_RESPONDER 1
#define FLAG_KEEP_CONN 1
#define BEGIN_BODY 8

struct record {
	unsigned char type;
	uint16_t id;
	struct span content;
	size_t len; /* with header and padding */
};

void
fcgi_record_init(struct fcgi_record_request *r, size_t body_max)
{
	*r = (struct fcgi_record_request){ .body_max = body_max };
}

void
fcgi_record_fini(struct fcgi_record_request *r)
{
	buf_fini(&r->bytes);
}

struct span
fcgi_record_span(const struct fcgi_record_request *r)
{
	return (struct span){ r->bytes.ptr, r->read };
}

static void
drop_front(struct buf *b, size_t at, size_t len)
{
	if (len == 0)
		return;
	memmove(b->ptr + at, b->ptr + at + len, b->len - at - len);
	b->len -= len;
}

void
fcgi_record_next(struct fcgi_record_request *r)
{
	struct buf bytes = r->bytes;
	size_t body_max = r->body_max;

	drop_front(&bytes, 0, r->read);
	fcgi_record_init(r, body_max);
	r->bytes = bytes;
}

/* Read the record at the front of bytes.  Returns false if it is not whole. */
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

/* The variables must be whole pairs and hold no NUL, which would cut them. */
static bool
check_pairs(struct span rest)
{
	size_t name;
	size_t value;

	while (rest.len > 0) {
		if (!read_length(&rest, &name) || !read_length(&rest, &value) ||
		    name > rest.len || value > rest.len - name)
			return false;
		if (memchr(rest.ptr, '\0', name + value) != NULL)
			return false;
		rest.ptr += name + value;
		rest.len -= name + value;
	}
	return true;
}

/* Gather the PARAMS stream out of its records and check it. */
static bool
check_params(const struct fcgi_record_request *r)
{
	struct buf params = { 0 };
	struct span rest = fcgi_record_span(r);
	struct record record;

	while (parse_record(rest, &record)) {
		if (record.type == TYPE_PARAMS)
			buf_put(&params, record.content);
		rest.ptr += record.len;
		rest.len -= record.len;
	}
	bool good = buf_error(&params) == 0 && check_pairs(buf_span(&params));
	buf_fini(&params);
	return good;
}

static enum fcgi_record_verdict
begin_request(struct fcgi_record_request *r, const struct record *record)
{
	const unsigned char *body = (const unsigned char *)record->content.ptr;

	if (record->content.len != BEGIN_BODY || record->id == 0)
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
	if (r->params_done)
		return FCGI_RECORD_BROKEN;
	r->params += record->content.len;
	if (r->params > FCGI_RECORD_PARAMS_MAX)
		return FCGI_RECORD_BROKEN;
	if (record->content.len == 0) {
		r->params_done = true;
		if (!check_params(r))
			return FCGI_RECORD_BROKEN;
	}
	return FCGI_RECORD_MORE;
}

/* Returns WHOLE at the stream's end; *pass_over when the record is not kept. */
static enum fcgi_record_verdict
take_stdin(struct fcgi_record_request *r, const struct record *record,
    bool *pass_over)
{
	if (!r->params_done)
		return FCGI_RECORD_BROKEN;
	if (record->content.len == 0)
		return FCGI_RECORD_WHOLE;
	r->body += record->content.len;
	if (r->body > r->body_max)
		r->too_large = true;
	*pass_over = r->too_large;
	return FCGI_RECORD_MORE;
}

static enum fcgi_record_verdict
take_record(struct fcgi_record_request *r, const struct record *record,
    bool *pass_over)
{
	if (r->id == 0)
		return record->type == TYPE_BEGIN_REQUEST
		    ? begin_request(r, record)
		    : FCGI_RECORD_BROKEN;
	/* No web server we know multiplexes, and management records are what
	 * libfcgi breaks over. */
	if (record->id != r->id)
		return FCGI_RECORD_BROKEN;
	switch (record->type) {
	case TYPE_PARAMS:
		return take_params(r, record);
	case TYPE_STDIN:
		return take_stdin(r, record, pass_over);
	case TYPE_ABORT_REQUEST:
		return FCGI_RECORD_ABORTED;
	default:
		return FCGI_RECORD_BROKEN;
	}
}

/*
 * libfcgi 2.4.2 forgets the padding of FCGI_BEGIN_REQUEST and of a stream's end
 * when it turns to the next stream, and takes it for the next record.  Section
 * 3.3 allows padding everywhere: so it does not get to see it there.
 */
static void
drop_padding(struct fcgi_record_request *r, const struct record *record)
{
	size_t bare = FCGI_RECORD_HEADER + record->content.len;

	if (record->type != TYPE_BEGIN_REQUEST && record->content.len > 0)
		return;
	r->read -= record->len - bare;
	drop_front(&r->bytes, r->read, record->len - bare);
	r->bytes.ptr[r->read - bare + 6] = 0;
}

enum fcgi_record_verdict
fcgi_record_look(struct fcgi_record_request *r)
{
	enum fcgi_record_verdict verdict = FCGI_RECORD_MORE;
	struct record record;

	/* Without bytes, bytes.ptr may be NULL. */
	while (verdict == FCGI_RECORD_MORE && r->read < r->bytes.len) {
		struct span rest = { r->bytes.ptr + r->read,
			r->bytes.len - r->read };
		if (rest.ptr[0] != VERSION_1)
			return FCGI_RECORD_BROKEN;
		if (!parse_record(rest, &record))
			return FCGI_RECORD_MORE;
		if (r->read > FCGI_RECORD_KEPT_MAX + 2 * r->body_max)
			return FCGI_RECORD_BROKEN;
		bool pass_over = false;
		r->read += record.len;
		verdict = take_record(r, &record, &pass_over);
		if (pass_over) {
			r->read -= record.len;
			drop_front(&r->bytes, r->read, record.len);
		} else {
			drop_padding(r, &record);
		}
	}
	return verdict;
}

bool
fcgi_record_is_abort(struct span bytes, uint16_t id)
{
	struct record record;

	while (bytes.len > 0) {
		if (bytes.ptr[0] != VERSION_1 || !parse_record(bytes, &record))
			return true;
		/* A late, empty end of STDIN is harmless; all else ends it. */
		if (record.id != id || record.type != TYPE_STDIN)
			return true;
		bytes.ptr += record.len;
		bytes.len -= record.len;
	}
	return false;
}

void
fcgi_record_end(unsigned char out[FCGI_RECORD_END_LEN], uint16_t id,
    unsigned char protocol_status)
{
	memset(out, 0, FCGI_RECORD_END_LEN);
	out[0] = VERSION_1;
	out[1] = TYPE_END_REQUEST;
	out[2] = (unsigned char)(id >> 8);
	out[3] = (unsigned char)(id & 0xff);
	out[5] = 8;
	out[FCGI_RECORD_HEADER + 4] = protocol_status;
}
