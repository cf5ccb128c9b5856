#include "server/status_page.h"

/* No string: C need not take one of more than 4095 characters. */
static const char bytes[] = {
#include "page.inc"
};

struct span
status_page_span(void)
{
	return (struct span){ bytes, sizeof(bytes) };
}
