#include "wire/http2_settings.h"

#include <errno.h>
#include <stddef.h>

#define FRAME_HEADER 9
#define TYPE_SETTINGS 4
#define FLAG_ACK 1
#define SETTING 6
#define MAX_CONCURRENT_STREAMS 3
/* RFC 9113, section 4.2: what is larger was not agreed on. */
#define FRAME_MAX 16384

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define EMPTY_SETTINGS "\0\0\0\4\0\0\0\0\0"

struct span
http2_settings_preface(void)
{
	return SPAN(PREFACE EMPTY_SETTINGS);
}

int
http2_settings_streams(struct span bytes, uint32_t *streams)
{
	const unsigned char *p = (const unsigned char *)bytes.ptr;

	if (bytes.len < FRAME_HEADER)
		return -EAGAIN;
	size_t len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
	if (p[3] != TYPE_SETTINGS || (p[4] & FLAG_ACK) != 0 ||
	    len % SETTING != 0 || len > FRAME_MAX)
		return -EPROTO;
	if (bytes.len < FRAME_HEADER + len)
		return -EAGAIN;
	*streams = HTTP2_SETTINGS_UNLIMITED;
	for (size_t at = FRAME_HEADER; at < FRAME_HEADER + len; at += SETTING) {
		unsigned id = (unsigned)p[at] << 8 | p[at + 1];
		/* Of the same setting twice, the last counts. */
		if (id == MAX_CONCURRENT_STREAMS)
			*streams = (uint32_t)p[at + 2] << 24 |
			    (uint32_t)p[at + 3] << 16 |
			    (uint32_t)p[at + 4] << 8 | p[at + 5];
	}
	return 0;
}
