/*
 * The web servers that may speak to us over TCP, as FCGI_WEB_SERVER_ADDRS names
 * them.
 * Source: FastCGI Specification 1.0, section 3.2; IPv6 and prefixes are ours.
 */
#ifndef PEAL_WEB_SERVERS_H
#define PEAL_WEB_SERVERS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/span.h"

#define WEB_SERVERS_MAX 64

/* All zero: nobody has listed any, and all may. */
struct web_servers {
	bool listed;
	size_t count;
	/* An IPv4 address as RFC 4291, section 2.5.5.2, maps it into IPv6. */
	struct web_server {
		unsigned char address[16];
		unsigned bits; /* how many of them count */
	} servers[WEB_SERVERS_MAX];
};

/*
 * Read addresses and prefixes (10.0.0.0/8, fd00::/8), parted by commas.  White space
 * around one and an empty one are passed over; an empty list is none.
 *
 * Returns 0, or -EINVAL with why saying which one cannot be read.
 */
int web_servers_parse(struct web_servers *w, struct span list, struct buf *why);

/*
 * Whether a peer may speak to us: where servers are listed, it must be among them.
 * On a unix socket, whose mode decides that, everybody may.
 */
bool web_servers_allow(const struct web_servers *w,
    const struct sockaddr_storage *peer);

#endif
