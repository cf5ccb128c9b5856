/*
 * The order in which an arena is opened: take FILE.lock, open or make the file,
 * try byte 1 alone. Whoever gets it alone checks and repairs the file and
 * initialises the mutex, then shares byte 1 and gives FILE.lock back
 * (arena_settle); all others find byte 1 shared and only attach. A process that
 * dies anywhere in between leaves no lock behind, since the kernel ends them,
 * and the next one begins from the start.
 */
#include "arena/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/filelock.h"

#define ALIVE_BYTE 1
#define SLOT_BYTE 64
#define LOCK_WAIT_US 2000000
/* A process that waits for the lock is awake within less. */
#define YIELD_NS 100000

struct geometry {
	uint64_t file_size;
	uint32_t block_count;
	uint32_t bucket_count;
	uint32_t worker_count;
};

static int
fail(struct buf *why, int error, const char *path, const char *what)
{
	buf_put_cstr(why, path);
	buf_put(why, SPAN(": "));
	buf_put_cstr(why, what);
	if (what[0] == '\0')
		buf_put_cstr(why, strerror(error));
	return -error;
}

static uint64_t
blocks_at(const struct geometry *g)
{
	return LAYOUT_HEADER_SIZE +
	    LAYOUT_CHANGES * sizeof(struct layout_change) +
	    (uint64_t)g->worker_count * sizeof(struct layout_worker) +
	    (uint64_t)g->bucket_count * sizeof(struct layout_bucket);
}

/* Share size out: a slot for each KiB, at most 2048, and a bucket for eight blocks. */
static struct geometry
geometry_of(uint64_t size)
{
	struct geometry g = { .file_size = size / 4096 * 4096 };
	uint64_t workers = size / 2048;

	g.worker_count = workers > 2048 ? 2048 : (uint32_t)workers;
	g.bucket_count = 64;
	while (g.bucket_count < size / LAYOUT_BLOCK_SIZE / 8 &&
	    g.bucket_count < UINT32_C(1) << 24)
		g.bucket_count *= 2;
	g.block_count =
	    (uint32_t)((g.file_size - blocks_at(&g)) / LAYOUT_BLOCK_SIZE);
	return g;
}

static bool
geometry_equal(const struct geometry *g, const struct layout_header *h)
{
	return h->file_size == g->file_size &&
	    h->block_size == LAYOUT_BLOCK_SIZE &&
	    h->block_count == g->block_count &&
	    h->bucket_count == g->bucket_count &&
	    h->worker_count == g->worker_count;
}

/* Check what lstat or fstat told of a folder or file that must be our own. */
static int
check_owned(const struct stat *st, mode_t type, const char *path,
    struct buf *why)
{
	if (S_ISLNK(st->st_mode))
		return fail(why, EPERM, path, "is a symbolic link");
	if ((st->st_mode & S_IFMT) != type)
		return fail(why, EPERM, path,
		    type == S_IFDIR ? "is not a folder" : "is not a file");
	if (st->st_uid != geteuid())
		return fail(why, EPERM, path, "belongs to another user");
	/* A folder of another mode is fine while nobody else can put files
	 * into it: systemd makes a RuntimeDirectory with 0755. */
	if ((st->st_mode & (type == S_IFDIR ? 0022 : 0077)) != 0)
		return fail(why, EPERM, path,
		    type == S_IFDIR ? "is writable by other users"
				    : "is open to other users");
	return 0;
}

static int
check_folder(const char *path, bool make, struct buf *why)
{
	char *copy = strdup(path);
	struct stat st;
	int rc;

	if (copy == NULL)
		return fail(why, ENOMEM, path, "");
	const char *folder = dirname(copy);
	if (make && mkdir(folder, 0700) != 0 && errno != EEXIST)
		rc = fail(why, errno, folder, "");
	else if (lstat(folder, &st) != 0)
		rc = fail(why, errno, folder,
		    errno == ENOENT ? "there is no such folder" : "");
	else
		rc = check_owned(&st, S_IFDIR, folder, why);
	free(copy);
	return rc;
}

static int
open_owned(const char *path, int flags, int *fd, struct buf *why)
{
	struct stat st;

	*fd = open(path, flags | O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK,
	    0600);
	if (*fd < 0) {
		if (errno == ELOOP)
			return fail(why, EPERM, path, "is a symbolic link");
		if (errno == ENOENT)
			return fail(why, ENOENT, path, "there is no arena");
		return fail(why, errno, path, "");
	}
	int rc = fstat(*fd, &st) == 0 ? check_owned(&st, S_IFREG, path, why)
				      : fail(why, errno, path, "");
	if (rc != 0) {
		close(*fd);
		*fd = -1;
	}
	return rc;
}

