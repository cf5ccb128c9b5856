#include "arena_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>

#include "arena/arena.h"

/* Open; the reason of a failure must name the file. */
static int
open_arena(struct arena *a, const char *path, uint64_t size,
    enum arena_state *state)
{
	struct buf why = { 0 };

	int rc = arena_open(a, path, size, state, &why);
	if (rc != 0) {
		ck_assert_ptr_nonnull(memmem(why.ptr, why.len, fixture_root,
		    strlen(fixture_root)));
		ck_assert_ptr_null(memchr(why.ptr, '\n', why.len));
	}
	buf_fini(&why);
	return rc;
}

/* Make an arena with a mark in it by which it is known again, and close it. */
#define MARK UINT64_C(4711)
static void
make_marked(const char *path)
{
	struct arena a;
	enum arena_state state;

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);
	ck_assert_int_eq(state, ARENA_MADE);
	atomic_store(&a.header->last_id, MARK);
	arena_settle(&a);
	arena_close(&a);
}

static void
write_file(const char *path, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, bytes, len), (ssize_t)len);
	close(fd);
}

/* Overwrite some bytes of a file. */
static void
patch_file(const char *path, size_t at, const void *bytes, size_t len)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, bytes, len, (off_t)at), (ssize_t)len);
	close(fd);
}

static void
folder_of(const char *path, char folder[FIXTURE_PATH])
{
	(void)strcpy(folder, path);
	*strrchr(folder, '/') = '\0';
}

/* The files in the arena's folder, the opening lock aside. */
static size_t
count_files(const char *path)
{
	char folder[FIXTURE_PATH];
	size_t count = 0;
	struct dirent *entry;

	folder_of(path, folder);
	DIR *dir = opendir(folder);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.' &&
		    strcmp(entry->d_name, "arena.lock") != 0;
	closedir(dir);
	return count;
}

static mode_t
mode_of(const char *path)
{
	struct stat st;

	ck_assert_int_eq(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

START_TEST(new_arena_lies_whole_within_its_file)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	struct stat st;
	fixture_path(path);

	int rc = open_arena(&a, path, FIXTURE_SIZE + 4095, &state);

	ck_assert_int_eq(rc, 0);
	ck_assert_int_eq(state, ARENA_MADE);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq((uint64_t)st.st_size, FIXTURE_SIZE);
	ck_assert_ptr_eq(a.map, a.header);
	ck_assert((char *)a.workers >= (char *)a.map + LAYOUT_HEADER_SIZE);
	ck_assert((void *)a.buckets >= (void *)(a.workers + a.worker_count));
	ck_assert((void *)a.blocks >= (void *)(a.buckets + a.bucket_count));
	ck_assert(
	    (char *)(a.blocks + a.block_count) <= (char *)a.map + a.map_len);
	ck_assert_uint_eq(a.bucket_count & (a.bucket_count - 1), 0);
	ck_assert_uint_ge((uint64_t)a.block_count * LAYOUT_BLOCK_SIZE,
	    FIXTURE_SIZE * 3 / 4);
	arena_close(&a);
}
END_TEST

START_TEST(folder_and_file_are_made_for_the_owner_alone)
{
	char path[FIXTURE_PATH];
	char folder[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	folder_of(path, folder);
	ck_assert_int_eq(rmdir(folder), 0);
	(void)umask(0);

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	ck_assert_int_eq(mode_of(folder), 0700);
	ck_assert_int_eq(mode_of(path), 0600);
	arena_close(&a);
}
END_TEST

START_TEST(arena_that_nobody_has_open_keeps_its_bytes)
{
	static const uint64_t sizes[] = { FIXTURE_SIZE, 0 };
	char path[FIXTURE_PATH];
	fixture_path(path);
	make_marked(path);

	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		struct arena a;
		enum arena_state state;

		ck_assert_int_eq(open_arena(&a, path, sizes[i], &state), 0);

		ck_assert_int_eq(state, ARENA_ALONE);
		ck_assert_uint_eq(atomic_load(&a.header->last_id), MARK);
		arena_settle(&a);
		arena_close(&a);
	}
}
END_TEST

START_TEST(arena_that_others_have_open_is_taken_as_it_is)
{
	char path[FIXTURE_PATH];
	struct arena first;
	struct arena second;
	enum arena_state state;
	fixture_path(path);
	ck_assert_int_eq(open_arena(&first, path, FIXTURE_SIZE, &state), 0);
	arena_settle(&first);

	ck_assert_int_eq(open_arena(&second, path, FIXTURE_SIZE * 4, &state),
	    0);

	ck_assert_int_eq(state, ARENA_SHARED);
	ck_assert_uint_eq(second.map_len, FIXTURE_SIZE);
	atomic_store(&first.header->last_id, MARK);
	ck_assert_uint_eq(atomic_load(&second.header->last_id), MARK);
	arena_close(&second);
	arena_close(&first);
}
END_TEST

START_TEST(other_size_is_made_anew_when_nobody_has_it_open)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	make_marked(path);

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE * 2, &state), 0);

	ck_assert_int_eq(state, ARENA_MADE);
	ck_assert_uint_eq(a.map_len, FIXTURE_SIZE * 2);
	ck_assert_uint_eq(atomic_load(&a.header->last_id), 0);
	arena_close(&a);
}
END_TEST

