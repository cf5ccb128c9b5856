/*
 * The verbs of pealctl.
 */
#ifndef PEAL_COMMANDS_H
#define PEAL_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/store.h"
#include "base/buf.h"

/* What the command line says. */
struct ctl {
	char *arena; /* NULL: the usual one */
	char *since; /* NULL: none */
	char *id;    /* NULL: the event gets one of peal's */
	uint32_t limit;
	uint64_t interval_ms;
	uint32_t rounds;
	bool json;
	char *publish_url; /* NULL: the URL itself */
	char *key_file;	   /* NULL: no key */
	struct buf headers;
	uint32_t streams;
	uint64_t patience_ms;
	uint64_t timeout_ms;
	uint64_t stalled_ms; /* 0: not asked for */
	char **owned;
	size_t owned_count;

	struct store store;
	int argc; /* the verb's own words */
	char **argv;
};

struct command {
	const char *name;
	const char *arguments;
	const char *help;
	int least;
	int most;		     /* words; -1: any number */
	const char *options;	     /* that it takes, parted by spaces */
	bool outside;		     /* it wants no arena */
	int (*run)(struct ctl *ctl); /* returns the exit status */
};

extern const struct command verbs[];
extern const size_t verbs_count;

/* Say what is wrong on standard error; why may be empty.  Returns status. */
int commands_complain(int status, const char *what, const char *why);

#endif
