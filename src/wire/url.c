#include "wire/url.h"

#include <string.h>

/* Cut the host off the front of rest, and the port off its end. */
static const char *
read_origin(struct url *url, struct span rest)
{
	uint64_t port;

	url->origin = rest;
	url->port = url->secure ? SPAN("443") : SPAN("80");
	url->host = rest;
	if (rest.len > 0 && rest.ptr[0] == '[') {
		const char *end = memchr(rest.ptr, ']', rest.len);
		if (end == NULL)
			return "has a '[' without its ']'";
		url->host.ptr++;
		url->host.len = (size_t)(end - url->host.ptr);
		rest.len -= (size_t)(end + 1 - rest.ptr);
		rest.ptr = end + 1;
	} else {
		const char *colon = memchr(rest.ptr, ':', rest.len);
		if (colon != NULL)
			url->host.len = (size_t)(colon - rest.ptr);
		rest.ptr += url->host.len;
		rest.len -= url->host.len;
	}
	if (url->host.len == 0 || url->host.len > URL_HOST_MAX)
		return "names no host";
	if (rest.len == 0)
		return NULL;
	url->port = (struct span){ rest.ptr + 1, rest.len - 1 };
	if (rest.ptr[0] != ':' || span_to_u64(url->port, &port) != 0 ||
	    port == 0 || port > 65535)
		return "has a port that is none";
	return NULL;
}

const char *
url_read(struct url *url, struct span text)
{

	if (span_has_control(text) ||
	    (text.len > 0 && memchr(text.ptr, ' ', text.len) != NULL))
		return "has a space or a control character in it";
	url->secure = span_starts_nocase(text, SPAN("https://"));
	if (!url->secure && !span_starts_nocase(text, SPAN("http://")))
		return "does not begin with http:// or https://";
	if (memchr(text.ptr, '#', text.len) != NULL)
		return "has a fragment, which is not sent";
	size_t scheme = url->secure ? 8 : 7;
	struct span rest = { text.ptr + scheme, text.len - scheme };
	struct span origin = rest;
	size_t at = 0;
	while (at < rest.len && rest.ptr[at] != '/' && rest.ptr[at] != '?')
		at++;
	origin.len = at;
	url->target = (struct span){ rest.ptr + at, rest.len - at };
	if (url->target.len == 0)
		url->target = SPAN("/");
	else if (url->target.ptr[0] == '?')
		return "has a query but no path";
	if (origin.len > 0 && memchr(origin.ptr, '@', origin.len) != NULL)
		return "names a user; give --header 'Authorization: ...'";
	return read_origin(url, origin);
}