START_TEST(who_only_looks_makes_nothing)
{
	char path[FIXTURE_PATH];
	char folder[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	folder_of(path, folder);

	ck_assert_int_eq(open_arena(&a, path, 0, &state), -ENOENT);

	ck_assert_int_eq(rmdir(folder), 0);
	ck_assert_int_eq(open_arena(&a, path, 0, &state), -ENOENT);
	ck_assert_int_eq(access(folder, F_OK), -1);
}
END_TEST

/* Ways in which a file says it is an arena, and is none that we can use. */
static void
make_other_format(const char *path)
{
	uint32_t format = LAYOUT_FORMAT + 1;

	patch_file(path, offsetof(struct layout_header, format), &format,
	    sizeof(format));
}

static void
make_short(const char *path)
{
	ck_assert_int_eq(truncate(path, FIXTURE_SIZE / 2), 0);
}

static void
make_too_many_blocks(const char *path)
{
	uint32_t count = UINT32_MAX;

	patch_file(path, offsetof(struct layout_header, block_count), &count,
	    sizeof(count));
}

static void
make_too_many_workers(const char *path)
{
	uint32_t count = UINT32_MAX / 128;

	patch_file(path, offsetof(struct layout_header, worker_count), &count,
	    sizeof(count));
}

static void
make_no_buckets(const char *path)
{
	uint32_t count = 0;

	patch_file(path, offsetof(struct layout_header, bucket_count), &count,
	    sizeof(count));
}

/* One that fits together, and is smaller than any we make. */
static void
make_tiny(const char *path)
{
	struct layout_header h = {
		.magic = { 'p', 'e', 'a', 'l', '-', 'a', 'r', 'n' },
		.format = LAYOUT_FORMAT,
		.block_size = LAYOUT_BLOCK_SIZE,
		.worker_count = 4,
		.bucket_count = 64,
		.file_size = 8192,
	};
	size_t before_blocks = LAYOUT_HEADER_SIZE +
	    h.worker_count * sizeof(struct layout_worker) +
	    h.bucket_count * sizeof(struct layout_bucket);

	h.block_count =
	    (uint32_t)((h.file_size - before_blocks) / LAYOUT_BLOCK_SIZE);
	patch_file(path, 0, &h, sizeof(h));
	ck_assert_int_eq(truncate(path, (off_t)h.file_size), 0);
}

static void (*const strangers[])(const char *path) = { make_other_format,
	make_short, make_too_many_blocks, make_too_many_workers,
	make_no_buckets, make_tiny };

START_TEST(strange_format_is_made_anew_when_nobody_has_it_open)
{
	for (size_t i = 0; i < UNIT_COUNT(strangers); i++) {
		char path[FIXTURE_PATH];
		struct arena a;
		enum arena_state state;
		fixture_path(path);
		make_marked(path);
		strangers[i](path);

		int rc = open_arena(&a, path, FIXTURE_SIZE, &state);

		ck_assert_int_eq(rc, 0);
		ck_assert_int_eq(state, ARENA_MADE);
		ck_assert_uint_eq(atomic_load(&a.header->last_id), 0);
		arena_close(&a);
	}
}
END_TEST

START_TEST(strange_format_is_refused_by_who_only_looks)
{
	for (size_t i = 0; i < UNIT_COUNT(strangers); i++) {
		char path[FIXTURE_PATH];
		struct arena a;
		enum arena_state state;
		fixture_path(path);
		make_marked(path);
		strangers[i](path);

		ck_assert_int_eq(open_arena(&a, path, 0, &state), -ENOTSUP);

		ck_assert_ptr_null(a.map);
		ck_assert_uint_eq(count_files(path), 1);
	}
}
END_TEST

START_TEST(strange_format_is_refused_while_others_have_it_open)
{
	/* Not the cut ones: its workers would get SIGBUS. */
	void (*const rows[])(const char *) = { make_other_format,
		make_too_many_blocks, make_too_many_workers, make_no_buckets };

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		char path[FIXTURE_PATH];
		struct arena first;
		struct arena second;
		enum arena_state state;
		fixture_path(path);
		int rc = open_arena(&first, path, FIXTURE_SIZE, &state);
		ck_assert_int_eq(rc, 0);
		arena_settle(&first);
		rows[i](path);

		rc = open_arena(&second, path, FIXTURE_SIZE, &state);

		ck_assert_int_eq(rc, -ENOTSUP);
		ck_assert(arena_in_place(&first));
		arena_close(&first);
	}
}
END_TEST

