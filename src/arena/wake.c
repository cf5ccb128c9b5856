/*
 * A byte is written after the append's critical section, never inside: a slow
 * or full FIFO holds nobody up. The counts in layout_worker say when one is on
 * its way already; the order in which a worker raises drained and takes its
 * news makes that safe (layout.h).
 */
#include "arena/wake.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A worker drains within microseconds of being scheduled.  One that has not
 * after this long may be gone with the byte it was sent: it is asked again. */
#define DOUBT_MS 100

/*
 * The path of a slot's FIFO.  The arena's inode is part of the name, so that workers
 * of an arena that was removed and made anew do not read each other's bytes.
 *
 * No memory is allocated: an event that was stored must be told of, whatever is
 * short.  Returns 0 or -errno.
 */
static int
fifo_path(const struct store *s, uint32_t slot, char path[PATH_MAX])
{
	struct stat st;

	if (fstat(s->arena.fd, &st) != 0)
		return -errno;
	int len = snprintf(path, PATH_MAX, "%s.wake.%lx.%u", s->arena.path,
	    (unsigned long)st.st_ino, slot);
	return len < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* Open a FIFO and see that it is one, and ours. */
static int
open_fifo(const char *path, int flags)
{
	struct stat st;
	int fd = open(path, flags | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) &&
	    st.st_uid == geteuid())
		return fd;
	close(fd);
	return -EPERM;
}

static int
open_inbox(const struct store *s, uint32_t slot, struct buf *why)
{
	char path[PATH_MAX] = "a FIFO";
	int fd = fifo_path(s, slot, path);

	if (fd == 0 && mkfifo(path, 0600) != 0 && errno != EEXIST)
		fd = -errno;
	/* Open for writing too, so that it never ends; with the process both
	 * ends are gone. */
	if (fd == 0)
		fd = open_fifo(path, O_RDWR);
	if (fd < 0) {
		buf_put_cstr(why, path);
		buf_put(why, SPAN(": "));
		buf_put_cstr(why, strerror(-fd));
	}
	return fd;
}

/* Remove FIFOs of arenas that were here before and are gone. */
static void
sweep_folder(const struct store *s)
{
	char own[PATH_MAX];
	char folder[PATH_MAX];
	struct dirent *entry;

	if (fifo_path(s, 0, own) != 0)
		return;
	/* Shorter than the path of a FIFO beside it. */
	(void)snprintf(folder, sizeof(folder), "%s", s->arena.path);
	DIR *dir = opendir(dirname(folder));
	if (dir == NULL)
		return;
	/* "arena.wake." and "arena.wake.INODE.": the one we sweep by, and the one
	 * that stays. */
	const char *base =
	    strrchr(own, '/') == NULL ? own : strrchr(own, '/') + 1;
	size_t keep = (size_t)(strrchr(base, '.') - base) + 1;
	size_t stem = keep - 1;
	while (stem > 0 && base[stem - 1] != '.')
		stem--;
	int fd = dirfd(dir);
	while (fd >= 0 && (entry = readdir(dir)) != NULL) {
		if (strncmp(entry->d_name, base, stem) == 0 &&
		    strncmp(entry->d_name, base, keep) != 0)
			(void)unlinkat(fd, entry->d_name, 0);
	}
	closedir(dir);
}

int
wake_attach(struct store *s, struct clock_now now, int *inbox, struct buf *why)
{
	uint32_t slot;
	int rc = arena_claim(&s->arena, &slot);

	if (rc != 0) {
		buf_put_cstr(why, s->arena.path);
		buf_put(why, SPAN(": "));
		buf_put_cstr(why,
		    rc == -EUSERS ? "has no slot left for another worker"
				  : strerror(-rc));
		return rc;
	}
	if (s->opened != ARENA_SHARED)
		sweep_folder(s);
	/* Before the slot says that it is owned: from then on a FIFO without a
	 * reader means a dead worker. */
	*inbox = open_inbox(s, slot, why);
	rc = *inbox < 0 ? *inbox : store_attach(s, slot, now);
	if (rc != 0 && *inbox >= 0) {
		buf_put_cstr(why, s->arena.path);
		buf_put(why, SPAN(": "));
		buf_put_cstr(why, strerror(-rc));
		close(*inbox);
		*inbox = -1;
	}
	if (rc != 0)
		arena_disclaim(&s->arena, slot);
	return rc;
}

bool
wake_in_place(const struct store *s, int inbox)
{
	char path[PATH_MAX];
	struct stat open_one;
	struct stat there;

	return fifo_path(s, s->slot, path) == 0 &&
	    fstat(inbox, &open_one) == 0 && stat(path, &there) == 0 &&
	    open_one.st_dev == there.st_dev &&
	    open_one.st_ino == there.st_ino && arena_in_place(&s->arena);
}

