/*
 * A load: a subscribers and a publishers at work together, and what came of it.
 */
#ifndef PEAL_LOAD_H
#define PEAL_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "bench/delivery_check.h"
#include "bench/proc_usage.h"
#include "bench/publishers.h"
#include "bench/subscribers.h"

/* Processes to be watched, and what they used. */
struct load_watch {
	const char *name;
	struct proc_usage_group group;
	struct proc_usage before; /* any stream was opened */
	struct proc_usage open;	  /* when all were */
	struct proc_usage after;
};

enum load_phase {
	LOAD_FILLING, /* the history, for a replay */
	LOAD_OPENING,
	LOAD_RUNNING,
	LOAD_DRAINING,
};

struct load;

struct load_plan {
	struct subscribers_plan subscribers;
	struct publishers_plan publishers;
	uint64_t events; /* to publish; 0: as long as duration_ms */
	uint64_t duration_ms;
	uint32_t in_flight; /* POSTs: a closed loop; 0: rate */
	uint32_t rate;	    /* events a second: an open loop */
	uint32_t burst;	    /* so many of them at a time */
	uint32_t replay;    /* events a channel, there before the subscribers */
	uint64_t idle_ms;   /* publish nothing, hold the streams */
	struct load_watch *watches;
	size_t watch_count;
	/* Called about once a second. */
	void (*progress)(void *context, const struct load *l);
	void *context;
};

struct load {
	struct load_plan *plan;
	enum load_phase phase;
	struct delivery_check check;
	struct subscribers subscribers;
	struct publishers publishers;
	int epoll_fd;
	int timer_fd;
	uint64_t begun_ns; /* the phase */
	uint64_t end_ns;   /* of publishing: what is due then is not sent */
	uint64_t told_ns;  /* the last progress */
	uint64_t open_ns;  /* how long opening took */
	uint64_t ran_ns;   /* how long running took, to the last delivery */
	uint64_t sent;	   /* events, in this phase */
	bool stuck;	   /* ended since nothing moved any more */
};

/*
 * Run a load.  plan must outlive l; its watches are filled in.
 *
 * Returns 0, or -errno with why told; what went wrong with single streams or POSTs
 * is no error here, but counted.  l must be ended by load_fini() in any case.
 */
int load_run(struct load *l, struct load_plan *plan, struct buf *why);
void load_fini(struct load *l);

#endif