START_TEST(file_that_is_no_arena_is_refused_and_left_alone)
{
	static char zeroes[FIXTURE_SIZE];
	static const struct {
		const char *bytes;
		size_t len;
	} rows[] = {
		{ "x", 1 },
		{ "my only copy\n", 13 },
		{ "peal-arn", 8 },
		{ zeroes, 1 },
		{ zeroes, sizeof(zeroes) },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		char path[FIXTURE_PATH];
		struct arena a;
		enum arena_state state;
		static char after[FIXTURE_SIZE + 1];
		fixture_path(path);
		write_file(path, rows[i].bytes, rows[i].len);

		int rc = open_arena(&a, path, FIXTURE_SIZE, &state);

		ck_assert_int_eq(rc, -EINVAL);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ck_assert_int_eq(read(fd, after, sizeof(after)),
		    (ssize_t)rows[i].len);
		ck_assert_mem_eq(after, rows[i].bytes, rows[i].len);
		ck_assert_uint_eq(count_files(path), 1);
		close(fd);
	}
}
END_TEST

START_TEST(empty_file_becomes_an_arena)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	write_file(path, "", 0);

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	ck_assert_int_eq(state, ARENA_MADE);
	arena_close(&a);
}
END_TEST

START_TEST(symbolic_link_to_an_arena_is_refused)
{
	char path[FIXTURE_PATH];
	char link[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	fixture_path(link);
	make_marked(path);
	ck_assert_int_eq(symlink(path, link), 0);

	ck_assert_int_eq(open_arena(&a, link, FIXTURE_SIZE, &state), -EPERM);
	ck_assert_int_eq(open_arena(&a, link, 0, &state), -EPERM);

	ck_assert_int_eq(open_arena(&a, path, 0, &state), 0);
	ck_assert_uint_eq(atomic_load(&a.header->last_id), MARK);
	arena_close(&a);
}
END_TEST

START_TEST(symbolic_link_that_leads_nowhere_is_not_followed)
{
	char path[FIXTURE_PATH];
	char link[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	fixture_path(link);
	ck_assert_int_eq(symlink(path, link), 0);

	ck_assert_int_eq(open_arena(&a, link, FIXTURE_SIZE, &state), -EPERM);

	ck_assert_uint_eq(count_files(path), 0);
}
END_TEST

START_TEST(lock_file_that_is_a_link_is_not_followed)
{
	char path[FIXTURE_PATH];
	char elsewhere[FIXTURE_PATH];
	char lock[FIXTURE_PATH + 8];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	fixture_path(elsewhere);
	(void)snprintf(lock, sizeof(lock), "%s.lock", path);
	ck_assert_int_eq(symlink(elsewhere, lock), 0);

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), -EPERM);

	ck_assert_uint_eq(count_files(elsewhere), 0);
}
END_TEST

