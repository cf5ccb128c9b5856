/*
 * JSON, written into a buf: objects, arrays and what is in them, with the commas
 * between.  Source: RFC 8259.
 *
 *	struct json_writer w = { .out = &out };
 *
 *	json_writer_begin(&w, NULL, '{');
 *	json_writer_u64(&w, "size", 5);        {"size":5,"names":["a","b"]}
 *	json_writer_begin(&w, "names", '[');
 *	json_writer_string(&w, NULL, SPAN("a"));
 *	json_writer_string(&w, NULL, SPAN("b"));
 *	json_writer_end(&w, ']');
 *	json_writer_end(&w, '}');
 *
 * name is that of the member, NULL for an element of an array and for a whole
 * value.  The caller sees to it that brackets match and that members have names;
 * everything else is valid whatever it is given.  What the caller takes out of
 * the buf meanwhile does not matter.  Whether memory ran out is asked of the buf.
 */
#ifndef PEAL_JSON_WRITER_H
#define PEAL_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct json_writer {
	struct buf *out;
	bool comma; /* something stands before what comes next */
};

/* Begin an object, '{', or an array, '['; end it with '}' or ']'. */
void json_writer_begin(struct json_writer *w, const char *name, char bracket);
void json_writer_end(struct json_writer *w, char bracket);

/* Bytes that are not UTF-8 become U+FFFD, so the string is always valid. */
void json_writer_string(struct json_writer *w, const char *name,
    struct span value);

void json_writer_u64(struct json_writer *w, const char *name, uint64_t value);

/* With six digits behind the point.  The value is finite. */
void json_writer_real(struct json_writer *w, const char *name, double value);

/* An event's id, as a string. */
void json_writer_id(struct json_writer *w, const char *name, uint64_t id);

void json_writer_null(struct json_writer *w, const char *name);
void json_writer_bool(struct json_writer *w, const char *name, bool value);

/* Put a member's name alone: the caller appends a value to the buf, as JSON. */
void json_writer_name(struct json_writer *w, const char *name);

/* Where a comma is due, put it now and begin a new line. */
void json_writer_line(struct json_writer *w);

#endif
