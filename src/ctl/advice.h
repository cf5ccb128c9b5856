/*
 * What can be wrong in front of peal, and what mends it on which web server.
 */
#ifndef PEAL_ADVICE_H
#define PEAL_ADVICE_H

#include "base/buf.h"
#include "base/span.h"

enum advice_server {
	ADVICE_LIGHTTPD,
	ADVICE_NGINX,
	ADVICE_APACHE,
	ADVICE_CADDY,
	ADVICE_UNKNOWN,
};

enum advice_fault {
	ADVICE_UNREACHABLE, /* nobody answers at the address */
	ADVICE_SILENT,	    /* somebody does, and says nothing */
	ADVICE_CERTIFICATE, /* it shows one that browsers refuse */
	ADVICE_REDIRECTED,
	ADVICE_LOCKED,		 /* the web server wants a password */
	ADVICE_FORBIDDEN,	 /* the web server refuses */
	ADVICE_NOT_MOUNTED,	 /* somebody else answers than peal */
	ADVICE_DOWN,		 /* the web server does not reach peal */
	ADVICE_NO_ROLE,		 /* peal refuses */
	ADVICE_NO_VARIABLES,	 /* peal does not see what was asked */
	ADVICE_NO_CHANNEL,	 /* peal finds no channel in the query */
	ADVICE_CHANNEL_VARIABLE, /* the web server names no channel */
	ADVICE_FULL,		 /* peal sends streams away */
	ADVICE_COMPRESSED,
	ADVICE_BUFFERED,
	ADVICE_CEILING, /* the web server holds no more streams */
	ADVICE_STARVED, /* publishing waits for streams to end */
	ADVICE_IDLE_CUT,
	ADVICE_KEY_LOST,
	ADVICE_KEY_WRONG,
	ADVICE_BODY_LIMIT,
	ADVICE_ELSEWHERE, /* what is published goes to another arena */
	ADVICE_NO_CORS,
};

/* The server that a Server field names. */
enum advice_server advice_server_of(struct span field);

/* One word for the fault, which stays the same for programs. */
const char *advice_code(enum advice_fault fault);

/*
 * Append lines, each led by indent: what the fault means, and what to set
 * where on that server; for ADVICE_UNKNOWN, on each.
 */
void advice_put(struct buf *out, enum advice_fault fault,
    enum advice_server server, const char *indent);

#endif
