#include "wire/http_response.h"

#include <string.h>

void
http_response_init(struct http_response *r, bool no_body)
{
	*r = (struct http_response){ .state = HTTP_RESPONSE_HEAD,
		.no_body = no_body };
}

void
http_response_fini(struct http_response *r)
{
	buf_fini(&r->head);
}

/* Cut the next line of the head off, without its end. */
static bool
next_line(struct span *rest, struct span *line)
{
	if (!span_cut(rest, '\n', line))
		return false;
	if (line->len > 0 && line->ptr[line->len - 1] == '\r')
		line->len--;
	return true;
}

struct span
http_response_field(const struct http_response *r, struct span name)
{
	struct span rest = buf_span(&r->head);
	struct span line;

	while (rest.len > 0 && next_line(&rest, &line)) {
		if (line.len <= name.len || line.ptr[name.len] != ':' ||
		    !span_starts_nocase(line, name))
			continue;
		return span_trim((struct span){ line.ptr + name.len + 1,
		    line.len - name.len - 1 });
	}
	return (struct span){ NULL, 0 };
}

/* "HTTP/1.1 200 OK": returns false for anything else. */
static bool
read_status(struct http_response *r, struct span line)
{
	uint64_t status;

	if (line.len < 12 || !span_starts_nocase(line, SPAN("HTTP/1.")) ||
	    line.ptr[8] != ' ' ||
	    span_to_u64((struct span){ line.ptr + 9, 3 }, &status) != 0 ||
	    (line.len > 12 && line.ptr[12] != ' '))
		return false;
	r->status = (int)status;
	r->keep = line.ptr[7] == '1';
	return true;
}

/* RFC 9110, section 7.6.1: a list of what holds for this connection alone. */
static bool
read_keep(struct span list, bool keep)
{
	struct span option;

	while (list.len > 0 && span_cut(&list, ',', &option)) {
		option = span_trim(option);
		if (span_equal_nocase(option, SPAN("close")))
			return false;
		if (span_equal_nocase(option, SPAN("keep-alive")))
			keep = true;
	}
	return keep;
}

/* RFC 9112, section 6.3: where the body ends. */
static enum http_response_state
body_of(struct http_response *r)
{
	struct span coding = http_response_field(r, SPAN("transfer-encoding"));
	struct span length = http_response_field(r, SPAN("content-length"));

	r->keep =
	    read_keep(http_response_field(r, SPAN("connection")), r->keep);
	if (r->no_body || r->status == 204 || r->status == 304)
		return HTTP_RESPONSE_DONE;
	if (coding.ptr != NULL) {
		r->digits = false;
		r->in_size = true;
		return span_equal_nocase(coding, SPAN("chunked"))
		    ? HTTP_RESPONSE_SIZE
		    : HTTP_RESPONSE_BROKEN;
	}
	if (length.ptr != NULL) {
		if (span_to_u64(length, &r->left) != 0)
			return HTTP_RESPONSE_BROKEN;
		return r->left == 0 ? HTTP_RESPONSE_DONE : HTTP_RESPONSE_LENGTH;
	}
	r->keep = false;
	return HTTP_RESPONSE_CLOSE;
}

/* The head is whole. */
static void
end_head(struct http_response *r)
{
	struct span rest = buf_span(&r->head);
	struct span line;

	if (!next_line(&rest, &line) || !read_status(r, line))
		r->state = HTTP_RESPONSE_BROKEN;
	else if (r->status >= 100 && r->status < 200)
		buf_clear(&r->head);
	else
		r->state = body_of(r);
}

