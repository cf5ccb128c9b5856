/*
 * An HTTP/1.1 client's connection that never waits: for peal-bench, which has
 * thousands of them, and for pealctl doctor.
 */
#ifndef PEAL_HTTP_CLIENT_H
#define PEAL_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/span.h"
#include "client/tls.h"
#include "wire/http_response.h"
#include "wire/url.h"

/* Where a URL leads. */
struct http_client_target {
	struct sockaddr_storage address;
	socklen_t len;
	bool secure; /* by TLS */
	bool
	    http2; /* offer HTTP/2 by ALPN, too: what follows is the caller's */
	struct sockaddr_storage from; /* to connect from */
	socklen_t from_len;	      /* 0: from where the kernel likes */
	char host[URL_HOST_MAX + 1];
};

/*
 * Look the host of a URL up.  Of several addresses, as localhost has, the first
 * counts at which somebody listens, which is tried for a second each.
 * Returns NULL, or a phrase that says what is wrong.
 */
const char *http_client_resolve(struct http_client_target *target,
    const struct url *url);

struct http_client {
	int fd;		   /* -1: not connected */
	struct tls *tls;   /* NULL: none */
	const char *fault; /* of TLS; NULL: none; stays when it is closed */
	struct buf out;
	size_t sent; /* of out */
	struct http_response response;
};

void http_client_init(struct http_client *c);
void http_client_fini(struct http_client *c);

/* Begin to connect.  Returns 0 or -errno. */
int http_client_connect(struct http_client *c,
    const struct http_client_target *target);

void http_client_close(struct http_client *c);

/*
 * Begin a request; what is in c->out goes out as the connection takes it.
 * Expect the answer in c->response.
 */
void http_client_begin(struct http_client *c, bool no_body);

/*
 * Send what is left.
 * Returns 0 when all is sent, -EAGAIN when the descriptor takes no more now, or
 * another -errno.
 */
int http_client_send(struct http_client *c);

/*
 * After -EAGAIN: whether sending can only go on when something has arrived, so
 * that a descriptor that takes more is not worth waking up for.
 */
bool http_client_waits(const struct http_client *c);

/*
 * Receive bytes, as many as are there and fit.
 * Returns their number, -EAGAIN, 0 at the end of the connection, or -errno.
 */
ssize_t http_client_receive(struct http_client *c, char *to, size_t room);

/* What an error of these functions means, in words. */
const char *http_client_error(const struct http_client *c, int error);

#endif
