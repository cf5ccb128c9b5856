/*
 * The status page for people: page.html, which the build turns into bytes.
 */
#ifndef PEAL_STATUS_PAGE_H
#define PEAL_STATUS_PAGE_H

#include "base/span.h"

#define STATUS_PAGE_TYPE "text/html; charset=utf-8"

/*
 * The page is its own: it loads nothing, and speaks to nobody but the address it
 * came from.  Source: W3C, "Content Security Policy Level 3".
 */
#define STATUS_PAGE_POLICY                                                \
	"default-src 'none'; style-src 'unsafe-inline'; "                 \
	"script-src 'unsafe-inline'; connect-src 'self'; img-src data:; " \
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

struct span status_page_span(void);

#endif