static void
read_head(struct http_response *r, struct span *in)
{
	while (in->len > 0 && r->state == HTTP_RESPONSE_HEAD) {
		const char *end = memchr(in->ptr, '\n', in->len);
		size_t len =
		    end != NULL ? (size_t)(end - in->ptr) + 1 : in->len;
		buf_put(&r->head, (struct span){ in->ptr, len });
		in->ptr += len;
		in->len -= len;
		if (buf_error(&r->head) != 0 ||
		    r->head.len > HTTP_RESPONSE_HEAD_MAX) {
			r->state = HTTP_RESPONSE_BROKEN;
			return;
		}
		size_t have = r->head.len;
		const char *p = r->head.ptr + have;
		if (end != NULL &&
		    ((have >= 2 && memcmp(p - 2, "\n\n", 2) == 0) ||
			(have >= 3 && memcmp(p - 3, "\n\r\n", 3) == 0)))
			end_head(r);
	}
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* RFC 9112, section 7.1: hexadecimal digits, then extensions to be ignored. */
static void
read_size(struct http_response *r, char c)
{
	int digit = hex_digit(c);

	if (c == '\n') {
		if (!r->digits)
			r->state = HTTP_RESPONSE_BROKEN;
		else if (r->left > 0)
			r->state = HTTP_RESPONSE_CHUNK;
		else
			r->state = HTTP_RESPONSE_TRAILER;
		r->line_empty = true;
	} else if (r->in_size && digit >= 0) {
		if (!r->digits)
			r->left = 0;
		r->digits = true;
		if (r->left >> 56 != 0)
			r->state = HTTP_RESPONSE_BROKEN;
		r->left = r->left << 4 | (unsigned)digit;
	} else {
		r->in_size = false;
		if (!r->digits)
			r->state = HTTP_RESPONSE_BROKEN;
	}
}

static void
read_trailer(struct http_response *r, char c)
{
	if (c == '\n' && r->line_empty)
		r->state = HTTP_RESPONSE_DONE;
	else if (c == '\n')
		r->line_empty = true;
	else if (c != '\r')
		r->line_empty = false;
}

/* The framing between two chunks, a byte at a time. */
static void
read_frame(struct http_response *r, char c)
{
	if (r->state == HTTP_RESPONSE_SIZE) {
		read_size(r, c);
	} else if (r->state == HTTP_RESPONSE_TRAILER) {
		read_trailer(r, c);
	} else if (r->state == HTTP_RESPONSE_CHUNK_CR && c == '\r') {
		r->state = HTTP_RESPONSE_CHUNK_LF;
	} else if (c == '\n') {
		r->state = HTTP_RESPONSE_SIZE;
		r->digits = false;
		r->in_size = true;
	} else {
		r->state = HTTP_RESPONSE_BROKEN;
	}
}

/* Cut the piece off that belongs to the body. */
static void
take_piece(struct http_response *r, struct span *in, struct span *piece)
{
	*piece = *in;
	if (r->state != HTTP_RESPONSE_CLOSE) {
		if (piece->len > r->left)
			piece->len = (size_t)r->left;
		r->left -= piece->len;
		if (r->left == 0)
			r->state = r->state == HTTP_RESPONSE_CHUNK
			    ? HTTP_RESPONSE_CHUNK_CR
			    : HTTP_RESPONSE_DONE;
	}
	in->ptr += piece->len;
	in->len -= piece->len;
}

bool
http_response_read(struct http_response *r, struct span *in, struct span *piece)
{
	*piece = (struct span){ NULL, 0 };
	while (in->len > 0) {
		switch (r->state) {
		case HTTP_RESPONSE_HEAD:
			read_head(r, in);
			break;
		case HTTP_RESPONSE_SIZE:
		case HTTP_RESPONSE_CHUNK_CR:
		case HTTP_RESPONSE_CHUNK_LF:
		case HTTP_RESPONSE_TRAILER:
			read_frame(r, in->ptr[0]);
			in->ptr++;
			in->len--;
			break;
		case HTTP_RESPONSE_CHUNK:
		case HTTP_RESPONSE_LENGTH:
		case HTTP_RESPONSE_CLOSE:
			take_piece(r, in, piece);
			return true;
		case HTTP_RESPONSE_DONE:
		case HTTP_RESPONSE_BROKEN:
			return false;
		}
	}
	return false;
}

void
http_response_end(struct http_response *r)
{
	if (r->state == HTTP_RESPONSE_CLOSE)
		r->state = HTTP_RESPONSE_DONE;
	else if (r->state != HTTP_RESPONSE_DONE)
		r->state = HTTP_RESPONSE_BROKEN;
}
