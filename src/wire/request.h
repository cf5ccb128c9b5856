/*
 * An HTTP request as FastCGI variables tell it, turned into what peal acts on.
 *
 * Nothing here knows FastCGI: variables come through a look-up callback, so the
 * whole of it can be tested and fuzzed with a table.
 */
#ifndef PEAL_REQUEST_H
#define PEAL_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

/*
 * Look one variable up.  Returns its value, NUL-terminated and valid as long as
 * the request, or NULL when it is not set.
 */
typedef const char *request_look(const void *context, const char *name);

/* A variable as a span; empty where it is not set. */
struct span request_variable(request_look *look, const void *context,
    const char *name);

enum request_method {
	REQUEST_GET,
	REQUEST_HEAD,
	REQUEST_POST,
	REQUEST_OPTIONS,
	REQUEST_OTHER,
};

enum request_path {
	REQUEST_MOUNT,
	REQUEST_STATUS,
	REQUEST_METRICS,
	REQUEST_HEALTH,
	REQUEST_UNKNOWN,
};

struct request {
	enum request_method method;
	enum request_path path;
	struct span query;	      /* QUERY_STRING, not decoded */
	struct span content_type;     /* with its parameters; empty if none */
	struct span content_encoding; /* HTTP_CONTENT_ENCODING; empty if none */
	int64_t content_length;	      /* -1: unknown; the body's end tells */
	struct span origin;	      /* HTTP_ORIGIN; empty if none */
	struct span accept;	      /* HTTP_ACCEPT; empty if none */
	struct span authorization;    /* HTTP_AUTHORIZATION; empty if none */
	struct span roles;	      /* PEAL_ROLES */
	bool has_roles;		      /* it was set, though perhaps empty */
};

/*
 * Read what every request needs.  Never fails: an unknown method or path is
 * reported as such, a CONTENT_LENGTH that is absent, empty, -1 or no number is
 * -1; one that is too large to hold is INT64_MAX.  The spans point into what
 * look returned.
 *
 * The sub-path comes from REQUEST_URI's path where there is one, since servers
 * disagree on PATH_INFO: a last segment "status", "metrics" or "health" is taken
 * as such;
 * else, where SCRIPT_NAME is not empty and PATH_INFO is neither empty nor "/",
 * the path is unknown; else it is the mount.  Without REQUEST_URI, SCRIPT_NAME
 * followed by PATH_INFO stands for it.
 */
void request_read(struct request *r, request_look *look, const void *context);

#endif
