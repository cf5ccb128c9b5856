/*
 * Connections from the web server: their states, what is read from them and what
 * is written to them.
 *
 *	           bytes            whole              all of the reply is written,
 *	   IDLE ---------> READING -------> HANDLING ---------------------------------+
 *	    ^                |               |  |  ^                                  |
 *	    |                |     lock busy |  |  | again                            |
 *	    |                |               v  |  |                                  |
 *	    |                |            WAITING -+                                  |
 *	    |                |                  |                                     |
 *	    |                |                  +--> REPLYING --- all is written ---->+
 *	    |                |                  |                                     |
 *	    |                |                  +--> STREAMING <---> BLOCKED          |
 *	    |                |                          |               |             |
 *	    |                |                          +--- ended -----+------------>+
 *	    |                |                                          |             |
 *	    +----------------|---- the web server keeps it -------------|-------------+
 *	                     v                                          v             |
 *	                   CLOSED <---- an error, gone, too late, stalled             |
 *	                     ^                                                        |
 *	                     +------------- the web server does not keep it ----------+
 *
 * READING has a deadline for the whole request, however slowly it comes; so has
 * REPLYING.  WAITING holds a whole request whose answer depends on something that is
 * not to be had now; it keeps its place in the list while it is handled again.  HANDLING is left within the same turn.  CLOSED connections
 * are freed at the end of the turn, since events of it may still name them.
 *
 * Descriptors are blocking, as FCGX streams demand; what is written is known to fit.
 */
#ifndef PEAL_CONNECTION_H
#define PEAL_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/span.h"
#include "server/fcgi.h"
#include "server/publish.h"
#include "wire/fcgi_record.h"

struct stream;

enum connection_state {
	CONNECTION_READING,
	CONNECTION_HANDLING,
	CONNECTION_WAITING,
	CONNECTION_REPLYING,
	CONNECTION_STREAMING,
	CONNECTION_BLOCKED, /* a stream that wants EPOLLOUT */
	CONNECTION_IDLE,
	CONNECTION_CLOSED,
};

struct connection {
	int fd;
	uint16_t id;	      /* of the request; valid from HANDLING on */
	bool keep;	      /* FCGI_KEEP_CONN */
	bool is_admitted;     /* its body is wanted */
	bool is_answered;     /* READING the rest of a body that nobody wants */
	uint8_t state;	      /* enum connection_state */
	uint32_t watched;     /* epoll's events; 0: not in it */
	uint32_t credit;      /* bytes that can be written without asking */
	uint64_t deadline_ms; /* BLOCKED: since when; boot clock */
	struct connection *next; /* in the list of its state */
	struct connection *previous;
	/* READING to WAITING; of a stream, what came of a record; or NULL */
	struct fcgi_record_request *request;
	struct publish *publish;      /* WAITING with a long batch; or NULL */
	struct connection_rest *rest; /* REPLYING */
	struct stream *stream;	      /* STREAMING, BLOCKED */
};

/* Connections in the order they came to a state. */
struct connection_list {
	struct connection *first;
	struct connection *last;
	uint32_t count;
};

struct connections {
	struct fcgi *fcgi;
	int epoll_fd;	    /* has each with its pointer as data */
	size_t body_max;    /* of a request */
	uint32_t conns_max; /* FCGI_MAX_CONNS, if asked; the caller sets it */
	struct connection_list
	    busy; /* READING, REPLYING: oldest deadline first */
	struct connection_list waiting;	   /* WAITING: oldest first */
	struct connection_list idle;	   /* IDLE */
	struct connection_list closed;	   /* CLOSED, to be freed */
	struct fcgi_record_request *spare; /* for who reads next */
	uint32_t writes; /* counted up; whoever bounds their number resets it */
};

/* Once, after accept(2): how its socket writes. */
void connection_set_up(int fd, sa_family_t family);

void connections_init(struct connections *all, struct fcgi *fcgi, int epoll_fd,
    size_t body_max);

/* Close and free all connections; streams must have ended. */
void connections_fini(struct connections *all);

/*
 * Take a descriptor in, READING.  It is closed if memory ran out, and NULL
 * returned.
 */
struct connection *connection_adopt(struct connections *all, int fd,
    uint64_t deadline_ms);

/*
 * Receive what is there, at most once, into its request.
 *
 * Returns 1 when there may be more at once, 0 when there is not, -EAGAIN when
 * there was nothing, -ENOMEM, or -EPIPE at its end or at an error.
 */
int connection_receive(struct connections *all, struct connection *c);

/*
 * Move to a state that a list stands for, or out of all lists.  deadline_ms counts
 * for READING, WAITING and REPLYING, where it must not fall from one call to the
 * next, and for BLOCKED is the time it began.  Nothing moves from CLOSED.
 */
void connection_move(struct connections *all, struct connection *c,
    enum connection_state state, uint64_t deadline_ms);

/* Have epoll report events.  Returns false, and CLOSED, if epoll will not. */
bool connection_watch(struct connections *all, struct connection *c,
    uint32_t events);

/*
 * Write a part of the response, as far as the descriptor takes it without
 * blocking; end: the end of the request stands behind it, and goes with its last
 * byte.  One write for up to FCGI_WRITE_MAX bytes.
 *
 * Returns how many bytes were written.  *whole tells whether all was, the end
 * too; where it was not, the connection is CLOSED or must wait for EPOLLOUT.
 */
size_t connection_write(struct connections *all, struct connection *c,
    struct span bytes, bool end, bool *whole);

/*
 * Answer the request and end it.  A peer that does not read must not hold up the
 * loop: what it does not take now is copied, and REPLYING sends it.
 *
 * Returns true when all is written.  The connection is CLOSED where it failed.
 */
bool connection_reply(struct connections *all, struct connection *c,
    struct span head, struct span body, uint64_t deadline_ms);

/* Go on with a reply.  Returns as connection_reply(). */
bool connection_reply_more(struct connections *all, struct connection *c);

/*
 * The request is answered to its end: IDLE where the web server keeps the
 * connection, else CLOSED.  It gives its request back, unless more bytes came
 * behind that; returns true then, where they wait to be looked at.
 */
bool connection_finish(struct connections *all, struct connection *c);

/*
 * Send what reading has put into the request's to_peer, before or between the
 * records of an answer.  Returns false, and CLOSED, where the peer does not take
 * all of it now.
 */
bool connection_send_to_peer(struct connections *all, struct connection *c);

/*
 * Look at bytes that have come while a request is being answered, and at what came
 * behind it; what they make peal send is sent.  Returns as
 * fcgi_record_look_beside().
 */
enum fcgi_record_verdict connection_look_beside(struct connections *all,
    struct connection *c, struct span bytes);

/* It becomes a stream: its request is given back, unless a part of a record came
 * behind that, and writes are bounded. */
void connection_begin_stream(struct connections *all, struct connection *c,
    struct stream *stream);

/* Close at the end of the turn. */
void connection_close(struct connections *all, struct connection *c);

/* Close and free what is CLOSED. */
void connections_reap(struct connections *all);

/*
 * Descriptors ran out: close a connection that has nothing to say, the oldest of
 * those kept for a next request or else of those whose request does not come.
 * Whoever knocks has something to say.  Its descriptor is free at once.  Returns
 * false when there is none.
 */
bool connections_make_room(struct connections *all);

#endif
