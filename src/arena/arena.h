/*
 * The arena's file: making it, opening it, its mapping and its lock.
 * The only module that says pthread_mutex.
 *
 * Three kinds of file locks say who is there, and the kernel lets them go when a
 * process dies: FILE.lock is held while a file is opened or made; byte 1 of
 * the arena is shared by all that have it open; byte 64 + N belongs to the owner
 * of worker slot N.  They are open-file-description locks, so a child that
 * inherits the descriptor shares them: open the arena after fork().
 */
#ifndef PEAL_ARENA_H
#define PEAL_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/layout.h"
#include "base/buf.h"

/* Least file size; below it there is no room for one large event. */
#define ARENA_SIZE_MIN (UINT64_C(256) * 1024)
#define ARENA_SIZE_MAX (UINT64_C(1) << 39)

/*
 * How much the critical sections of this handle have to do.  A step is a block, a
 * bucket or a worker's slot that is looked at, each of which may have to come from
 * memory: about 0.1 us.
 */
struct arena_meter {
	uint64_t steps; /* of the section that runs, or ran last */
	uint64_t most;	/* of any section so far */

	/* For tests, which have sections end early and look between two. */
	uint64_t limit; /* 0: CRITICAL_STEPS */
	void (*between)(void *context);
	void *context;
};

/*
 * An open arena.  The geometry is copied out of the header once it was
 * checked, and so is the key of the hash: bytes in the file are input, and may
 * change under us.
 */
struct arena {
	struct arena_meter *meter;
	int fd;
	int opening_fd; /* the opening lock, between open and settle */
	char *path;
	void *map;
	size_t map_len;
	struct layout_header *header;
	struct layout_change *changes;
	uint64_t noted; /* words of the header in the journal; see journal.c */
	struct layout_worker *workers;
	struct layout_bucket *buckets;
	struct layout_block *blocks;
	uint32_t block_count;
	uint32_t bucket_count;
	uint32_t worker_count;
	struct siphash_key hash_key;
	uint32_t lock_wait_us; /* how long arena_lock() waits; 0: two seconds */
};

enum arena_state {
	ARENA_SHARED, /* others have it open */
	ARENA_ALONE,  /* nobody had: repair it, then call arena_settle() */
	ARENA_MADE,   /* as ALONE, and it is new */
};

/*
 * Open path, making it and its folder when size is not 0.
 *
 * An arena that others have open is taken as it is, whatever its size.  One
 * that nobody has open and that is of another size or format is made anew.  A file
 * that is no arena at all is refused and left alone.  The folder is made
 * with mode 0700; it and the file must belong to the effective user, be no symbolic
 * link, and others must not be able to write into the one or open the other.
 *
 * On success *state tells, and for ALONE and MADE the opening lock is held until
 * arena_settle(): the mutex has been initialised.
 *
 * Returns 0, or, with why holding one line that names the file:
 *   -ENOENT   it is not there, and size is 0
 *   -EPERM    the folder or file is not ours, open to others, or a link
 *   -ENOTSUP  another format, and others have it open
 *   -EINVAL   it is no arena
 *   -ENOSPC   no room for it
 *   -EBUSY    another process takes longer than 10 s to open it
 *   other -errno from the system
 */
int arena_open(struct arena *a, const char *path, uint64_t size,
    enum arena_state *state, struct buf *why);

/* After ALONE or MADE: let others in. */
void arena_settle(struct arena *a);

/* a may be half open or already closed. */
void arena_close(struct arena *a);

/*
 * Lock the arena.  Under it only memory may move: no system call, no
 * allocation, no logging.
 *
 * Returns 0, or
 *   -EOWNERDEAD  locked, and the last owner died inside: repair it, then
 *                call arena_consistent()
 *   -ETIMEDOUT   not within lock_wait_us
 *   -ENOTRECOVERABLE, -EINVAL  the lock itself is lost
 */
int arena_lock(struct arena *a);
void arena_consistent(struct arena *a);
void arena_unlock(struct arena *a);

/*
 * The lock of appending, which is taken before the other and held over several
 * sections of it.  Whoever finds that its owner died gets it all the same: what that
 * one has begun shows in the lists.
 *
 * Returns 0, or as arena_lock(), -EOWNERDEAD excepted.
 */
int arena_lock_append(struct arena *a);
void arena_unlock_append(struct arena *a);

/*
 * Between two sections of one operation: let those have the lock who wait for it.
 * Without a pause the one who unlocks has it again before another has woken.
 */
void arena_yield(const struct arena *a);

/*
 * Take a worker slot that no living process owns.
 *
 * Returns 0, or -EUSERS when all are taken, or -errno.
 */
int arena_claim(struct arena *a, uint32_t *slot);
/* True if another process, or another opening of the file, owns the slot. */
bool arena_is_claimed(const struct arena *a, uint32_t slot);

void arena_disclaim(struct arena *a, uint32_t slot);

/* False once the file was removed, or replaced by another of its name. */
bool arena_is_linked(const struct arena *a);

/* True if the file at the path is still the one that is open. */
bool arena_in_place(const struct arena *a);

#endif
