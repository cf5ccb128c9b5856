#include "client/http_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static bool
is_listened_at(const struct addrinfo *at)
{
	struct pollfd fd = { .events = POLLOUT };
	int error = ETIMEDOUT;
	socklen_t len = sizeof(error);

	fd.fd = socket(at->ai_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd.fd < 0)
		return false;
	if (connect(fd.fd, at->ai_addr, at->ai_addrlen) == 0)
		error = 0;
	else if (errno == EINPROGRESS && poll(&fd, 1, 1000) == 1)
		(void)getsockopt(fd.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	(void)close(fd.fd);
	return error == 0;
}

const char *
http_client_resolve(struct http_client_target *target, const struct url *url)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char port[6];

	/* The port has at most five digits, but may lead with noughts. */
	if (url->host.len > URL_HOST_MAX || url->port.len >= sizeof(port))
		return "names no host and port";
	if (url->secure && !tls_is_built)
		return "is https, for which this was built without OpenSSL";
	*target = (struct http_client_target){ .secure = url->secure };
	memcpy(target->host, url->host.ptr, url->host.len);
	target->host[url->host.len] = '\0';
	memcpy(port, url->port.ptr, url->port.len);
	port[url->port.len] = '\0';
	int rc = getaddrinfo(target->host, port, &hints, &found);
	if (rc != 0)
		return gai_strerror(rc);
	const struct addrinfo *at = found->ai_next == NULL ? NULL : found;
	while (at != NULL && !is_listened_at(at))
		at = at->ai_next;
	if (at == NULL)
		at = found;
	target->len = at->ai_addrlen;
	memcpy(&target->address, at->ai_addr, at->ai_addrlen);
	freeaddrinfo(found);
	return NULL;
}

void
http_client_init(struct http_client *c)
{
	*c = (struct http_client){ .fd = -1 };
}

void
http_client_fini(struct http_client *c)
{
	http_client_close(c);
	buf_fini(&c->out);
	http_response_fini(&c->response);
}

int
http_client_connect(struct http_client *c,
    const struct http_client_target *target)
{
	const int one = 1;

	http_client_close(c);
	c->fault = NULL;
	c->fd = socket(target->address.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	int rc = 0;
	if (target->from_len > 0)
		rc = bind(c->fd, (const struct sockaddr *)&target->from,
		    target->from_len);
	if (rc == 0)
		rc = connect(c->fd, (const struct sockaddr *)&target->address,
		    target->len);
	rc = rc == 0 || errno == EINPROGRESS ? 0 : -errno;
	if (rc == 0 && target->secure)
		rc = tls_open(&c->tls, c->fd, target->host, target->http2);
	if (rc != 0)
		http_client_close(c);
	return rc;
}

void
http_client_close(struct http_client *c)
{
	tls_close(c->tls);
	c->tls = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
http_client_begin(struct http_client *c, bool no_body)
{
	c->sent = 0;
	http_response_fini(&c->response);
	http_response_init(&c->response, no_body);
}

static ssize_t
send_some(struct http_client *c, const char *from, size_t len)
{
	if (c->tls != NULL) {
		ssize_t sent = tls_send(c->tls, from, len);
		c->fault = tls_fault(c->tls);
		return sent;
	}
	ssize_t sent = send(c->fd, from, len, MSG_NOSIGNAL);
	/* While it connects, it is not connected yet. */
	if (sent < 0)
		return errno == ENOTCONN ? -EAGAIN : -errno;
	return sent;
}

int
http_client_send(struct http_client *c)
{
	if (buf_error(&c->out) != 0)
		return -ENOMEM;
	while (c->sent < c->out.len) {
		ssize_t len =
		    send_some(c, c->out.ptr + c->sent, c->out.len - c->sent);
		if (len < 0 && len != -EINTR)
			return (int)len;
		if (len > 0)
			c->sent += (size_t)len;
	}
	return 0;
}

bool
http_client_waits(const struct http_client *c)
{
	return c->tls != NULL && c->sent < c->out.len && tls_waits(c->tls);
}

ssize_t
http_client_receive(struct http_client *c, char *to, size_t room)
{
	for (;;) {
		ssize_t len;
		if (c->tls != NULL) {
			len = tls_receive(c->tls, to, room);
			c->fault = tls_fault(c->tls);
		} else {
			len = recv(c->fd, to, room, 0);
			if (len < 0)
				len = -errno;
		}
		if (len != -EINTR)
			return len;
	}
}

const char *
http_client_error(const struct http_client *c, int error)
{
	return c->fault != NULL ? c->fault : strerror(-error);
}
