/*
 * The options of peal.fcgi: the command line, peal.conf, defaults.
 *
 * One table says name, value, default and help of each; --help, the parser of
 * the command line and the parser of the file all read it.
 */
#ifndef PEAL_OPTIONS_H
#define PEAL_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/log.h"
#include "server/web_servers.h"
#include "wire/access.h"
#include "wire/reply.h"

struct options {
	char *config; /* NULL: none */
	char *listen; /* NULL: descriptor 0, or LISTEN_FDS */
	unsigned socket_mode;
	unsigned workers; /* 0: not said */
	char *arena;	  /* never NULL after options_read() */
	uint64_t arena_size;
	uint64_t max_age_ms;
	uint32_t max_events;
	uint64_t max_event_size;
	uint64_t max_body;
	uint64_t retry_ms;
	uint64_t heartbeat_ms; /* 0: off */
	uint64_t stall_timeout_ms;
	uint64_t coalesce_ms;
	uint32_t max_streams;	    /* 0: by the descriptor limit */
	uint64_t max_stream_age_ms; /* 0: none */
	char *channel_param;
	unsigned roles;		/* a set of enum access_role */
	char *publish_key_file; /* NULL: none */
	struct reply_cors cors;
	enum log_level log;
	bool syslog;
	bool check; /* read everything, say what is wrong, exit */

	char *key_text; /* the key file's text, which keys points into */
	struct access_keys keys;
	struct web_servers web_servers; /* FCGI_WEB_SERVER_ADDRS */
	char **owned; /* every string above */
	size_t owned_count;
};

enum options_outcome {
	OPTIONS_RUN, /* go on */
	OPTIONS_SAID, /* --help or --version: text goes to standard output, exit 0 */
	OPTIONS_USAGE,	/* the command line is wrong: exit 64 (EX_USAGE) */
	OPTIONS_CONFIG, /* a value or a file is wrong: exit 78 (EX_CONFIG) */
};

/*
 * Read the command line and, where --config names one, the file; the command
 * line wins.  --roles and --cors-origin from the command line replace the
 * file's.  Files are read here: the configuration and the key file.
 *
 * The key file must be a regular file, at most 64 KiB, and not readable by
 * others.  The arena's default is $RUNTIME_DIRECTORY/arena, else
 * /dev/shm/peal-UID/arena.
 *
 * max-event-size is 64K where nobody says it, or an eighth of a small arena.
 *
 * Sizes take K, M and G (1024 each); times take ms, s, m, h and d, and a bare
 * number is seconds, except for --retry and --coalesce, where it is
 * milliseconds.
 *
 * Returns the outcome.  For all but RUN, text holds what to print, which ends
 * with a newline: "peal.fcgi: " and one line that names the option, value or
 * file and, for a file, its line number; where memory ran out for that,
 * buf_error(text) tells, and the outcome is CONFIG or USAGE.  o must be ended by options_fini() in
 * any case.
 */
enum options_outcome options_read(struct options *o, int argc, char **argv,
    struct buf *text);

/*
 * Read the key file again (SIGHUP).
 *
 * Returns 0, or -errno with the old keys kept and text telling why, for the
 * log: without a newline.
 */
int options_reload_keys(struct options *o, struct buf *text);

void options_fini(struct options *o);

#endif