static int
init_mutex(pthread_mutex_t *mutex)
{
	pthread_mutexattr_t attributes;
	int rc = pthread_mutexattr_init(&attributes);

	if (rc != 0)
		return -rc;
	rc = pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
	if (rc == 0)
		rc = pthread_mutexattr_setrobust(&attributes,
		    PTHREAD_MUTEX_ROBUST);
	if (rc == 0) {
		/* sizeof copies nothing.
		 * NOLINTNEXTLINE(cert-fio38-c,misc-non-copyable-objects,clang-analyzer-core.NonNullParamChecker) */
		memset(mutex, 0, sizeof(*mutex));
		rc = pthread_mutex_init(mutex, &attributes);
	}
	pthread_mutexattr_destroy(&attributes);
	return -rc;
}

/* Write the header of a file that is all zeroes. */
static int
format_file(int fd, const struct geometry *g)
{
	struct timespec now;
	struct layout_header h = {
		.format = LAYOUT_FORMAT,
		.block_size = LAYOUT_BLOCK_SIZE,
		.block_count = g->block_count,
		.bucket_count = g->bucket_count,
		.worker_count = g->worker_count,
		.file_size = g->file_size,
		.fresh = 1,
	};

	memcpy(h.magic, LAYOUT_MAGIC, sizeof(h.magic));
	int rc = siphash_key_make(&h.hash_key);
	if (rc != 0)
		return rc;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -errno;
	h.made_ms =
	    (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	ssize_t done = pwrite(fd, &h, sizeof(h), 0);
	if (done < 0)
		return -errno;
	return done == (ssize_t)sizeof(h) ? 0 : -EIO;
}

/*
 * Make the file beside its place and move it there, so that a file which is
 * seen is whole.  Its room is taken now: what the file system cannot hold is
 * an error here and never a SIGBUS later.
 */
static int
make_file(const char *path, const struct geometry *g, int *fd, struct buf *why)
{
	char *beside = NULL;
	int rc;

	if (asprintf(&beside, "%s.new", path) < 0)
		return fail(why, ENOMEM, path, "");
	(void)unlink(beside);
	rc = open_owned(beside, O_CREAT | O_EXCL, fd, why);
	if (rc == 0) {
		rc = -posix_fallocate(*fd, 0, (off_t)g->file_size);
		if (rc == 0)
			rc = format_file(*fd, g);
		if (rc == 0 && rename(beside, path) != 0)
			rc = -errno;
		if (rc != 0) {
			rc = fail(why, -rc, path,
			    rc == -ENOSPC ? "no room for an arena of this size"
					  : "");
			close(*fd);
			*fd = -1;
			(void)unlink(beside);
		}
	}
	free(beside);
	return rc;
}

enum verdict { VERDICT_GOOD, VERDICT_EMPTY, VERDICT_OTHER, VERDICT_ALIEN };

/* Judge the file by its header; *g is its geometry where it is GOOD. */
static enum verdict
judge_file(int fd, struct geometry *g)
{
	struct layout_header h;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return VERDICT_ALIEN;
	if (st.st_size == 0)
		return VERDICT_EMPTY;
	if (pread(fd, &h, sizeof(h), 0) != (ssize_t)sizeof(h) ||
	    memcmp(h.magic, LAYOUT_MAGIC, sizeof(h.magic)) != 0)
		return VERDICT_ALIEN;
	if (h.format != LAYOUT_FORMAT || h.file_size < ARENA_SIZE_MIN ||
	    h.file_size > ARENA_SIZE_MAX || (uint64_t)st.st_size != h.file_size)
		return VERDICT_OTHER;
	*g = geometry_of(h.file_size);
	return geometry_equal(g, &h) ? VERDICT_GOOD : VERDICT_OTHER;
}

static int
map_file(struct arena *a, const struct geometry *g, struct buf *why)
{
	a->map_len = (size_t)g->file_size;
	/* The analyzer thinks that find_file() fails by fail() and returns 0.
	 * NOLINTNEXTLINE(clang-analyzer-unix.StdCLibraryFunctions) */
	a->map = mmap(NULL, a->map_len, PROT_READ | PROT_WRITE, MAP_SHARED,
	    a->fd, 0);
	if (a->map == MAP_FAILED) {
		a->map = NULL;
		return fail(why, errno, a->path, "");
	}
	char *at = a->map;
	a->header = (struct layout_header *)(void *)at;
	at += LAYOUT_HEADER_SIZE;
	a->changes = (struct layout_change *)(void *)at;
	at += LAYOUT_CHANGES * sizeof(struct layout_change);
	a->workers = (struct layout_worker *)(void *)at;
	at += g->worker_count * sizeof(struct layout_worker);
	a->buckets = (struct layout_bucket *)(void *)at;
	at += g->bucket_count * sizeof(struct layout_bucket);
	a->blocks = (struct layout_block *)(void *)at;
	a->block_count = g->block_count;
	a->bucket_count = g->bucket_count;
	a->worker_count = g->worker_count;
	a->hash_key = a->header->hash_key;
	return 0;
}

/*
 * Find or make the file, under the opening lock.  On success a->fd is open and
 * its alive byte locked: for ourselves alone unless *state is ARENA_SHARED.
 */
static int
find_file(struct arena *a, uint64_t size, struct geometry *g,
    enum arena_state *state, struct buf *why)
{
	struct geometry wanted = geometry_of(size);
	enum verdict verdict = VERDICT_EMPTY;
	int rc = open_owned(a->path, 0, &a->fd, why);

	if (rc != 0 && (rc != -ENOENT || size == 0))
		return rc;
	if (rc == 0) {
		verdict = judge_file(a->fd, g);
		rc = filelock_set(a->fd, ALIVE_BYTE, F_WRLCK);
		*state = rc == 0 ? ARENA_ALONE : ARENA_SHARED;
		if (rc == -EAGAIN)
			rc = filelock_set(a->fd, ALIVE_BYTE, F_RDLCK);
		if (rc != 0)
			return fail(why, -rc, a->path, "");
		if (verdict == VERDICT_ALIEN)
			return fail(why, EINVAL, a->path,
			    "is not an arena; remove it if nobody needs it");
		if (verdict != VERDICT_GOOD && *state == ARENA_SHARED)
			return fail(why, ENOTSUP, a->path,
			    "has another format, and its workers are running;"
			    " stop them first");
		if (verdict == VERDICT_GOOD &&
		    (*state == ARENA_SHARED || size == 0 ||
			g->file_size == wanted.file_size))
			return 0;
		if (size == 0)
			return fail(why, ENOTSUP, a->path,
			    "has another format, or was cut; peal.fcgi makes "
			    "it anew when it starts");
		close(a->fd);
		a->fd = -1;
	}
	buf_clear(why);
	*state = ARENA_MADE;
	*g = wanted;
	rc = make_file(a->path, g, &a->fd, why);
	if (rc == 0 && (rc = filelock_set(a->fd, ALIVE_BYTE, F_WRLCK)) != 0)
		return fail(why, -rc, a->path, "");
	return rc;
}

/* The lock file stays open, and locked, until *fd is closed. */
static int
lock_opening(const char *path, int *fd, struct buf *why)
{
	char *lock_path = NULL;
	int rc;

	if (asprintf(&lock_path, "%s.lock", path) < 0)
		return fail(why, ENOMEM, path, "");
	rc = open_owned(lock_path, O_CREAT, fd, why);
	if (rc == 0) {
		rc = filelock_set_patiently(*fd, 0, F_WRLCK);
		if (rc != 0)
			fail(why, -rc, lock_path,
			    rc == -EBUSY ? "another process holds it" : "");
	}
	free(lock_path);
	return rc;
}

int
arena_open(struct arena *a, const char *path, uint64_t size,
    enum arena_state *state, struct buf *why)
{
	struct geometry g = { 0 };
	struct stat st;
	int opening = -1;
	int rc;

	*a = (struct arena){ .fd = -1, .opening_fd = -1 };
	if (size != 0 && (size < ARENA_SIZE_MIN || size > ARENA_SIZE_MAX))
		return fail(why, EINVAL, path,
		    "an arena cannot have this size");
	a->path = strdup(path);
	a->meter = calloc(1, sizeof(*a->meter));
	if (a->path == NULL || a->meter == NULL) {
		arena_close(a);
		return fail(why, ENOMEM, path, "");
	}
	rc = check_folder(path, size != 0, why);
	/* Beside what is no arena of ours not even the lock's file is made; and
	 * who only looks makes none at all. */
	if (rc == 0 && lstat(path, &st) == 0)
		rc = check_owned(&st, S_IFREG, path, why);
	else if (rc == 0 && size == 0)
		rc = fail(why, errno, path,
		    errno == ENOENT ? "there is no arena" : "");
	if (rc == 0)
		rc = lock_opening(path, &opening, why);
	if (rc == 0)
		rc = find_file(a, size, &g, state, why);
	if (rc == 0)
		rc = map_file(a, &g, why);
	if (rc == 0 && *state != ARENA_SHARED) {
		atomic_store(&a->header->waiting, 0);
		rc = init_mutex(&a->header->mutex);
		if (rc == 0)
			rc = init_mutex(&a->header->append_mutex);
		if (rc != 0)
			fail(why, -rc, path, "");
	}
	if (rc == 0 && *state != ARENA_SHARED) {
		a->opening_fd = opening;
		return 0;
	}
	if (opening >= 0)
		close(opening);
	if (rc != 0)
		arena_close(a);
	return rc;
}

void
arena_settle(struct arena *a)
{
	/* Cannot fail: we hold the byte, and nobody else may take it now. */
	(void)filelock_set(a->fd, ALIVE_BYTE, F_RDLCK);
	close(a->opening_fd);
	a->opening_fd = -1;
}

void
arena_close(struct arena *a)
{
	if (a->map != NULL)
		(void)munmap(a->map, a->map_len);
	if (a->fd >= 0)
		close(a->fd);
	if (a->opening_fd >= 0)
		close(a->opening_fd);
	free(a->path);
	free(a->meter);
	*a = (struct arena){ .fd = -1, .opening_fd = -1 };
}

/* Wait for a lock as long as this handle does. */
static int
wait_for(const struct arena *a, pthread_mutex_t *mutex)
{
	const uint64_t wait_us =
	    a->lock_wait_us != 0 ? a->lock_wait_us : LOCK_WAIT_US;
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	uint64_t ns = (uint64_t)until.tv_nsec + wait_us * 1000;
	until.tv_sec += (time_t)(ns / 1000000000);
	until.tv_nsec = (long)(ns % 1000000000);
	return pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &until);
}

