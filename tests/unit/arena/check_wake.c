#include "arena_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>

#include "arena/follow.h"

/* More than a worker is left in peace for after it was woken. */
#define LATER_MS 1000

static void
listen_to(struct fixture_worker *w, const char *channel, int count)
{
	struct follow_join join = { .name = span_of(channel) };
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;

	for (int i = 0; i < count; i++)
		ck_assert_int_eq(follow_join(&w->store, FIXTURE_NOW, &join, 1,
				     live, &joined),
		    0);
}

static bool
is_woken(const struct fixture_worker *w)
{
	struct pollfd inbox = { .fd = w->inbox, .events = POLLIN };

	return poll(&inbox, 1, 0) == 1;
}

/* Take the bytes out of the FIFO without the promise to look. */
static size_t
take_bytes(const struct fixture_worker *w)
{
	char bytes[64];
	ssize_t len = read(w->inbox, bytes, sizeof(bytes));

	return len < 0 ? 0 : (size_t)len;
}

/* Append for a channel; the subscribers that are left once all are woken. */
static uint32_t
publish(struct fixture_worker *w, struct clock_now now, const char *channel)
{
	const struct store_event event = { .channel = span_of(channel),
		.body = FIXTURE_BODY };
	struct store_appended appended;

	ck_assert_int_eq(wake_append(&w->wake, now, &event, 1, &appended), 0);
	return appended.subscribers;
}

/* Two workers, of which the second listens to "a". */
struct pair {
	char path[FIXTURE_PATH];
	struct fixture_worker sender;
	struct fixture_worker ear;
};

static void
pair_make(struct pair *p)
{
	fixture_path(p->path);
	fixture_join(&p->sender, p->path);
	fixture_join(&p->ear, p->path);
	listen_to(&p->ear, "a", 1);
}

static void
pair_end(struct pair *p)
{
	fixture_leave(&p->ear);
	fixture_leave(&p->sender);
}

/* The FIFOs in the arena's folder. */
static size_t
count_fifos(const char *path)
{
	char folder[FIXTURE_PATH];
	struct dirent *entry;
	size_t count = 0;

	(void)strcpy(folder, path);
	*strrchr(folder, '/') = '\0';
	DIR *dir = opendir(folder);
	ck_assert_ptr_nonnull(dir);
	while ((entry = readdir(dir)) != NULL)
		count += strstr(entry->d_name, ".wake.") != NULL;
	closedir(dir);
	return count;
}

START_TEST(worker_that_listens_is_woken_and_no_other)
{
	struct pair p;
	pair_make(&p);

	(void)publish(&p.sender, FIXTURE_NOW, "b");
	bool by_other = is_woken(&p.ear);
	(void)publish(&p.sender, FIXTURE_NOW, "a");

	ck_assert(!by_other);
	ck_assert(is_woken(&p.ear));
	ck_assert(!is_woken(&p.sender));
	pair_end(&p);
}
END_TEST

START_TEST(worker_that_publishes_to_itself_has_news_without_a_byte)
{
	struct pair p;
	pair_make(&p);

	uint32_t count = publish(&p.ear, FIXTURE_NOW, "a");

	ck_assert_uint_eq(count, 1);
	ck_assert(p.ear.wake.own_news);
	ck_assert(!is_woken(&p.ear));
	pair_end(&p);
}
END_TEST

START_TEST(worker_that_has_not_looked_yet_is_sent_one_byte)
{
	struct pair p;
	pair_make(&p);

	for (int i = 0; i < 20; i++)
		(void)publish(&p.sender, FIXTURE_NOW, "a");

	ck_assert_uint_eq(take_bytes(&p.ear), 1);
	pair_end(&p);
}
END_TEST

START_TEST(every_look_is_followed_by_a_new_byte)
{
	struct pair p;
	pair_make(&p);

	for (int i = 0; i < 20; i++) {
		(void)publish(&p.sender, FIXTURE_NOW, "a");
		ck_assert(is_woken(&p.ear));
		wake_drain(&p.ear.store, p.ear.inbox);
		ck_assert(!is_woken(&p.ear));
	}
	pair_end(&p);
}
END_TEST

START_TEST(worker_that_does_not_look_is_asked_again_after_a_while)
{
	struct pair p;
	struct clock_now now = FIXTURE_NOW;
	pair_make(&p);
	(void)publish(&p.sender, now, "a");
	/* The byte is gone, and nobody looked. */
	ck_assert_uint_eq(take_bytes(&p.ear), 1);
	(void)publish(&p.sender, now, "a");
	size_t at_once = take_bytes(&p.ear);

	now.boot_ms += LATER_MS;
	(void)publish(&p.sender, now, "a");

	ck_assert_uint_eq(at_once, 0);
	ck_assert_uint_eq(take_bytes(&p.ear), 1);
	pair_end(&p);
}
END_TEST

