/*
 * What can be wrong in front of peal, and what mends it on which web server.
 */
#ifndef PEAL_ADVICE_H
#define PEAL_ADVICE_H

#include "base/buf.h"
#include "base/span.h"

/* Web servers, and what may stand in front of them. */
enum advice_server {
	ADVICE_LIGHTTPD,
	ADVICE_NGINX,
	ADVICE_APACHE,
	ADVICE_CADDY,
	ADVICE_HAPROXY,
	ADVICE_H2O,
	ADVICE_VARNISH,
	ADVICE_SQUID,
	ADVICE_TRAFFIC_SERVER,
	ADVICE_UNKNOWN,
};

/* What is known of the way to peal. */
struct advice_hops {
	unsigned servers;   /* a bit, 1U << enum advice_server, for each */
	const char *module; /* Apache's that leads to peal; NULL: not known */
};

enum advice_fault {
	ADVICE_UNREACHABLE, /* nobody answers at the address */
	ADVICE_SILENT,	    /* somebody does, and says nothing */
	ADVICE_CERTIFICATE, /* it shows one that browsers refuse */
	ADVICE_REDIRECTED,
	ADVICE_LOCKED,		 /* the web server wants a password */
	ADVICE_FORBIDDEN,	 /* the web server refuses */
	ADVICE_REWRITTEN,	 /* the site's own program answers */
	ADVICE_OTHER_PROGRAM,	 /* another FastCGI program does */
	ADVICE_NOT_MOUNTED,	 /* somebody else answers than peal */
	ADVICE_DOWN,		 /* the web server does not reach peal */
	ADVICE_NO_ROLE,		 /* peal refuses */
	ADVICE_NO_VARIABLES,	 /* peal does not see what was asked */
	ADVICE_NO_CHANNEL,	 /* peal finds no channel in the query */
	ADVICE_CHANNEL_VARIABLE, /* the web server names no channel */
	ADVICE_FULL,		 /* peal refuses streams */
	ADVICE_COMPRESSED,
	ADVICE_BUFFERED,
	ADVICE_LATE,	/* events come, each a moment later than it could */
	ADVICE_CEILING, /* the web server holds no more streams */
	ADVICE_STARVED, /* publishing waits for streams to end */
	ADVICE_IDLE_CUT,
	ADVICE_KEY_LOST,
	ADVICE_KEY_WRONG,
	ADVICE_BODY_LIMIT,
	ADVICE_ELSEWHERE, /* what is published goes to another arena */
	ADVICE_NO_CORS,
	ADVICE_OPEN,	       /* anybody may publish */
	ADVICE_GONE_COUNTED,   /* nobody notices that a client has gone */
	ADVICE_STALLED_UNSEEN, /* nor that it does not read */
	ADVICE_HTTP2_FEW,      /* few streams of a connection */
	ADVICE_SOCKET_MISSING, /* the web server names one that is not there */
	ADVICE_SOCKET_REFUSED, /* nobody listens at it */
	ADVICE_SOCKET_FORBIDDEN, /* its user may not connect */
	ADVICE_WHOLE_SITE,	 /* streams can take all of its places */
	ADVICE_UNIT_FAILED,	 /* systemd does not run peal */
	ADVICE_FAULTS,		 /* how many there are */
};

/* The server that a Server field names. */
enum advice_server advice_server_of(struct span field);

/* The bits of the servers that a Via field names (RFC 9110, section 7.6.3). */
unsigned advice_servers_of_via(struct span field);

/* What people call it; "" for ADVICE_UNKNOWN. */
const char *advice_server_name(enum advice_server server);

/* One word for the fault, which stays the same for programs. */
const char *advice_code(enum advice_fault fault);

/*
 * Append lines, each led by indent: what the fault means, and what to set
 * where, for the servers that are there and no others.
 */
void advice_put(struct buf *out, enum advice_fault fault,
    const struct advice_hops *hops, const char *indent);

#endif