START_TEST(folder_that_is_a_link_is_refused)
{
	char path[FIXTURE_PATH];
	char folder[FIXTURE_PATH];
	char link[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	folder_of(path, folder);
	fixture_path(link);
	ck_assert_int_eq(symlink(folder, link), 0);
	(void)strcat(link, "/arena");

	ck_assert_int_eq(open_arena(&a, link, FIXTURE_SIZE, &state), -EPERM);

	ck_assert_uint_eq(count_files(path), 0);
}
END_TEST

START_TEST(folder_others_can_write_into_is_refused)
{
	static const struct {
		mode_t mode;
		int rc;
	} rows[] = {
		{ 0700, 0 },
		{ 0755, 0 },
		{ 0770, -EPERM },
		{ 0702, -EPERM },
		{ 01777, -EPERM },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		char path[FIXTURE_PATH];
		char folder[FIXTURE_PATH];
		struct arena a;
		enum arena_state state;
		fixture_path(path);
		folder_of(path, folder);
		ck_assert_int_eq(chmod(folder, rows[i].mode), 0);

		int rc = open_arena(&a, path, FIXTURE_SIZE, &state);

		ck_assert_int_eq(rc, rows[i].rc);
		arena_close(&a);
	}
}
END_TEST

START_TEST(file_others_can_open_is_refused)
{
	static const mode_t modes[] = { 0640, 0604, 0620, 0666 };

	for (size_t i = 0; i < UNIT_COUNT(modes); i++) {
		char path[FIXTURE_PATH];
		struct arena a;
		enum arena_state state;
		fixture_path(path);
		make_marked(path);
		ck_assert_int_eq(chmod(path, modes[i]), 0);

		int rc = open_arena(&a, path, FIXTURE_SIZE, &state);

		ck_assert_int_eq(rc, -EPERM);
		ck_assert_int_eq(mode_of(path), (int)modes[i]);
	}
}
END_TEST

START_TEST(file_of_another_user_is_refused)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	make_marked(path);
	/* Only root can give a file away; others cannot come by such a one. */
	if (geteuid() != 0 || chown(path, 12345, (gid_t)-1) != 0)
		return;

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), -EPERM);
}
END_TEST

START_TEST(fifo_in_its_place_is_refused_without_waiting)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), -EPERM);
}
END_TEST

START_TEST(folder_in_its_place_is_refused)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	ck_assert_int_eq(mkdir(path, 0700), 0);

	ck_assert_int_ne(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	ck_assert_int_eq(rmdir(path), 0);
}
END_TEST

START_TEST(size_out_of_range_is_refused)
{
	static const uint64_t sizes[] = { 1, ARENA_SIZE_MIN - 1,
		ARENA_SIZE_MAX + 1, UINT64_MAX };
	char path[FIXTURE_PATH];
	fixture_path(path);

	for (size_t i = 0; i < UNIT_COUNT(sizes); i++) {
		struct arena a;
		enum arena_state state;

		int rc = open_arena(&a, path, sizes[i], &state);

		ck_assert_int_eq(rc, -EINVAL);
		ck_assert_uint_eq(count_files(path), 0);
	}
}
END_TEST