START_TEST(sender_killed_before_its_write_leaves_no_promise)
{
	struct pair p;
	struct store_event event = { .channel = SPAN("a"),
		.body = FIXTURE_BODY };
	struct store_appended appended;
	pair_make(&p);
	/* It appended, and died before it woke anybody. */
	ck_assert_int_eq(store_append(&p.sender.store, FIXTURE_NOW, &event, 1,
			     &appended, &p.sender.wake.due),
	    0);

	(void)publish(&p.sender, FIXTURE_NOW, "a");

	ck_assert(is_woken(&p.ear));
	pair_end(&p);
}
END_TEST

START_TEST(full_fifo_is_as_good_as_a_byte)
{
	struct pair p;
	static const char bytes[4096];
	pair_make(&p);
	while (write(p.ear.inbox, bytes, sizeof(bytes)) > 0)
		continue;
	ck_assert_int_eq(errno, EAGAIN);

	uint32_t count = publish(&p.sender, FIXTURE_NOW, "a");

	ck_assert_uint_eq(count, 1);
	wake_drain(&p.ear.store, p.ear.inbox);
	ck_assert(!is_woken(&p.ear));
	pair_end(&p);
}
END_TEST

START_TEST(dead_worker_is_found_and_not_counted)
{
	struct pair p;
	struct fixture_worker third;
	pair_make(&p);
	fixture_join(&third, p.path);
	listen_to(&third, "a", 2);
	uint32_t before = publish(&p.sender, FIXTURE_NOW, "a");
	uint32_t slot = p.ear.store.slot;

	fixture_vanish(&p.ear);
	uint32_t after = publish(&p.sender,
	    (struct clock_now){ FIXTURE_WALL_MS,
		FIXTURE_NOW.boot_ms + LATER_MS },
	    "a");

	ck_assert_uint_eq(before, 3);
	ck_assert_uint_eq(after, 2);
	ck_assert_int_eq(p.sender.store.arena.workers[slot].pid, 0);
	fixture_assert_sound(&p.sender.store);
	fixture_leave(&third);
	fixture_leave(&p.sender);
}
END_TEST

/* A worker of its own, with streams on "a". */
static int
live_apart(void *argument)
{
	const char *path = argument;
	static struct store s;
	struct follow_join join = { .name = SPAN("a") };
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;
	struct buf why = { 0 };
	int inbox;

	int rc = store_open(&s, path, 0, NULL, FIXTURE_NOW, &why);
	if (rc == 0)
		rc = wake_attach(&s, FIXTURE_NOW, &inbox, &why);
	for (int i = 0; rc == 0 && i < 5; i++)
		rc = follow_join(&s, FIXTURE_NOW, &join, 1, live, &joined);
	return rc;
}

START_TEST(killed_worker_is_found_by_the_next_event)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);
	pid_t pid = fixture_spawn(live_apart, path);
	uint32_t before = 0;
	ck_assert_int_eq(store_subscribers(&w.store, SPAN("a"), &before), 0);

	fixture_kill(pid);
	uint32_t after = publish(&w, FIXTURE_NOW, "a");

	ck_assert_uint_eq(before, 5);
	ck_assert_uint_eq(after, 0);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(worker_without_its_fifo_is_taken_for_dead)
{
	struct pair p;
	char fifo[FIXTURE_PATH + 64];
	struct stat st;
	pair_make(&p);
	ck_assert_int_eq(stat(p.path, &st), 0);
	(void)snprintf(fifo, sizeof(fifo), "%s.wake.%lx.%u", p.path,
	    (unsigned long)st.st_ino, p.ear.store.slot);
	ck_assert_int_eq(unlink(fifo), 0);

	ck_assert_uint_eq(publish(&p.sender, FIXTURE_NOW, "a"), 0);

	pair_end(&p);
}
END_TEST

START_TEST(worker_notices_that_its_fifo_was_removed)
{
	struct pair p;
	char fifo[FIXTURE_PATH + 64];
	struct stat st;
	pair_make(&p);
	ck_assert_int_eq(stat(p.path, &st), 0);
	(void)snprintf(fifo, sizeof(fifo), "%s.wake.%lx.%u", p.path,
	    (unsigned long)st.st_ino, p.ear.store.slot);
	bool before = wake_in_place(&p.ear.store, p.ear.inbox);

	ck_assert_int_eq(unlink(fifo), 0);

	ck_assert(before);
	ck_assert(!wake_in_place(&p.ear.store, p.ear.inbox));
	ck_assert(wake_in_place(&p.sender.store, p.sender.inbox));
	pair_end(&p);
}
END_TEST

