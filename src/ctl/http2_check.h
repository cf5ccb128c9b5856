/*
 * Whether browsers speak HTTP/2 to a server, and how many streams of a connection
 * it then takes at a time.
 */
#ifndef PEAL_HTTP2_CHECK_H
#define PEAL_HTTP2_CHECK_H

#include "ctl/probe.h"

/* Ask the server that is subscribed at, where that is by https, and say what it is. */
void http2_check(struct probe *p);

#endif
