/*
 * What pealctl shows, in the form that its reader wants: tables for people,
 * lines for programs, JSON.
 */
#ifndef PEAL_LISTING_H
#define PEAL_LISTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "arena/browse.h"
#include "arena/status.h"
#include "base/clock.h"
#include "base/span.h"

enum listing_form {
	LISTING_TABLE,
	LISTING_TEXT, /* fields parted by tabs, which no name holds */
	LISTING_JSON,
};

struct listing {
	FILE *out;
	enum listing_form form;
	bool colours; /* of tables */
	int columns;  /* that a table may take */
};

/* Tables where out is a terminal, else text; JSON where it is asked for. */
void listing_init(struct listing *l, FILE *out, bool json);

/* Begin and end the heading of a table. */
void listing_head(const struct listing *l, const char *heading);

/* The whole state; the workers too.  Returns 0 or -ENOMEM. */
int listing_status(const struct listing *l, const struct status *status,
    struct clock_now now);

int listing_workers(const struct listing *l, const struct status *status,
    struct clock_now now);

/* Sorts the channels by name. */
int listing_channels(const struct listing *l, struct browse_channel *channels,
    size_t count, struct clock_now now);

/* A number of bytes, or a time gone by, as people say it. */
#define LISTING_CHARS 24
void listing_bytes(char out[LISTING_CHARS], uint64_t bytes);
void listing_age(char out[LISTING_CHARS], uint64_t ms);

/* The age of an event, "-" for none. */
void listing_event_age(char out[LISTING_CHARS], uint64_t id,
    struct clock_now now);

#endif
