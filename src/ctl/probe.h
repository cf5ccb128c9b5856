/*
 * The mount that doctor examines, and the requests that are made to it: a stream
 * that is held, and posts, one at a time.
 */
#ifndef PEAL_PROBE_H
#define PEAL_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "client/http_client.h"
#include "ctl/exchange.h"
#include "ctl/findings.h"
#include "wire/url.h"

/* What doctor is asked for. */
struct probe_plan {
	const char *url;	 /* to subscribe; "{}" is the channel */
	const char *publish_url; /* NULL: url */
	struct span key;	 /* empty: none */
	struct span headers;	 /* whole lines, with their CR LF */
	uint32_t streams;	 /* to be held at once */
	uint64_t patience_ms;	 /* how long a stream is left silent */
	uint64_t limit_ms;	 /* what must come at once comes within it */
	uint64_t stalled_ms;	 /* how long one is left unread; 0: none is */
};

/* A URL that is spoken to. */
struct probe_mount {
	const char *text; /* the URL as it was given */
	struct url url;
	struct http_client_target target;
	char what[300]; /* the request, for findings */
};

/* Test events that are published before all else. */
#define PROBE_TEST_EVENTS 3

struct probe {
	const struct probe_plan *plan;
	struct probe_mount subscribe;
	struct probe_mount publish;
	char name[64];	  /* of our channels begins so */
	char channel[80]; /* which requests are about now */
	struct findings diagnosis;
	struct exchange stream;
	struct exchange post;
	bool answers_head; /* peal did, to HEAD */
	bool may_publish;
	bool as_stranger; /* posts go without a key, from another address */
	uint32_t number;  /* of test events */
	double delays_ms[PROBE_TEST_EVENTS]; /* of the first, each */
};

/*
 * Take the URLs apart and look their hosts up.  plan stays the caller's.
 *
 * Returns 0, or -EINVAL with the reason on standard error.
 */
int probe_init(struct probe *p, const struct probe_plan *plan);
void probe_fini(struct probe *p);

/* The time limit in milliseconds, to be printed. */
unsigned long long probe_limit(const struct probe *p);

/* Requests are about another channel from here on; "" is the first again. */
void probe_choose_channel(struct probe *p, const char *suffix);

/* Begin to subscribe, or to ask for the head alone. */
void probe_get(const struct probe *p, struct exchange *v, const char *method,
    bool as_browser);

/* Begin to post JSON. */
void probe_post(struct probe *p, struct span body);

/*
 * Publish one event, while these streams are read too.
 * Returns false where no answer came in time.
 */
bool probe_publish(struct probe *p, struct exchange **streams, size_t count);

/* The same with this JSON. */
bool probe_publish_body(struct probe *p, struct exchange **streams,
    size_t count, struct span body);

/* What the answer says: it was stored; it had subscribers. */
bool probe_is_published(const struct probe *p);
bool probe_has_subscribers(const struct probe *p);

#endif
