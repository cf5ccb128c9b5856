/*
 * What tests of FastCGI records share: requests, written record by record.
 */
#ifndef PEAL_TESTS_RECORDS_H
#define PEAL_TESTS_RECORDS_H

#include <string.h>

#include "base/buf.h"
#include "wire/fcgi_record.h"

/* FastCGI Specification 1.0, section 8. */
#define BEGIN 1
#define ABORT 2
#define END 3
#define PARAMS 4
#define STDIN 5
#define STDOUT 6
#define GET_VALUES 9

#define RESPONDER 1
#define KEEP 1
#define BODY_MAX 1000

struct wire {
	unsigned char version;
	unsigned char type;
	uint16_t id;
	unsigned char padding;
};

static inline void
put_record(struct buf *b, struct wire w, struct span content)
{
	const char header[FCGI_RECORD_HEADER] = { (char)w.version, (char)w.type,
		(char)(w.id >> 8), (char)(w.id & 0xff),
		(char)(content.len >> 8), (char)(content.len & 0xff),
		(char)w.padding, 0 };
	char padding[255];

	/* Section 3.3: a receiver ignores these bytes, whatever they are. */
	memset(padding, 1, sizeof(padding));
	buf_put(b, (struct span){ header, sizeof(header) });
	buf_put(b, content);
	buf_put(b, (struct span){ padding, w.padding });
}

/* A record of request 1, as it should be. */
static inline void
put(struct buf *b, unsigned char type, struct span content)
{
	put_record(b, (struct wire){ 1, type, 1, 0 }, content);
}

static inline void
put_begin(struct buf *b, unsigned role, unsigned flags)
{
	const char body[8] = { (char)(role >> 8), (char)(role & 0xff),
		(char)flags };

	put(b, BEGIN, (struct span){ body, sizeof(body) });
}

/* {"A": "bc"}, then {"": ""} with long lengths. */
#define PAIRS SPAN("\1\2Abc\x80\0\0\0\x80\0\0\0")

/* params in records of at most 30000 bytes, and their end. */
static inline void
put_params(struct buf *b, struct span params)
{
	while (params.len > 0) {
		size_t len = params.len < 30000 ? params.len : 30000;
		put(b, PARAMS, (struct span){ params.ptr, len });
		params.ptr += len;
		params.len -= len;
	}
	put(b, PARAMS, SPAN(""));
}

static inline void
put_request(struct buf *b, struct span params, struct span body)
{
	put_begin(b, RESPONDER, 0);
	put_params(b, params);
	if (body.len > 0)
		put(b, STDIN, body);
	put(b, STDIN, SPAN(""));
}

/* Look, and look again once the variables are whole. */
static inline enum fcgi_record_verdict
look_on(struct fcgi_record_request *r)
{
	enum fcgi_record_verdict verdict = fcgi_record_look(r);

	return verdict == FCGI_RECORD_VARIABLES ? fcgi_record_look(r) : verdict;
}

/* The verdict on bytes that come all at once. */
static inline enum fcgi_record_verdict
judge(const struct buf *bytes)
{
	struct fcgi_record_request r;

	fcgi_record_init(&r, BODY_MAX);
	buf_put(&r.bytes, buf_span(bytes));
	enum fcgi_record_verdict verdict = look_on(&r);
	fcgi_record_fini(&r);
	return verdict;
}

/* Fail unless bytes are broken; free them. */
#define assert_broken(bytes)                                        \
	do {                                                        \
		ck_assert_int_eq(judge(bytes), FCGI_RECORD_BROKEN); \
		buf_fini(bytes);                                    \
	} while (0)

#endif
