#include "base/address.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/span.h"

static bool
is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A name or IPv4 address, or an IPv6 address in brackets. */
static bool
is_host(struct span host)
{
	const char *others = "-._";

	if (host.len > 2 && host.ptr[0] == '[' &&
	    host.ptr[host.len - 1] == ']') {
		host = (struct span){ host.ptr + 1, host.len - 2 };
		others = ":.%";
	}
	for (size_t i = 0; i < host.len; i++) {
		char c = host.ptr[i];
		if (!is_letter(c) && !is_digit(c) &&
		    (c == '\0' || strchr(others, c) == NULL))
			return false;
	}
	return host.len > 0;
}

static bool
is_port(struct span port)
{
	uint64_t number;

	return span_to_u64(port, &number) == 0 && number >= 1 &&
	    number <= 65535;
}

/* Cut the port off the end of "host:port".  False if there is no colon. */
static bool
split_port(struct span address, struct span *host, struct span *port)
{
	size_t i = address.len;

	while (i > 0 && address.ptr[i - 1] != ':' && address.ptr[i - 1] != ']')
		i--;
	if (i == 0 || address.ptr[i - 1] != ':')
		return false;
	*host = (struct span){ address.ptr, i - 1 };
	*port = (struct span){ address.ptr + i, address.len - i };
	return true;
}

bool
address_is_socket(const char *text)
{
	struct span address = span_of(text);
	struct span host;
	struct span port;
	uint64_t fd;

	if (strncmp(text, "fd:", 3) == 0)
		return span_to_u64(span_of(text + 3), &fd) == 0 &&
		    fd <= INT_MAX;
	return split_port(address, &host, &port) && is_host(host) &&
	    is_port(port);
}

bool
address_is_origin(const char *text)
{
	const char *mark = strstr(text, "://");

	if (mark == NULL || !is_letter(text[0]))
		return false;
	for (const char *c = text; c < mark; c++) {
		if (!is_letter(*c) && !is_digit(*c) &&
		    strchr("+-.", *c) == NULL)
			return false;
	}
	struct span host = span_of(mark + strlen("://"));
	struct span port;
	if (split_port(host, &host, &port) && !is_port(port))
		return false;
	return is_host(host);
}