int
arena_lock(struct arena *a)
{
	int rc = pthread_mutex_trylock(&a->header->mutex);

	if (rc == EBUSY) {
		atomic_fetch_add(&a->header->waiting, 1);
		rc = wait_for(a, &a->header->mutex);
		atomic_fetch_sub(&a->header->waiting, 1);
	}
	return -rc;
}

int
arena_lock_append(struct arena *a)
{
	pthread_mutex_t *mutex = &a->header->append_mutex;
	int rc = pthread_mutex_trylock(mutex);

	if (rc == EBUSY)
		rc = wait_for(a, mutex);
	if (rc == EOWNERDEAD)
		rc = pthread_mutex_consistent(mutex);
	return -rc;
}

void
arena_unlock_append(struct arena *a)
{
	(void)pthread_mutex_unlock(&a->header->append_mutex);
}

void
arena_yield(const struct arena *a)
{
	const struct timespec pause = { .tv_nsec = YIELD_NS };

	if (atomic_load(&a->header->waiting) > 0)
		(void)nanosleep(&pause, NULL);
}

void
arena_consistent(struct arena *a)
{
	(void)pthread_mutex_consistent(&a->header->mutex);
}

void
arena_unlock(struct arena *a)
{
	(void)pthread_mutex_unlock(&a->header->mutex);
}

int
arena_claim(struct arena *a, uint32_t *slot)
{
	for (uint32_t i = 0; i < a->worker_count; i++) {
		int rc = filelock_set(a->fd, SLOT_BYTE + (off_t)i, F_WRLCK);
		if (rc == 0) {
			*slot = i;
			return 0;
		}
		if (rc != -EAGAIN)
			return rc;
	}
	return -EUSERS;
}

bool
arena_is_claimed(const struct arena *a, uint32_t slot)
{
	return filelock_is_held(a->fd, SLOT_BYTE + (off_t)slot);
}

void
arena_disclaim(struct arena *a, uint32_t slot)
{
	(void)filelock_set(a->fd, SLOT_BYTE + (off_t)slot, F_UNLCK);
}

bool
arena_is_linked(const struct arena *a)
{
	struct stat st;

	return fstat(a->fd, &st) == 0 && st.st_nlink > 0;
}

bool
arena_in_place(const struct arena *a)
{
	struct stat open_one;
	struct stat there;

	return fstat(a->fd, &open_one) == 0 && stat(a->path, &there) == 0 &&
	    open_one.st_dev == there.st_dev && open_one.st_ino == there.st_ino;
}
