/*
 * URLs of the schemes http and https, taken apart.  RFC 3986; no userinfo, no fragment.
 */
#ifndef PEAL_URL_H
#define PEAL_URL_H

#include <stdbool.h>

#include "base/span.h"

#define URL_HOST_MAX 255

struct url {
	bool secure;	    /* https */
	struct span host;   /* without the brackets of an IPv6 address */
	struct span port;   /* digits; where none is written, "80" or "443" */
	struct span origin; /* HOST[:PORT] as it was written, for Host: */
	struct span target; /* path and query, "/" where there is none */
};

/*
 * Take a URL apart; the spans point into text.
 *
 * Returns NULL, or a phrase that says what is wrong, such as "names no
 * host".
 */
const char *url_read(struct url *url, struct span text);

#endif
