/*
 * URLs of the scheme http, taken apart.  RFC 3986; no userinfo, no fragment.
 */
#ifndef PEAL_URL_H
#define PEAL_URL_H

#include "span.h"

#define URL_HOST_MAX 255

struct url {
	struct span host;   /* without the brackets of an IPv6 address */
	struct span port;   /* digits; "80" where none is written */
	struct span origin; /* HOST[:PORT] as it was written, for Host: */
	struct span target; /* path and query, "/" where there is none */
};

/*
 * Take a URL apart; the spans point into text.
 *
 * Returns NULL, or a phrase that says what is wrong, such as "does not begin
 * with http://".
 */
const char *url_read(struct url *url, struct span text);

#endif
