/*
 * Requests: connections are accepted, their requests read, handled and answered,
 * or made streams of.
 *
 * Nothing here waits for one peer.  Connections are read as far as their bytes go,
 * each with a deadline for the whole of its request; a reply is written as far as its
 * peer takes it; a request that cannot be answered now, since the arena's lock is
 * busy, waits in its connection.
 */
#ifndef PEAL_REQUESTS_H
#define PEAL_REQUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "server/connection.h"
#include "server/fanout.h"
#include "server/handler.h"
#include "server/status_feed.h"
#include "server/web_servers.h"

/* Patience with the arena's lock while others wait for the loop.  Longer waits are
 * the requests' own. */
#define REQUESTS_LOCK_WAIT_US 1000

struct requests {
	struct connections *connections;
	struct handler *handler;
	struct fanout *fanout;
	struct status_feed *status_feed;
	const struct web_servers *web_servers; /* who may connect */
	int listen_fd;
	uint32_t busy_max;	/* connections whose request is not whole */
	bool more;		/* the last accept(2) was followed by another */
	bool stopping;		/* new streams are refused */
	uint64_t rest_until_ms; /* the socket is out of epoll; 0: it is in */
	uint64_t
	    refuse_until_ms;  /* what the lock keeps waiting fails at once */
	bool lock_is_busy;    /* as the last try found it */
	uint64_t next_try_ms; /* for those who wait; 0: nobody does */
};

/* Let epoll report the listening socket, which is set to be non-blocking.  Returns
 * 0 or -errno. */
int requests_listen(struct requests *q);

/* Let it report that no more. */
void requests_stop_listening(struct requests *q);

/* The listening socket is readable: accept some, and read what they bring. */
void requests_accept(struct requests *q, struct clock_now now);

/* epoll reported something of a connection that is no stream. */
void requests_event(struct requests *q, struct connection *c, uint32_t events,
    struct clock_now now);

/* Close what is late, accept again, try again those who wait; as far as due. */
void requests_timers(struct requests *q, struct clock_now now);

/* When requests_timers() has something to do; UINT64_MAX: never. */
uint64_t requests_deadline(const struct requests *q);

#endif