START_TEST(worker_notices_that_its_arena_was_removed)
{
	struct pair p;
	pair_make(&p);

	ck_assert_int_eq(unlink(p.path), 0);

	ck_assert(!wake_in_place(&p.ear.store, p.ear.inbox));
	pair_end(&p);
}
END_TEST

START_TEST(worker_is_woken_though_descriptors_ran_out)
{
	struct pair p;
	struct rlimit limit;
	pair_make(&p);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	const struct rlimit usual = limit;
	int next = dup(p.ear.inbox);
	ck_assert_int_ge(next, 0);
	close(next);
	limit.rlim_cur = (rlim_t)next;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);

	(void)publish(&p.sender, FIXTURE_NOW, "a");
	bool woken = is_woken(&p.ear);
	wake_drain(&p.ear.store, p.ear.inbox);
	(void)publish(&p.sender, FIXTURE_NOW, "a");

	ck_assert(woken);
	ck_assert(is_woken(&p.ear));
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &usual), 0);
	pair_end(&p);
}
END_TEST

START_TEST(slot_s_new_owner_is_woken_through_a_kept_descriptor)
{
	struct pair p;
	struct fixture_worker heir;
	struct clock_now now = FIXTURE_NOW;
	pair_make(&p);
	(void)publish(&p.sender, now, "a");
	uint32_t slot = p.ear.store.slot;
	fixture_leave(&p.ear);
	fixture_join(&heir, p.path);
	ck_assert_uint_eq(heir.store.slot, slot);
	listen_to(&heir, "a", 1);

	uint32_t count = publish(&p.sender, now, "a");

	ck_assert_uint_eq(count, 1);
	ck_assert(is_woken(&heir));
	fixture_leave(&heir);
	fixture_leave(&p.sender);
}
END_TEST

START_TEST(heir_of_a_killed_worker_is_woken)
{
	struct pair p;
	struct fixture_worker heir;
	pair_make(&p);
	(void)publish(&p.sender, FIXTURE_NOW, "a");
	fixture_vanish(&p.ear);
	fixture_join(&heir, p.path);
	listen_to(&heir, "a", 1);

	uint32_t count = publish(&p.sender, FIXTURE_NOW, "a");

	ck_assert_uint_eq(count, 1);
	ck_assert(is_woken(&heir));
	fixture_leave(&heir);
	fixture_leave(&p.sender);
}
END_TEST

START_TEST(no_more_descriptors_are_kept_than_allowed)
{
	struct fixture_worker ears[4];
	struct fixture_worker sender;
	struct wake narrow;
	struct store_event event = { .channel = SPAN("a"),
		.body = FIXTURE_BODY };
	struct store_appended appended;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&sender, path);
	for (size_t i = 0; i < UNIT_COUNT(ears); i++) {
		fixture_join(&ears[i], path);
		listen_to(&ears[i], "a", 1);
	}
	ck_assert_int_eq(wake_init(&narrow, &sender.store, 2), 0);

	ck_assert_int_eq(wake_append(&narrow, FIXTURE_NOW, &event, 1,
			     &appended),
	    0);

	ck_assert_uint_eq(narrow.open, 2);
	for (size_t i = 0; i < UNIT_COUNT(ears); i++) {
		ck_assert(is_woken(&ears[i]));
		fixture_leave(&ears[i]);
	}
	wake_fini(&narrow);
	fixture_leave(&sender);
}
END_TEST

START_TEST(repair_wakes_every_worker)
{
	struct pair p;
	pair_make(&p);
	p.sender.store.arena.header->wake_all = 1;

	(void)publish(&p.sender, FIXTURE_NOW, "nobody");

	ck_assert(is_woken(&p.ear));
	ck_assert(p.sender.wake.own_news);
	ck_assert_uint_eq(p.sender.store.arena.header->wake_all, 0);
	pair_end(&p);
}
END_TEST

START_TEST(worker_that_leaves_takes_its_fifo_along)
{
	struct pair p;
	pair_make(&p);
	size_t before = count_fifos(p.path);

	pair_end(&p);

	ck_assert_uint_eq(before, 2);
	ck_assert_uint_eq(count_fifos(p.path), 0);
}
END_TEST