/* From here on no file may grow beyond len: as on a file system that is full. */
static void
limit_files(uint64_t len)
{
	const struct rlimit limit = { len, len };

	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(arena_there_is_no_room_for_leaves_nothing)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	limit_files(FIXTURE_SIZE);

	int rc = open_arena(&a, path, FIXTURE_SIZE * 2, &state);

	ck_assert_int_eq(rc, -EFBIG);
	ck_assert_uint_eq(count_files(path), 0);
}
END_TEST

START_TEST(larger_arena_there_is_no_room_for_spares_the_old_one)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	make_marked(path);
	limit_files(FIXTURE_SIZE);

	int rc = open_arena(&a, path, FIXTURE_SIZE * 2, &state);

	ck_assert_int_eq(rc, -EFBIG);
	ck_assert_uint_eq(count_files(path), 1);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);
	ck_assert_uint_eq(atomic_load(&a.header->last_id), MARK);
	arena_close(&a);
}
END_TEST

START_TEST(half_made_file_of_a_killed_maker_is_no_hindrance)
{
	char path[FIXTURE_PATH];
	char beside[FIXTURE_PATH + 8];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	(void)snprintf(beside, sizeof(beside), "%s.new", path);
	write_file(beside, "half", 4);

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	ck_assert_int_eq(state, ARENA_MADE);
	ck_assert_uint_eq(count_files(path), 1);
	arena_close(&a);
}
END_TEST

/* What a process of its own is told to do. */
struct order {
	const char *path;
	struct arena a;
	enum arena_state state;
	uint32_t slot;
};

static int
order_open(void *argument)
{
	struct order *order = argument;
	struct buf why = { 0 };

	return arena_open(&order->a, order->path, FIXTURE_SIZE, &order->state,
	    &why);
}

static int
order_claim(void *argument)
{
	struct order *order = argument;
	int rc = order_open(order);

	if (rc == 0 && order->state != ARENA_SHARED)
		arena_settle(&order->a);
	return rc == 0 ? arena_claim(&order->a, &order->slot) : rc;
}

static int
order_lock(void *argument)
{
	struct order *order = argument;
	int rc = order_open(order);

	if (rc == 0 && order->state != ARENA_SHARED)
		arena_settle(&order->a);
	return rc == 0 ? arena_lock(&order->a) : rc;
}

START_TEST(second_opener_waits_until_the_first_has_settled)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena first;
	enum arena_state state;
	int report[2];
	fixture_path(path);
	ck_assert_int_eq(open_arena(&first, path, FIXTURE_SIZE, &state), 0);
	ck_assert_int_eq(pipe(report), 0);
	struct pollfd wait = { .fd = report[0], .events = POLLIN };

	pid_t pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		arena_close(&first);
		int rc = order_open(&order);
		char told = rc == 0 ? (char)order.state : 'x';
		_exit(write(report[1], &told, 1) == 1 ? 0 : 1);
	}
	int early = poll(&wait, 1, 100);
	arena_settle(&first);
	char told = 'x';
	ssize_t len = read(report[0], &told, 1);

	ck_assert_int_eq(early, 0);
	ck_assert_int_eq(len, 1);
	ck_assert_int_eq(told, ARENA_SHARED);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	arena_close(&first);
}
END_TEST

START_TEST(opener_killed_before_it_settled_keeps_nobody_out)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	pid_t pid = fixture_spawn(order_open, &order);

	fixture_kill(pid);

	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);
	ck_assert_int_eq(state, ARENA_ALONE);
	arena_close(&a);
}
END_TEST

START_TEST(slots_of_living_processes_differ)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena a;
	enum arena_state state;
	uint32_t slot;
	fixture_path(path);
	pid_t pid = fixture_spawn(order_claim, &order);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	ck_assert_int_eq(arena_claim(&a, &slot), 0);

	ck_assert_int_eq(state, ARENA_SHARED);
	ck_assert_uint_eq(slot, 1);
	fixture_kill(pid);
	arena_close(&a);
}
END_TEST

