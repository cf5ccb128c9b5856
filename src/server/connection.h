/*
 * Connections of which a request is read, or which are kept for their next.
 */
#ifndef PEAL_CONNECTION_H
#define PEAL_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "wire/fcgi_record.h"

struct connection {
	int fd;
	bool watched; /* by epoll */
	bool waiting; /* for the rest of a request, with a deadline */
	uint64_t deadline_ms;
	uint32_t unread; /* at most so much of what was written to it */
	struct connection *next;
	struct connection *previous;
	struct fcgi_record_request request;
	struct buf answer; /* what of it did not fit into the socket yet */
	size_t sent;
};

/* Connections in the order they came, which is that of their deadlines. */
struct queue {
	struct connection *first;
	struct connection *last;
	uint32_t count;
};

struct connections {
	int epoll_fd;
	size_t body_max; /* of a request */
	struct queue waiting;
	struct queue idle; /* between requests */
};

/* Once, after accept(2): how its socket writes. */
void connection_set_up(int fd, sa_family_t family);

/*
 * Take a descriptor in, idle.  used: it has been written to.  It is closed if
 * memory ran out, and NULL returned.
 */
struct connection *connection_adopt(struct connections *all, int fd, bool used);

/*
 * Whether the peer has read what was written to it, or all but little: its
 * socket then takes a short answer without waiting.
 */
bool connection_is_read(struct connection *c);

/* So many bytes were written to it. */
void connection_wrote(struct connection *c, size_t len);

/* Its request has begun; deadlines must not fall from one call to the next. */
void connection_begin(struct connections *all, struct connection *c,
    uint64_t deadline_ms);

/* Its request is answered: it is idle. */
void connection_rest(struct connections *all, struct connection *c);

/* Have epoll tell when it is readable.  Returns false if epoll will not. */
bool connection_watch(const struct connections *all, struct connection *c);

/*
 * Send what is left of c's answer, as far as it goes without waiting.
 *
 * Returns 0 when all is sent, -EAGAIN when epoll will tell that more can be, or
 * -EPIPE.
 */
int connection_send(const struct connections *all, struct connection *c);

/* Free c.  Its descriptor stays open and is returned. */
int connection_release(struct connections *all, struct connection *c);

/* Free c and close its descriptor. */
void connection_drop(struct connections *all, struct connection *c);

/*
 * Descriptors ran out: drop a connection that has nothing to say, the oldest of
 * those kept for a next request or else of those whose request does not come.
 * Whoever knocks has something to say.  Returns false when there is none.
 */
bool connection_make_room(struct connections *all);

#endif
