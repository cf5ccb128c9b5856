/*
 * What pealctl shows, in the form that its reader wants: tables for people,
 * lines for programs, JSON.
 */
#ifndef PEAL_TABLE_OUTPUT_H
#define PEAL_TABLE_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "arena/browse.h"
#include "arena/status.h"
#include "base/clock.h"
#include "base/span.h"

enum table_output_form {
	TABLE_OUTPUT_TABLE,
	TABLE_OUTPUT_TEXT, /* fields parted by tabs, which no name holds */
	TABLE_OUTPUT_JSON,
};

struct table_output {
	FILE *out;
	enum table_output_form form;
	bool colours; /* of tables */
	int columns;  /* that a table may take */
};

/* Tables where out is a terminal, else text; JSON where it is asked for. */
void table_output_init(struct table_output *l, FILE *out, bool json);

/* Begin and end the heading of a table. */
void table_output_head(const struct table_output *l, const char *heading);

/* The whole state; the workers too.  Returns 0 or -ENOMEM. */
int table_output_status(const struct table_output *l,
    const struct status *status, struct clock_now now);

int table_output_workers(const struct table_output *l,
    const struct status *status, struct clock_now now);

/* Sorts the channels by name. */
int table_output_channels(const struct table_output *l,
    struct browse_channel *channels, size_t count, struct clock_now now);

/* A number of bytes, or a time gone by, as people say it. */
#define TABLE_OUTPUT_CHARS 24
void table_output_bytes(char out[TABLE_OUTPUT_CHARS], uint64_t bytes);
void table_output_age(char out[TABLE_OUTPUT_CHARS], uint64_t ms);

/* The age of an event, "-" for none. */
void table_output_event_age(char out[TABLE_OUTPUT_CHARS], uint64_t id,
    struct clock_now now);

#endif