START_TEST(slot_of_a_killed_process_is_free_again)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena a;
	enum arena_state state;
	uint32_t slot;
	fixture_path(path);
	pid_t pid = fixture_spawn(order_claim, &order);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	fixture_kill(pid);

	ck_assert_int_eq(arena_claim(&a, &slot), 0);
	ck_assert_uint_eq(slot, 0);
	arena_close(&a);
}
END_TEST

START_TEST(disclaimed_slot_is_free_again)
{
	char path[FIXTURE_PATH];
	struct arena first;
	struct arena second;
	enum arena_state state;
	uint32_t slot;
	fixture_path(path);
	ck_assert_int_eq(open_arena(&first, path, FIXTURE_SIZE, &state), 0);
	arena_settle(&first);
	ck_assert_int_eq(open_arena(&second, path, FIXTURE_SIZE, &state), 0);
	ck_assert_int_eq(arena_claim(&first, &slot), 0);

	arena_disclaim(&first, slot);

	ck_assert_int_eq(arena_claim(&second, &slot), 0);
	ck_assert_uint_eq(slot, 0);
	arena_close(&second);
	arena_close(&first);
}
END_TEST

START_TEST(worker_too_many_is_told_so)
{
	static struct arena arenas[256];
	char path[FIXTURE_PATH];
	enum arena_state state;
	uint32_t slot;
	fixture_path(path);
	ck_assert_int_eq(open_arena(&arenas[0], path, FIXTURE_SIZE, &state), 0);
	arena_settle(&arenas[0]);
	uint32_t count = arenas[0].worker_count;
	ck_assert_uint_lt(count, UNIT_COUNT(arenas));

	for (uint32_t i = 0; i < count; i++) {
		if (i > 0)
			ck_assert_int_eq(open_arena(&arenas[i], path, 0,
					     &state),
			    0);
		ck_assert_int_eq(arena_claim(&arenas[i], &slot), 0);
		ck_assert_uint_eq(slot, i);
	}
	ck_assert_int_eq(open_arena(&arenas[count], path, 0, &state), 0);

	ck_assert_int_eq(arena_claim(&arenas[count], &slot), -EUSERS);
	for (uint32_t i = 0; i <= count; i++)
		arena_close(&arenas[i]);
}
END_TEST

START_TEST(worker_killed_inside_the_lock_is_told_of_once)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	pid_t pid = fixture_spawn(order_lock, &order);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	fixture_kill(pid);

	ck_assert_int_eq(arena_lock(&a), -EOWNERDEAD);
	arena_consistent(&a);
	arena_unlock(&a);
	ck_assert_int_eq(arena_lock(&a), 0);
	arena_unlock(&a);
	arena_close(&a);
}
END_TEST

START_TEST(repairer_killed_inside_the_lock_is_told_of_again)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	pid_t pid = fixture_spawn(order_lock, &order);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);
	fixture_kill(pid);
	pid = fork();
	if (pid == 0)
		_exit(arena_lock(&a) == -EOWNERDEAD ? 0 : 1);
	int status = -1;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);

	ck_assert_int_eq(arena_lock(&a), -EOWNERDEAD);

	arena_consistent(&a);
	arena_unlock(&a);
	arena_close(&a);
}
END_TEST

START_TEST(lock_that_nobody_repaired_is_lost_until_it_is_opened_anew)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	pid_t pid = fixture_spawn(order_lock, &order);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);
	fixture_kill(pid);
	ck_assert_int_eq(arena_lock(&a), -EOWNERDEAD);

	arena_unlock(&a);

	ck_assert_int_eq(arena_lock(&a), -ENOTRECOVERABLE);
	arena_close(&a);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);
	ck_assert_int_eq(state, ARENA_ALONE);
	ck_assert_int_eq(arena_lock(&a), 0);
	arena_unlock(&a);
	arena_close(&a);
}
END_TEST

