/*
 * The mount that doctor examines, and the requests that are made to it: a stream
 * that is held, and posts, one at a time.
 */
#ifndef PEAL_PATIENT_H
#define PEAL_PATIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "client/client.h"
#include "ctl/diagnosis.h"
#include "ctl/visit.h"
#include "wire/url.h"

/* What doctor is asked for. */
struct patient_plan {
	const char *url;	 /* to subscribe; "{}" is the channel */
	const char *publish_url; /* NULL: url */
	struct span key;	 /* empty: none */
	struct span headers;	 /* whole lines, with their CR LF */
	uint32_t streams;	 /* to be held at once */
	uint64_t patience_ms;	 /* how long a stream is left silent */
	uint64_t limit_ms;	 /* what must come at once comes within it */
};

/* A URL that is spoken to. */
struct patient_mount {
	const char *text; /* the URL as it was given */
	struct url url;
	struct client_target target;
	char what[300]; /* the request, for findings */
};

struct patient {
	const struct patient_plan *plan;
	struct patient_mount subscribe;
	struct patient_mount publish;
	char channel[64];
	struct diagnosis diagnosis;
	struct visit stream;
	struct visit post;
	bool answers_head; /* peal did, to HEAD */
	bool sent_away;	   /* a stream was, politely */
	bool may_publish;
	uint32_t number; /* of canaries */
};

/*
 * Take the URLs apart and look their hosts up.  plan stays the caller's.
 *
 * Returns 0, or -EINVAL with the reason on standard error.
 */
int patient_init(struct patient *p, const struct patient_plan *plan);
void patient_fini(struct patient *p);

/* The time limit in milliseconds, to be printed. */
unsigned long long patient_limit(const struct patient *p);

/* Begin to subscribe, or to ask for the head alone. */
void patient_get(const struct patient *p, struct visit *v, const char *method,
    bool as_browser);

/* Begin to post JSON. */
void patient_post(struct patient *p, struct span body);

/*
 * Publish one event, while these streams are read too.
 * Returns false where no answer came in time.
 */
bool patient_publish(struct patient *p, struct visit **streams, size_t count);

/* What the answer says: it was stored; it had subscribers. */
bool patient_is_published(const struct patient *p);
bool patient_has_subscribers(const struct patient *p);

#endif