START_TEST(workers_of_an_arena_that_was_removed_do_not_mix_with_the_new_one_s)
{
	struct pair p;
	struct fixture_worker fresh;
	pair_make(&p);
	ck_assert_int_eq(unlink(p.path), 0);

	fixture_join(&fresh, p.path);
	listen_to(&fresh, "a", 1);
	uint32_t old_count = publish(&p.ear, FIXTURE_NOW, "a");
	bool fresh_by_old = is_woken(&fresh);
	uint32_t fresh_count = publish(&fresh, FIXTURE_NOW, "a");

	ck_assert_int_eq(fresh.store.opened, ARENA_MADE);
	ck_assert(!fresh_by_old);
	/* The old one's FIFOs were swept away: to its last workers all are
	 * gone, and they end as well. */
	ck_assert_uint_le(old_count, 1);
	ck_assert_uint_eq(fresh_count, 1);
	ck_assert(fresh.wake.own_news);
	fixture_leave(&fresh);
	pair_end(&p);
	ck_assert_uint_eq(count_fifos(p.path), 0);
}
END_TEST

START_TEST(fifos_of_arenas_that_are_gone_are_swept_away)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	char stale[FIXTURE_PATH + 32];
	char other[FIXTURE_PATH + 32];
	fixture_path(path);
	(void)snprintf(stale, sizeof(stale), "%s.wake.abc.7", path);
	(void)snprintf(other, sizeof(other), "%s2.wake.abc.7", path);
	ck_assert_int_eq(mkfifo(stale, 0600), 0);
	ck_assert_int_eq(mkfifo(other, 0600), 0);

	fixture_join(&w, path);

	ck_assert_int_eq(access(stale, F_OK), -1);
	/* Another arena's in the same folder stays. */
	ck_assert_int_eq(access(other, F_OK), 0);
	fixture_leave(&w);
}
END_TEST

START_TEST(what_lies_in_a_fifo_s_place_is_not_opened)
{
	struct store s;
	struct buf why = { 0 };
	char path[FIXTURE_PATH];
	char fifo[FIXTURE_PATH + 64];
	char target[FIXTURE_PATH];
	struct stat st;
	int inbox;
	fixture_path(path);
	fixture_path(target);
	fixture_open(&s, path);
	ck_assert_int_eq(stat(path, &st), 0);
	(void)snprintf(fifo, sizeof(fifo), "%s.wake.%lx.0", path,
	    (unsigned long)st.st_ino);
	ck_assert_int_eq(mkfifo(target, 0600), 0);
	ck_assert_int_eq(symlink(target, fifo), 0);

	int link = wake_attach(&s, FIXTURE_NOW, &inbox, &why);
	ck_assert_int_eq(unlink(fifo), 0);
	ck_assert_int_eq(mkdir(fifo, 0700), 0);
	int folder = wake_attach(&s, FIXTURE_NOW, &inbox, &why);
	ck_assert_int_eq(rmdir(fifo), 0);
	int free_again = wake_attach(&s, FIXTURE_NOW, &inbox, &why);

	ck_assert_int_ne(link, 0);
	ck_assert_int_ne(folder, 0);
	ck_assert_int_eq(free_again, 0);
	ck_assert_uint_eq(s.slot, 0);
	wake_detach(&s, inbox);
	store_close(&s);
	buf_fini(&why);
}
END_TEST

FIXTURE_MAIN("wake", worker_that_listens_is_woken_and_no_other,
    worker_that_publishes_to_itself_has_news_without_a_byte,
    worker_that_has_not_looked_yet_is_sent_one_byte,
    every_look_is_followed_by_a_new_byte,
    worker_that_does_not_look_is_asked_again_after_a_while,
    sender_killed_before_its_write_leaves_no_promise,
    full_fifo_is_as_good_as_a_byte, dead_worker_is_found_and_not_counted,
    killed_worker_is_found_by_the_next_event,
    worker_without_its_fifo_is_taken_for_dead,
    worker_notices_that_its_fifo_was_removed,
    worker_notices_that_its_arena_was_removed,
    worker_is_woken_though_descriptors_ran_out,
    slot_s_new_owner_is_woken_through_a_kept_descriptor,
    heir_of_a_killed_worker_is_woken, no_more_descriptors_are_kept_than_allowed,
    repair_wakes_every_worker, worker_that_leaves_takes_its_fifo_along,
    workers_of_an_arena_that_was_removed_do_not_mix_with_the_new_one_s,
    fifos_of_arenas_that_are_gone_are_swept_away,
    what_lies_in_a_fifo_s_place_is_not_opened)