void
wake_detach(struct store *s, int inbox)
{
	char path[PATH_MAX];

	/* While the slot is still ours: afterwards the name may be another's. */
	if (fifo_path(s, s->slot, path) == 0)
		(void)unlink(path);
	close(inbox);
	store_detach(s);
}

void
wake_drain(struct store *s, int inbox)
{
	struct layout_worker *worker = &s->arena.workers[s->slot];
	char bytes[256];

	while (read(inbox, bytes, sizeof(bytes)) == (ssize_t)sizeof(bytes))
		continue;
	/* After the bytes were read and before the news are: who saw the old
	 * count appended before we look. */
	atomic_fetch_add(&worker->drained, 1);
}

static void
keep_spare(struct wake *w)
{
	if (w->spare < 0)
		w->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int
wake_init(struct wake *w, struct store *s, uint32_t open_max)
{
	*w = (struct wake){ .store = s, .open_max = open_max, .spare = -1 };
	keep_spare(w);
	w->fds = calloc(s->arena.worker_count, sizeof(w->fds[0]));
	if (w->fds == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < s->arena.worker_count; i++)
		w->fds[i] = -1;
	return registry_wakes_init(&w->due, &s->arena);
}

static void
forget_fd(struct wake *w, uint32_t slot)
{
	if (w->fds[slot] < 0)
		return;
	close(w->fds[slot]);
	w->fds[slot] = -1;
	w->open--;
}

void
wake_fini(struct wake *w)
{
	if (w->fds != NULL) {
		for (uint32_t i = 0; i < w->store->arena.worker_count; i++)
			forget_fd(w, i);
	}
	free(w->fds);
	if (w->spare >= 0)
		close(w->spare);
	registry_wakes_fini(&w->due);
	*w = (struct wake){ .spare = -1 };
}

/* Returns 0 when a byte is on its way, else -errno. */
static int
write_byte(int fd)
{
	if (write(fd, "!", 1) == 1 || errno == EAGAIN)
		return 0;
	return -errno;
}

/* Send the byte, through the kept descriptor or a new one. */
static int
send_byte(struct wake *w, uint32_t slot)
{
	if (w->fds[slot] >= 0) {
		if (write_byte(w->fds[slot]) == 0)
			return 0;
		/* EPIPE: its reader is gone; there may be a new one. */
		forget_fd(w, slot);
	}
	char path[PATH_MAX];
	int fd = fifo_path(w->store, slot, path);
	if (fd != 0)
		return fd;
	fd = open_fifo(path, O_WRONLY);
	if ((fd == -EMFILE || fd == -ENFILE) && w->spare >= 0) {
		/* Whoever published has been, or will be, told that it is
		 * stored: streams must hear of it whatever else is short. */
		close(w->spare);
		w->spare = -1;
		fd = open_fifo(path, O_WRONLY);
	}
	int rc = fd < 0 ? fd : write_byte(fd);
	if (rc == 0 && w->open < w->open_max && w->spare >= 0) {
		w->fds[slot] = fd;
		w->open++;
	} else if (fd >= 0) {
		close(fd);
	}
	keep_spare(w);
	return rc;
}

/* Returns true if the worker was found gone. */
static bool
wake_one(struct wake *w, uint32_t slot, struct clock_now now)
{
	struct layout_worker *worker = &w->store->arena.workers[slot];
	uint32_t session = worker->session;
	uint32_t drained = atomic_load(&worker->drained);

	if (w->store->attached && slot == w->store->slot) {
		w->own_news = true;
		return false;
	}
	if (atomic_load(&worker->woken) == drained &&
	    now.boot_ms - atomic_load(&worker->woken_ms) < DOUBT_MS)
		return false;
	int rc = send_byte(w, slot);
	if (rc == 0) {
		atomic_store(&worker->woken_ms, now.boot_ms);
		atomic_store(&worker->woken, drained);
	}
	if (rc != -ENXIO && rc != -ENOENT && rc != -EPIPE)
		return false;
	(void)store_reap(w->store, slot, session);
	return true;
}

/*
 * Wake the workers in w->due.  A worker that was woken and has not looked yet
 * costs nothing.
 *
 * Returns how many were found gone; their registrations were ended, so
 * subscriber counts taken before are too high.
 */
static uint32_t
wake_listeners(struct wake *w, struct clock_now now)
{
	uint32_t gone = 0;

	for (uint32_t i = 0; i < w->due.count; i++) {
		if (wake_one(w, w->due.slots[i], now))
			gone++;
	}
	return gone;
}

int
wake_append(struct wake *w, struct clock_now now,
    const struct store_event *events, size_t count,
    struct store_appended *appended)
{
	int rc = store_append(w->store, now, events, count, appended, &w->due);

	if (rc != 0 || wake_listeners(w, now) == 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (!appended[i].duplicate)
			(void)store_subscribers(w->store, events[i].channel,
			    &appended[i].subscribers);
	}
	return 0;
}
