#include "base/json_writer.h"

#include <stdio.h>
#include <string.h>

#include "base/event.h"

/* RFC 8259, section 7: what must be escaped in a string; and DEL, for terminals. */
static void
put_escape(struct buf *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	switch (c) {
	case '"':
		buf_put(out, SPAN("\\\""));
		break;
	case '\\':
		buf_put(out, SPAN("\\\\"));
		break;
	case '\n':
		buf_put(out, SPAN("\\n"));
		break;
	case '\r':
		buf_put(out, SPAN("\\r"));
		break;
	case '\t':
		buf_put(out, SPAN("\\t"));
		break;
	default:
		buf_put(out, SPAN("\\u00"));
		buf_put_char(out, hex[c >> 4]);
		buf_put_char(out, hex[c & 15]);
	}
}

/* Bytes that s begins with and that stand for themselves, all ASCII. */
static size_t
plain_prefix(struct span s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.ptr[i];
		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			return i;
	}
	return s.len;
}

/*
 * Put what is not ASCII at the beginning of s, up to its end or the first byte
 * that belongs to no character, which becomes U+FFFD.  Returns its length.
 */
static size_t
put_characters(struct buf *out, struct span s)
{
	struct span run = { s.ptr, 0 };

	while (run.len < s.len && (unsigned char)s.ptr[run.len] >= 0x80)
		run.len++;
	size_t good = span_utf8_prefix(run);
	buf_put(out, (struct span){ run.ptr, good });
	if (good == run.len)
		return good;
	buf_put(out, SPAN("\xef\xbf\xbd"));
	return good + 1;
}

/* A string of which each byte stands for itself: nearly every one. */
static void
put_plain_string(struct buf *out, struct span s)
{
	char *to = buf_room(out, s.len + 2);

	if (to == NULL)
		return;
	to[0] = '"';
	if (s.len > 0)
		memcpy(to + 1, s.ptr, s.len);
	to[s.len + 1] = '"';
	out->len += s.len + 2;
}

static void
put_string(struct buf *out, struct span s)
{
	if (plain_prefix(s) == s.len) {
		put_plain_string(out, s);
		return;
	}
	buf_put_char(out, '"');
	while (s.len > 0) {
		size_t len = plain_prefix(s);
		if (len > 0) {
			buf_put(out, (struct span){ s.ptr, len });
		} else if ((unsigned char)s.ptr[0] < 0x80) {
			put_escape(out, (unsigned char)s.ptr[0]);
			len = 1;
		} else {
			len = put_characters(out, s);
		}
		s.ptr += len;
		s.len -= len;
	}
	buf_put_char(out, '"');
}

/* Put what stands before a value: the comma, and a member's name. */
static void
begin_value(struct json_writer *w, const char *name)
{
	if (w->comma)
		buf_put_char(w->out, ',');
	w->comma = true;
	if (name == NULL)
		return;
	put_string(w->out, span_of(name));
	buf_put_char(w->out, ':');
}

void
json_writer_begin(struct json_writer *w, const char *name, char bracket)
{
	begin_value(w, name);
	buf_put_char(w->out, bracket);
	w->comma = false;
}

void
json_writer_end(struct json_writer *w, char bracket)
{
	buf_put_char(w->out, bracket);
	w->comma = true;
}

void
json_writer_string(struct json_writer *w, const char *name, struct span value)
{
	begin_value(w, name);
	put_string(w->out, value);
}

void
json_writer_u64(struct json_writer *w, const char *name, uint64_t value)
{
	begin_value(w, name);
	buf_put_u64(w->out, value);
}

void
json_writer_real(struct json_writer *w, const char *name, double value)
{
	/* DBL_MAX has 309 digits before the point. */
	char text[336];

	(void)snprintf(text, sizeof(text), "%.6f", value);
	begin_value(w, name);
	buf_put_cstr(w->out, text);
}

void
json_writer_id(struct json_writer *w, const char *name, uint64_t id)
{
	char text[EVENT_ID_CHARS];
	size_t len = event_id_print(id, text);

	begin_value(w, name);
	put_plain_string(w->out, (struct span){ text, len });
}

void
json_writer_null(struct json_writer *w, const char *name)
{
	begin_value(w, name);
	buf_put(w->out, SPAN("null"));
}

void
json_writer_bool(struct json_writer *w, const char *name, bool value)
{
	begin_value(w, name);
	buf_put_cstr(w->out, value ? "true" : "false");
}

void
json_writer_name(struct json_writer *w, const char *name)
{
	begin_value(w, name);
}

void
json_writer_line(struct json_writer *w)
{
	if (w->comma)
		buf_put(w->out, SPAN(",\n"));
	w->comma = false;
}
