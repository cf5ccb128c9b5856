/*
 * What can be wrong in front of peal, and what mends it on which web server.
 */
#ifndef PEAL_REMEDY_H
#define PEAL_REMEDY_H

#include "base/buf.h"
#include "base/span.h"

enum remedy_server {
	REMEDY_LIGHTTPD,
	REMEDY_NGINX,
	REMEDY_APACHE,
	REMEDY_CADDY,
	REMEDY_UNKNOWN,
};

enum remedy_ailment {
	REMEDY_UNREACHABLE, /* nobody answers at the address */
	REMEDY_SILENT,	    /* somebody does, and says nothing */
	REMEDY_CERTIFICATE, /* it shows one that browsers refuse */
	REMEDY_REDIRECTED,
	REMEDY_LOCKED,	     /* the web server wants a password */
	REMEDY_FORBIDDEN,    /* the web server refuses */
	REMEDY_NOT_MOUNTED,  /* somebody else answers than peal */
	REMEDY_DOWN,	     /* the web server does not reach peal */
	REMEDY_NO_ROLE,	     /* peal refuses */
	REMEDY_NO_VARIABLES, /* peal does not see what was asked */
	REMEDY_NO_CHANNEL,   /* peal finds no channel in the query */
	REMEDY_FULL,	     /* peal sends streams away */
	REMEDY_COMPRESSED,
	REMEDY_BUFFERED,
	REMEDY_CEILING, /* the web server holds no more streams */
	REMEDY_STARVED, /* publishing waits for streams to end */
	REMEDY_IDLE_CUT,
	REMEDY_KEY_LOST,
	REMEDY_KEY_WRONG,
	REMEDY_BODY_LIMIT,
	REMEDY_ELSEWHERE, /* what is published goes to another arena */
	REMEDY_NO_CORS,
};

/* The server that a Server field names. */
enum remedy_server remedy_server_of(struct span field);

/* One word for the ailment, which stays the same for programs. */
const char *remedy_code(enum remedy_ailment ailment);

/*
 * Append lines, each led by indent: what the ailment means, and what to set
 * where on that server; for REMEDY_UNKNOWN, on each.
 */
void remedy_put(struct buf *out, enum remedy_ailment ailment,
    enum remedy_server server, const char *indent);

#endif