START_TEST(lock_that_is_never_let_go_is_not_waited_for_forever)
{
	char path[FIXTURE_PATH];
	struct order order = { .path = path };
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	pid_t pid = fixture_spawn(order_lock, &order);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	ck_assert_int_eq(arena_lock(&a), -ETIMEDOUT);

	fixture_kill(pid);
	arena_close(&a);
}
END_TEST

START_TEST(removed_or_replaced_file_is_not_in_place)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	bool before = arena_in_place(&a);
	ck_assert_int_eq(unlink(path), 0);
	bool removed = arena_in_place(&a);
	write_file(path, "", 0);
	bool replaced = arena_in_place(&a);

	ck_assert(before);
	ck_assert(!removed);
	ck_assert(!replaced);
	arena_close(&a);
}
END_TEST

START_TEST(file_is_linked_until_it_is_removed_or_replaced)
{
	for (int replace = 0; replace < 2; replace++) {
		char path[FIXTURE_PATH];
		char other[FIXTURE_PATH + 8];
		struct arena a;
		enum arena_state state;
		fixture_path(path);
		(void)snprintf(other, sizeof(other), "%s.other", path);
		write_file(other, "", 0);
		ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);
		bool before = arena_is_linked(&a);

		ck_assert_int_eq(replace ? rename(other, path) : unlink(path),
		    0);

		ck_assert(before);
		ck_assert(!arena_is_linked(&a));
		arena_close(&a);
		(void)unlink(other);
		(void)unlink(path);
	}
}
END_TEST

START_TEST(closing_twice_does_no_harm)
{
	char path[FIXTURE_PATH];
	struct arena a;
	enum arena_state state;
	fixture_path(path);
	ck_assert_int_eq(open_arena(&a, path, FIXTURE_SIZE, &state), 0);

	arena_close(&a);
	arena_close(&a);

	ck_assert_int_eq(a.fd, -1);
	ck_assert_ptr_null(a.map);
}
END_TEST

FIXTURE_MAIN("arena", new_arena_lies_whole_within_its_file,
    folder_and_file_are_made_for_the_owner_alone,
    arena_that_nobody_has_open_keeps_its_bytes,
    arena_that_others_have_open_is_taken_as_it_is,
    other_size_is_made_anew_when_nobody_has_it_open,
    who_only_looks_makes_nothing,
    strange_format_is_made_anew_when_nobody_has_it_open,
    strange_format_is_refused_by_who_only_looks,
    strange_format_is_refused_while_others_have_it_open,
    file_that_is_no_arena_is_refused_and_left_alone,
    empty_file_becomes_an_arena, symbolic_link_to_an_arena_is_refused,
    symbolic_link_that_leads_nowhere_is_not_followed,
    lock_file_that_is_a_link_is_not_followed, folder_that_is_a_link_is_refused,
    folder_others_can_write_into_is_refused, file_others_can_open_is_refused,
    file_of_another_user_is_refused,
    fifo_in_its_place_is_refused_without_waiting,
    folder_in_its_place_is_refused, size_out_of_range_is_refused,
    arena_there_is_no_room_for_leaves_nothing,
    larger_arena_there_is_no_room_for_spares_the_old_one,
    half_made_file_of_a_killed_maker_is_no_hindrance,
    second_opener_waits_until_the_first_has_settled,
    opener_killed_before_it_settled_keeps_nobody_out,
    slots_of_living_processes_differ, slot_of_a_killed_process_is_free_again,
    disclaimed_slot_is_free_again, worker_too_many_is_told_so,
    worker_killed_inside_the_lock_is_told_of_once,
    repairer_killed_inside_the_lock_is_told_of_again,
    lock_that_nobody_repaired_is_lost_until_it_is_opened_anew,
    lock_that_is_never_let_go_is_not_waited_for_forever,
    removed_or_replaced_file_is_not_in_place,
    file_is_linked_until_it_is_removed_or_replaced, closing_twice_does_no_harm)
