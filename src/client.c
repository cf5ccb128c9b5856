#include "client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

const char *
client_resolve(struct client_target *target, const struct url *url)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;
	char host[URL_HOST_MAX + 1];
	char port[6];

	/* The port has at most five digits, but may lead with noughts. */
	if (url->host.len > URL_HOST_MAX || url->port.len >= sizeof(port))
		return "names no host and port";
	memcpy(host, url->host.ptr, url->host.len);
	host[url->host.len] = '\0';
	memcpy(port, url->port.ptr, url->port.len);
	port[url->port.len] = '\0';
	int rc = getaddrinfo(host, port, &hints, &found);
	if (rc != 0)
		return gai_strerror(rc);
	target->len = found->ai_addrlen;
	memcpy(&target->address, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return NULL;
}

void
client_init(struct client *c)
{
	*c = (struct client){ .fd = -1 };
}

void
client_fini(struct client *c)
{
	client_close(c);
	buf_fini(&c->out);
	response_fini(&c->response);
}

int
client_connect(struct client *c, const struct client_target *target)
{
	const int one = 1;

	client_close(c);
	c->fd = socket(target->address.ss_family,
	    SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (connect(c->fd, (const struct sockaddr *)&target->address,
		target->len) == 0 ||
	    errno == EINPROGRESS)
		return 0;
	int rc = -errno;
	client_close(c);
	return rc;
}

void
client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

void
client_begin(struct client *c, bool no_body)
{
	c->sent = 0;
	response_fini(&c->response);
	response_init(&c->response, no_body);
}

int
client_send(struct client *c)
{
	if (buf_error(&c->out) != 0)
		return -ENOMEM;
	while (c->sent < c->out.len) {
		ssize_t len = send(c->fd, c->out.ptr + c->sent,
		    c->out.len - c->sent, MSG_NOSIGNAL);
		if (len < 0 && errno == EINTR)
			continue;
		/* While it connects, it is not connected yet. */
		if (len < 0)
			return errno == ENOTCONN ? -EAGAIN : -errno;
		c->sent += (size_t)len;
	}
	return 0;
}

ssize_t
client_receive(struct client *c, char *to, size_t room)
{
	for (;;) {
		ssize_t len = recv(c->fd, to, room, 0);
		if (len >= 0)
			return len;
		if (errno != EINTR)
			return -errno;
	}
}
