/*
 * The configuration of a web server on this machine, as far as doctor reads it: its
 * text, and in that the sockets and the directives that matter to peal.  No server's
 * language is understood as a whole.
 */
#ifndef PEAL_SERVER_CONFIG_H
#define PEAL_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/span.h"

struct server_config {
	struct buf text;	/* without lines that are comments */
	struct buf environment; /* NAME=value, each with a NUL behind it */
};

/*
 * Read what the command line of a server, each word with a NUL behind it, names as its
 * configuration, or else what is usual for a program of that name on Debian.
 * environment is that of its process, and copied.  What cannot be read is left out.
 */
void server_config_read(struct server_config *c, const char *program,
    struct span arguments, struct span environment);
void server_config_fini(struct server_config *c);

/*
 * The next path of a unix socket that is peal's by its name, from *at on, with
 * variables filled in.  Returns false where there is none.
 */
bool server_config_socket(const struct server_config *c, size_t *at,
    struct buf *path);

/*
 * The first word behind a directive that begins a line, the last time it is there;
 * quotes are left out, and variables filled in.  Returns false where it is not.
 */
bool server_config_value(const struct server_config *c, const char *directive,
    struct buf *value);

/* The same as a number. */
bool server_config_number(const struct server_config *c, const char *directive,
    uint64_t *number);

/* Whether the text holds these words, in that spelling or another. */
bool server_config_has(const struct server_config *c, const char *words);

#endif
