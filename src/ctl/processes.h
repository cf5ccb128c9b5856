/*
 * The processes of this machine, as /proc shows them to root.
 *
 * They come and go: what is looked up may be gone a moment later, and then is not
 * found.
 */
#ifndef PEAL_PROCESSES_H
#define PEAL_PROCESSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define PROCESSES_MAX 512
#define PROCESSES_NAME_MAX 16

/* By rising process ID, of which no more than PROCESSES_MAX count. */
struct processes {
	pid_t pids[PROCESSES_MAX];
	size_t count;
};

/* Those that listen at a TCP port, and at the path of a unix socket. */
void processes_at_port(uint16_t port, struct processes *found);
void processes_at_socket(const char *path, struct processes *found);

/* Those whose program is called so. */
void processes_called(const char *name, struct processes *found);

/* The program's name, NUL-terminated; "" for a process that is gone. */
void processes_name(pid_t pid, char name[PROCESSES_NAME_MAX]);

/* Append its command line or its environment, each word with a NUL behind it. */
void processes_arguments(pid_t pid, struct buf *out);
void processes_environment(pid_t pid, struct buf *out);

/* The user it runs as; false for a process that is gone. */
bool processes_user(pid_t pid, uid_t *uid);

/* Whether parent is above pid. */
bool processes_is_below(pid_t pid, pid_t parent);

/*
 * Append the path of the first file that it has mapped and that is still there, whose
 * path holds part; shared: and that it shares with others.  Returns false where there is
 * none.
 */
bool processes_mapped(pid_t pid, const char *part, bool shared,
    struct buf *path);

/*
 * Connect to a unix socket as this process would: from below its root folder, as its
 * user and its groups.
 *
 * Returns 0, or the -errno that it would get; -ECHILD where it cannot be tried.
 */
int processes_try_socket(pid_t pid, const char *path);

#endif
