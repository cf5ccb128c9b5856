#include "wire/request.h"

#include <errno.h>
#include <string.h>

#include "wire/urlencoded.h"

struct span
request_variable(request_look *look, const void *context, const char *name)
{
	return span_of(look(context, name));
}

/* RFC 9110, section 9.1: methods are case-sensitive. */
static enum request_method
read_method(struct span word)
{
	static const struct {
		const char *word;
		enum request_method method;
	} methods[] = {
		{ "GET", REQUEST_GET },
		{ "HEAD", REQUEST_HEAD },
		{ "POST", REQUEST_POST },
		{ "OPTIONS", REQUEST_OPTIONS },
	};

	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (span_equal(word, span_of(methods[i].word)))
			return methods[i].method;
	}
	return REQUEST_OTHER;
}

/*
 * The path of a request target.  RFC 9112, section 3.2: besides a path, a
 * target may be a whole URI, whose host must not be taken for a segment.
 */
static struct span
target_path(struct span target)
{
	struct span path;

	if (!span_cut(&target, '?', &path) || path.len == 0)
		return (struct span){ NULL, 0 };
	if (path.ptr[0] == '/')
		return path;
	const char *host = memmem(path.ptr, path.len, "://", 3);
	if (host == NULL)
		return path;
	host += 3;
	size_t left = path.len - (size_t)(host - path.ptr);
	const char *slash = memchr(host, '/', left);
	if (slash == NULL)
		return (struct span){ NULL, 0 };
	return (struct span){ slash, left - (size_t)(slash - host) };
}

/* What follows the last '/', which must be there. */
static struct span
last_segment(struct span path)
{
	const char *slash =
	    path.len == 0 ? NULL : memrchr(path.ptr, '/', path.len);

	if (slash == NULL)
		return (struct span){ NULL, 0 };
	slash++;
	return (struct span){ slash, path.len - (size_t)(slash - path.ptr) };
}

static enum request_path
read_path(request_look *look, const void *context)
{
	struct span script = request_variable(look, context, "SCRIPT_NAME");
	struct span info = request_variable(look, context, "PATH_INFO");
	struct span path =
	    target_path(request_variable(look, context, "REQUEST_URI"));

	/* The last segment of the two together is the last of the second. */
	if (path.len == 0)
		path = info.len > 0 ? info : script;
	struct span last = last_segment(path);
	if (span_equal(last, SPAN("status")))
		return REQUEST_STATUS;
	if (span_equal(last, SPAN("metrics")))
		return REQUEST_METRICS;
	if (span_equal(last, SPAN("health")))
		return REQUEST_HEALTH;
	if (script.len > 0 && info.len > 0 && !span_equal(info, SPAN("/")))
		return REQUEST_UNKNOWN;
	return REQUEST_MOUNT;
}

/* A number too large to hold stays a number, so that a limit refuses it. */
static int64_t
read_length(struct span s)
{
	uint64_t value;
	int fault = span_to_u64(s, &value);

	if (fault == -ERANGE || (fault == 0 && value > INT64_MAX))
		return INT64_MAX;
	return fault == 0 ? (int64_t)value : -1;
}

void
request_read(struct request *r, request_look *look, const void *context)
{
	const char *roles = look(context, "PEAL_ROLES");

	*r = (struct request){
		.method = read_method(
		    request_variable(look, context, "REQUEST_METHOD")),
		.path = read_path(look, context),
		.query = request_variable(look, context, "QUERY_STRING"),
		.content_type = request_variable(look, context, "CONTENT_TYPE"),
		.content_encoding =
		    request_variable(look, context, "HTTP_CONTENT_ENCODING"),
		.content_length = read_length(
		    request_variable(look, context, "CONTENT_LENGTH")),
		.origin = request_variable(look, context, "HTTP_ORIGIN"),
		.accept = request_variable(look, context, "HTTP_ACCEPT"),
		.authorization =
		    request_variable(look, context, "HTTP_AUTHORIZATION"),
		.roles = span_of(roles),
		.has_roles = roles != NULL,
	};
}
