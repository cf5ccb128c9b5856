/*
 * What an HTTP/2 server says of itself when a connection begins.  Pure.
 * Source: RFC 9113, sections 3.4, 4.1 and 6.5.
 */
#ifndef PEAL_HTTP2_SETTINGS_H
#define PEAL_HTTP2_SETTINGS_H

#include <stdint.h>

#include "base/span.h"

/* What a client sends first: the preface, and SETTINGS that set nothing. */
struct span http2_settings_preface(void);

/* Where a server sets no limit. */
#define HTTP2_SETTINGS_UNLIMITED UINT32_MAX

/*
 * Read SETTINGS_MAX_CONCURRENT_STREAMS out of the first frame of a server.
 *
 * Returns 0, -EAGAIN while the frame is not whole, or -EPROTO where it is no
 * SETTINGS frame.
 */
int http2_settings_streams(struct span bytes, uint32_t *streams);

#endif
