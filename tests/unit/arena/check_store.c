#include "arena_fixture.h"

#include <errno.h>
#include <sched.h>

#include "arena/channel.h"
#include "arena/follow.h"
#include "arena/pool.h"

static void
make_worker(struct fixture_worker *w)
{
	char path[FIXTURE_PATH];

	fixture_path(path);
	fixture_join(w, path);
}

static int
append(struct fixture_worker *w, struct clock_now now,
    const struct store_event *events, size_t count,
    struct store_appended *appended)
{
	return store_append(&w->store, now, events, count, appended,
	    &w->wake.due);
}

static struct store_event
event_for(const char *channel)
{
	return (struct store_event){ .channel = span_of(channel),
		.body = FIXTURE_BODY };
}

/* Listen to a channel with count streams more; one registration has all. */
static void
listen_more(struct fixture_worker *w, struct follow_join *join, int count)
{
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;

	for (int i = 0; i < count; i++)
		ck_assert_int_eq(follow_join(&w->store, FIXTURE_NOW, join, 1,
				     live, &joined),
		    0);
}

static void
listen_to(struct fixture_worker *w, const char *channel, int count)
{
	struct follow_join join = { .name = span_of(channel) };

	listen_more(w, &join, count);
}

static uint32_t
subscribers(struct fixture_worker *w, const char *channel)
{
	uint32_t count = UINT32_MAX;

	ck_assert_int_eq(store_subscribers(&w->store, span_of(channel), &count),
	    0);
	return count;
}

static uint32_t
events_of(struct fixture_worker *w, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find(&w->store.arena, span_of(name), &channel),
	    0);
	return channel == NULL ? 0 : channel->channel.events;
}

START_TEST(events_of_a_batch_get_rising_ids_of_their_moment)
{
	struct fixture_worker w;
	struct store_event events[3] = { event_for("a"), event_for("b"),
		event_for("a") };
	struct store_appended appended[3];
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	now.wall_ms += 1000;

	ck_assert_int_eq(append(&w, now, events, 3, appended), 0);

	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(appended[i].id,
		    event_id_make(now.wall_ms, i));
	ck_assert_uint_eq(events_of(&w, "a"), 2);
	ck_assert_uint_eq(events_of(&w, "b"), 1);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(ids_rise_though_the_clock_steps_back)
{
	struct fixture_worker w;
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	now.wall_ms += 5000;
	uint64_t first = fixture_append(&w, now, "a");

	now.wall_ms -= 3600 * 1000;
	uint64_t second = fixture_append(&w, now, "a");
	now.wall_ms = FIXTURE_WALL_MS + 5001;
	uint64_t third = fixture_append(&w, now, "a");

	ck_assert_uint_eq(second, first + 1);
	ck_assert_uint_eq(third, event_id_make(FIXTURE_WALL_MS + 5001, 0));
	fixture_leave(&w);
}
END_TEST

START_TEST(counter_that_is_used_up_borrows_the_next_millisecond)
{
	struct fixture_worker w;
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	uint64_t ms = now.wall_ms + 5;
	atomic_store(&w.store.arena.header->last_id,
	    event_id_make(ms, EVENT_COUNTER_MAX - 1));

	now.wall_ms = ms;
	uint64_t last = fixture_append(&w, now, "a");
	uint64_t borrowed = fixture_append(&w, now, "a");
	now.wall_ms = ms + 1;
	uint64_t next = fixture_append(&w, now, "a");

	ck_assert_uint_eq(last, event_id_make(ms, EVENT_COUNTER_MAX));
	ck_assert_uint_eq(borrowed, event_id_make(ms + 1, 0));
	ck_assert_uint_eq(next, event_id_make(ms + 1, 1));
	fixture_leave(&w);
}
END_TEST

START_TEST(ids_from_outside_are_taken_as_they_are)
{
	struct fixture_worker w;
	struct store_event events[3] = { event_for("a"), event_for("a"),
		event_for("a") };
	struct store_appended appended[3];
	make_worker(&w);
	events[0].id = event_id_make(FIXTURE_WALL_MS + 10, 7);
	events[2].id = event_id_make(FIXTURE_WALL_MS + 20, 0);

	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 3, appended), 0);

	ck_assert_uint_eq(appended[0].id, events[0].id);
	ck_assert_uint_eq(appended[1].id, events[0].id + 1);
	ck_assert_uint_eq(appended[2].id, events[2].id);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

/* What an append that failed must not have changed. */
struct before {
	uint64_t last_id;
	uint32_t events;
	uint32_t channels;
	uint32_t used;
};

static struct before
look(struct fixture_worker *w)
{
	const struct layout_header *h = w->store.arena.header;

	return (struct before){ atomic_load(&h->last_id), h->events,
		h->channels, h->used };
}

static void
assert_unchanged(struct fixture_worker *w, struct before before)
{
	struct before after = look(w);

	ck_assert_uint_eq(after.last_id, before.last_id);
	ck_assert_uint_eq(after.events, before.events);
	ck_assert_uint_eq(after.channels, before.channels);
	ck_assert_uint_eq(after.used, before.used);
	fixture_assert_sound(&w->store);
}

START_TEST(batch_with_a_stale_id_stores_nothing)
{
	for (size_t bad = 0; bad < 3; bad++) {
		struct fixture_worker w;
		struct store_event events[3] = { event_for("kept"),
			event_for("new"), event_for("newer") };
		struct store_appended appended[3];
		make_worker(&w);
		uint64_t last = fixture_append(&w, FIXTURE_NOW, "kept");
		listen_to(&w, "kept", 2);
		struct before before = look(&w);
		for (size_t i = 0; i < 3; i++)
			events[i].id = last + 10 + i;
		events[bad].id = last;

		int rc = append(&w, FIXTURE_NOW, events, 3, appended);

		ck_assert_int_eq(rc, -ESTALE);
		assert_unchanged(&w, before);
		ck_assert_uint_eq(subscribers(&w, "kept"), 2);
		fixture_leave(&w);
	}
}
END_TEST

START_TEST(batch_whose_own_ids_do_not_rise_stores_nothing)
{
	struct fixture_worker w;
	struct store_event events[2] = { event_for("a"), event_for("a") };
	struct store_appended appended[2];
	make_worker(&w);
	struct before before = look(&w);
	events[0].id = events[1].id = before.last_id + 5;

	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 2, appended), -ESTALE);

	assert_unchanged(&w, before);
	fixture_leave(&w);
}
END_TEST

START_TEST(batch_larger_than_half_the_arena_stores_nothing)
{
	static char body[FIXTURE_SIZE];
	struct fixture_worker w;
	struct store_event events[2] = { event_for("a"), event_for("b") };
	struct store_appended appended[2];
	make_worker(&w);
	(void)fixture_append(&w, FIXTURE_NOW, "a");
	struct before before = look(&w);
	memset(body, 'x', sizeof(body));
	events[1].body = (struct span){ body, FIXTURE_SIZE / 2 };

	int rc = append(&w, FIXTURE_NOW, events, 2, appended);

	ck_assert_int_eq(rc, -EMSGSIZE);
	assert_unchanged(&w, before);
	fixture_leave(&w);
}
END_TEST

/* Leave just so many blocks, the others taken by channels with registrations. */
static void
fill_with_registrations(struct fixture_worker *w, uint32_t leave)
{
	char name[16];

	for (unsigned i = 0; pool_left(&w->store.arena) >= leave + 3; i++) {
		(void)snprintf(name, sizeof(name), "full%u", i);
		listen_to(w, name, 1);
	}
}

START_TEST(batch_that_registrations_leave_no_room_for_stores_nothing)
{
	struct fixture_worker w;
	struct store_event events[12];
	struct store_appended appended[12];
	make_worker(&w);
	fill_with_registrations(&w, 8);
	for (size_t i = 0; i < UNIT_COUNT(events); i++)
		events[i] = event_for("full0");
	struct before before = look(&w);

	int rc = append(&w, FIXTURE_NOW, events, UNIT_COUNT(events), appended);

	ck_assert_int_eq(rc, -ENOSPC);
	assert_unchanged(&w, before);
	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 1, appended), 0);
	ck_assert_uint_eq(appended[0].subscribers, 1);
	fixture_leave(&w);
}
END_TEST

START_TEST(full_arena_lets_the_oldest_go_and_takes_the_new)
{
	struct fixture_worker w;
	char name[16];
	make_worker(&w);
	uint64_t last = 0;

	for (unsigned i = 0; i < 3000; i++) {
		(void)snprintf(name, sizeof(name), "c%u", i % 700);
		uint64_t id = fixture_append(&w, FIXTURE_NOW, name);
		ck_assert_uint_gt(id, last);
		last = id;
	}

	const struct layout_header *h = w.store.arena.header;
	ck_assert_uint_eq(h->events + h->evicted, 3000);
	ck_assert_uint_gt(h->events, 100);
	ck_assert_uint_eq(w.store.arena.blocks[h->newest].event.id, last);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(channel_of_the_longest_name_is_made_in_a_full_arena)
{
	struct fixture_worker w;
	char name[EVENT_CHANNEL_MAX];
	struct store_event event = { .channel = { name, sizeof(name) },
		.body = FIXTURE_BODY };
	struct store_appended appended;
	char other[16];
	make_worker(&w);
	for (unsigned i = 0; pool_left(&w.store.arena) >= 2; i++) {
		(void)snprintf(other, sizeof(other), "c%u", i);
		(void)fixture_append(&w, FIXTURE_NOW, other);
	}
	memset(name, 'x', sizeof(name));

	int rc = append(&w, FIXTURE_NOW, &event, 1, &appended);

	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(
	    w.store.arena.blocks[w.store.arena.header->newest].event.id,
	    appended.id);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(channel_keeps_its_newest_events_up_to_the_limit)
{
	struct fixture_worker w;
	make_worker(&w);
	uint64_t ids[FIXTURE_MAX_EVENTS + 5];

	for (size_t i = 0; i < UNIT_COUNT(ids); i++)
		ids[i] = fixture_append(&w, FIXTURE_NOW, "a");
	(void)fixture_append(&w, FIXTURE_NOW, "b");

	const struct layout_header *h = w.store.arena.header;
	ck_assert_uint_eq(events_of(&w, "a"), FIXTURE_MAX_EVENTS);
	ck_assert_uint_eq(events_of(&w, "b"), 1);
	ck_assert_uint_eq(h->trimmed, 5);
	ck_assert_uint_eq(w.store.arena.blocks[h->oldest].event.id, ids[5]);
	fixture_leave(&w);
}
END_TEST

START_TEST(batch_beyond_the_limit_keeps_its_end)
{
	struct fixture_worker w;
	struct store_event events[FIXTURE_MAX_EVENTS + 3];
	struct store_appended appended[UNIT_COUNT(events)];
	make_worker(&w);
	for (size_t i = 0; i < UNIT_COUNT(events); i++)
		events[i] = event_for("a");

	int rc = append(&w, FIXTURE_NOW, events, UNIT_COUNT(events), appended);

	ck_assert_int_eq(rc, 0);
	const struct layout_header *h = w.store.arena.header;
	ck_assert_uint_eq(h->events, FIXTURE_MAX_EVENTS);
	ck_assert_uint_eq(w.store.arena.blocks[h->oldest].event.id,
	    appended[3].id);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(appending_clears_away_what_is_too_old_elsewhere)
{
	struct fixture_worker w;
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	for (int i = 0; i < 3; i++)
		(void)fixture_append(&w, now, "idle");
	now.boot_ms += FIXTURE_MAX_AGE_MS;

	(void)fixture_append(&w, now, "busy");

	ck_assert_uint_eq(events_of(&w, "idle"), 0);
	ck_assert_uint_eq(w.store.arena.header->channels, 1);
	ck_assert_uint_eq(w.store.arena.header->expired, 3);
	fixture_leave(&w);
}
END_TEST

START_TEST(age_is_measured_by_the_clock_that_does_not_step)
{
	struct fixture_worker w;
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	(void)fixture_append(&w, now, "a");

	now.wall_ms += 24 * 3600 * 1000;
	(void)fixture_append(&w, now, "a");

	ck_assert_uint_eq(events_of(&w, "a"), 2);
	fixture_leave(&w);
}
END_TEST

START_TEST(publisher_hears_how_many_listen_over_all_workers)
{
	struct fixture_worker first;
	struct fixture_worker second;
	char path[FIXTURE_PATH];
	struct store_event events[3] = { event_for("a"), event_for("none"),
		event_for("b") };
	struct store_appended appended[3];
	fixture_path(path);
	fixture_join(&first, path);
	fixture_join(&second, path);
	listen_to(&first, "a", 2);
	listen_to(&second, "a", 3);
	listen_to(&second, "b", 1);

	ck_assert_int_eq(append(&first, FIXTURE_NOW, events, 3, appended), 0);

	ck_assert_uint_eq(appended[0].subscribers, 5);
	ck_assert_uint_eq(appended[1].subscribers, 0);
	ck_assert_uint_eq(appended[2].subscribers, 1);
	ck_assert_uint_eq(first.wake.due.count, 2);
	fixture_leave(&second);
	fixture_leave(&first);
}
END_TEST

START_TEST(reaping_another_session_does_nothing)
{
	struct fixture_worker first;
	struct fixture_worker second;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&first, path);
	fixture_join(&second, path);
	listen_to(&second, "a", 1);
	uint32_t slot = second.store.slot;
	uint32_t session = second.store.arena.workers[slot].session;

	ck_assert_int_eq(store_reap(&first.store, slot, session - 1), 0);
	ck_assert_int_eq(store_reap(&first.store, slot, session + 1), 0);
	uint32_t before = subscribers(&first, "a");
	ck_assert_int_eq(store_reap(&first.store, slot, session), 0);

	ck_assert_uint_eq(before, 1);
	ck_assert_uint_eq(subscribers(&first, "a"), 0);
	ck_assert_int_eq(second.store.arena.workers[slot].pid, 0);
	fixture_assert_sound(&first.store);
	fixture_leave(&second);
	fixture_leave(&first);
}
END_TEST

START_TEST(worker_does_not_reap_itself_nor_what_is_no_slot)
{
	struct fixture_worker w;
	make_worker(&w);
	listen_to(&w, "a", 1);
	const struct arena *a = &w.store.arena;
	uint32_t slot = w.store.slot;

	int own = store_reap(&w.store, slot, a->workers[slot].session);
	int none = store_reap(&w.store, a->worker_count, 1);

	ck_assert_int_eq(own, 0);
	ck_assert_int_eq(none, -EINVAL);
	ck_assert_uint_eq(subscribers(&w, "a"), 1);
	fixture_leave(&w);
}
END_TEST

START_TEST(slot_s_next_owner_inherits_nothing)
{
	struct fixture_worker gone;
	struct fixture_worker heir;
	struct fixture_worker witness;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&gone, path);
	fixture_join(&witness, path);
	listen_to(&gone, "a", 3);
	store_count(&gone.store, LAYOUT_GAPS, 4);
	store_count_streams(&gone.store, 3);
	uint32_t slot = gone.store.slot;
	uint32_t session = gone.store.arena.workers[slot].session;
	fixture_vanish(&gone);

	fixture_join(&heir, path);

	ck_assert_uint_eq(heir.store.slot, slot);
	ck_assert_uint_eq(subscribers(&witness, "a"), 0);
	const struct layout_worker *worker = &heir.store.arena.workers[slot];
	ck_assert_uint_ne(worker->session, session);
	ck_assert_uint_eq(atomic_load(&worker->streams), 0);
	ck_assert_uint_eq(atomic_load(&worker->totals[LAYOUT_GAPS]), 0);
	ck_assert_uint_eq(heir.store.arena.header->totals[LAYOUT_GAPS], 4);
	fixture_assert_sound(&heir.store);
	fixture_leave(&heir);
	fixture_leave(&witness);
}
END_TEST

START_TEST(worker_that_leaves_hands_in_its_counters)
{
	struct fixture_worker leaving;
	struct fixture_worker witness;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&witness, path);
	fixture_join(&leaving, path);
	listen_to(&leaving, "a", 2);
	(void)fixture_append(&leaving, FIXTURE_NOW, "a");
	store_count(&leaving.store, LAYOUT_DELIVERED, 2);

	fixture_leave(&leaving);

	const struct layout_header *h = witness.store.arena.header;
	ck_assert_uint_eq(h->totals[LAYOUT_PUBLISHED], 1);
	ck_assert_uint_eq(h->totals[LAYOUT_DELIVERED], 2);
	ck_assert_uint_eq(subscribers(&witness, "a"), 0);
	fixture_assert_sound(&witness.store);
	fixture_leave(&witness);
}
END_TEST

START_TEST(counters_of_workers_that_all_died_are_kept)
{
	char path[FIXTURE_PATH];
	struct fixture_worker w;
	struct store s;
	fixture_path(path);
	fixture_join(&w, path);
	store_count(&w.store, LAYOUT_DELIVERED, 7);

	fixture_vanish(&w);
	fixture_open(&s, path);

	ck_assert_uint_eq(s.arena.header->totals[LAYOUT_DELIVERED], 7);
	store_close(&s);
}
END_TEST

START_TEST(purge_takes_one_channel_s_events)
{
	struct fixture_worker w;
	make_worker(&w);
	(void)fixture_append(&w, FIXTURE_NOW, "a");
	uint64_t last = fixture_append(&w, FIXTURE_NOW, "a");
	(void)fixture_append(&w, FIXTURE_NOW, "b");

	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), -ENOENT);

	ck_assert_uint_eq(events_of(&w, "a"), 0);
	ck_assert_uint_eq(events_of(&w, "b"), 1);
	ck_assert_uint_eq(w.store.arena.header->purged, 2);
	ck_assert_uint_eq(channel_forgotten_of(&w.store.arena, SPAN("a")),
	    last);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(arena_is_checked_for_its_place_and_its_lock)
{
	struct fixture_worker w;
	make_worker(&w);

	ck_assert_int_eq(store_check(&w.store), 0);
	ck_assert_int_eq(unlink(w.store.arena.path), 0);
	ck_assert_int_eq(store_check(&w.store), -ENOENT);

	fixture_leave(&w);
}
END_TEST

START_TEST(history_outlives_its_workers)
{
	struct fixture_worker w;
	struct fixture_worker next;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);
	uint64_t id = fixture_append(&w, FIXTURE_NOW, "a");
	listen_to(&w, "a", 1);
	fixture_vanish(&w);

	fixture_join(&next, path);

	ck_assert_int_eq(next.store.opened, ARENA_ALONE);
	ck_assert_uint_eq(events_of(&next, "a"), 1);
	ck_assert_uint_eq(subscribers(&next, "a"), 0);
	ck_assert_uint_gt(fixture_append(&next, FIXTURE_NOW, "a"), id);
	fixture_assert_sound(&next.store);
	fixture_leave(&next);
}
END_TEST

START_TEST(after_a_reboot_age_is_what_the_wall_clock_says)
{
	struct fixture_worker w;
	struct store s;
	char path[FIXTURE_PATH];
	struct buf why = { 0 };
	struct clock_now now = FIXTURE_NOW;
	fixture_path(path);
	fixture_join(&w, path);
	(void)fixture_append(&w, now, "a");
	now.wall_ms += FIXTURE_MAX_AGE_MS;
	(void)fixture_append(&w, now, "a");
	memset(w.store.arena.header->boot_id, 0x55, 16);
	fixture_leave(&w);
	/* Half a lifetime later, on a machine that has run for two. */
	now.wall_ms += FIXTURE_MAX_AGE_MS / 2;
	now.boot_ms = FIXTURE_MAX_AGE_MS * 2;

	ck_assert_int_eq(store_open(&s, path, 0, NULL, now, &why), 0);

	struct arena *a = &s.arena;
	ck_assert_int_eq(channel_expire_some(a, now.boot_ms, 100), 0);
	ck_assert_uint_eq(a->header->events, 1);
	ck_assert_uint_eq(a->blocks[a->header->newest].event.stamp_ms,
	    now.boot_ms - FIXTURE_MAX_AGE_MS / 2);
	store_close(&s);
	buf_fini(&why);
}
END_TEST

START_TEST(limits_are_the_last_opener_s_for_all)
{
	struct fixture_worker w;
	struct store s;
	char path[FIXTURE_PATH];
	struct buf why = { 0 };
	const struct store_limits limits = { 1234, 2 };
	fixture_path(path);
	fixture_join(&w, path);

	ck_assert_int_eq(store_open(&s, path, FIXTURE_SIZE, &limits,
			     FIXTURE_NOW, &why),
	    0);
	for (int i = 0; i < 4; i++)
		(void)fixture_append(&w, FIXTURE_NOW, "a");

	ck_assert_uint_eq(events_of(&w, "a"), 2);
	ck_assert_uint_eq(w.store.arena.header->max_age_ms, 1234);
	store_close(&s);
	fixture_leave(&w);
	buf_fini(&why);
}
END_TEST

START_TEST(maker_killed_before_history_began_is_made_up_for)
{
	struct arena a;
	struct store s;
	enum arena_state state;
	char path[FIXTURE_PATH];
	struct buf why = { 0 };
	fixture_path(path);
	ck_assert_int_eq(arena_open(&a, path, FIXTURE_SIZE, &state, &why), 0);
	arena_close(&a);

	fixture_open(&s, path);

	ck_assert_int_eq(s.opened, ARENA_ALONE);
	ck_assert_uint_eq(atomic_load(&s.arena.header->last_id),
	    event_id_make(FIXTURE_WALL_MS, 0));
	ck_assert_uint_eq(channel_forgotten_of(&s.arena, SPAN("a")),
	    event_id_make(FIXTURE_WALL_MS, 0));
	store_close(&s);
	buf_fini(&why);
}
END_TEST

/* In a process of its own, where Check's assertions must not be used. */
static _Noreturn void
publish_forever(const char *path)
{
	struct store s;
	struct wake wake;
	struct buf why = { 0 };
	int inbox;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (store_open(&s, path, 0, NULL, FIXTURE_NOW, &why) != 0 ||
	    wake_attach(&s, FIXTURE_NOW, &inbox, &why) != 0 ||
	    wake_init(&wake, &s, 16) != 0)
		_exit(1);
	for (unsigned i = 0;; i++) {
		const struct store_event event =
		    event_for(i % 3 == 0 ? "a" : "b");
		struct store_appended appended;
		if (wake_append(&wake, FIXTURE_NOW, &event, 1, &appended) != 0)
			_exit(1);
	}
}

START_TEST(publisher_killed_anywhere_harms_nobody)
{
	struct fixture_worker w;
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);

	for (unsigned round = 0; round < 100; round++) {
		_Atomic uint64_t *last = &w.store.arena.header->last_id;
		uint64_t before = atomic_load(last);
		pid_t pid = fork();
		if (pid == 0)
			publish_forever(path);
		/* So many ids further on, it is in the midst of another. */
		while (atomic_load(last) < before + 1 + round * 3)
			(void)sched_yield();
		fixture_kill(pid);

		uint64_t id = fixture_append(&w, FIXTURE_NOW, "mine");

		ck_assert_uint_gt(id, before + round * 3);
		fixture_assert_sound(&w.store);
	}
	fixture_leave(&w);
}
END_TEST

/* An event with an id of its own. */
static struct store_event
named_event(const char *channel, const char *own_id)
{
	struct store_event event = event_for(channel);

	event.own_id = span_of(own_id);
	return event;
}

static struct store_event
copy_for(const char *channel, const char *own_id)
{
	struct store_event event = named_event(channel, own_id);

	event.is_copy = true;
	return event;
}

START_TEST(event_for_several_channels_has_one_id)
{
	struct fixture_worker w;
	struct store_event events[5] = { event_for("a"), copy_for("b", ""),
		copy_for("c", ""), event_for("a"), copy_for("c", "") };
	struct store_appended appended[5];
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	now.wall_ms += 1000;

	ck_assert_int_eq(append(&w, now, events, 5, appended), 0);

	for (unsigned i = 0; i < 5; i++) {
		ck_assert_uint_eq(appended[i].id,
		    event_id_make(now.wall_ms, i < 3 ? 0 : 1));
		ck_assert(!appended[i].duplicate);
	}
	ck_assert_uint_eq(events_of(&w, "a"), 2);
	ck_assert_uint_eq(events_of(&w, "b"), 1);
	ck_assert_uint_eq(events_of(&w, "c"), 2);
	ck_assert_uint_eq(store_last_id(&w.store), appended[4].id);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(channel_that_is_named_twice_has_the_event_once)
{
	struct fixture_worker w;
	struct store_event events[3] = { event_for("a"), copy_for("b", ""),
		copy_for("a", "") };
	struct store_appended appended[3];
	make_worker(&w);

	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 3, appended), 0);

	ck_assert_uint_eq(appended[2].id, appended[0].id);
	ck_assert_uint_eq(events_of(&w, "a"), 1);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(own_id_that_is_kept_stores_nothing_and_answers_as_before)
{
	struct fixture_worker w;
	struct store_event event = named_event("a", "order-17");
	struct store_appended first;
	struct store_appended again;
	struct follow_join join = { .name = SPAN("a") };
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);
	listen_more(&w, &join, 2);
	ck_assert_int_eq(append(&w, now, &event, 1, &first), 0);
	uint64_t published =
	    atomic_load(&w.store.arena.workers[w.store.slot].totals[0]);
	listen_more(&w, &join, 3);
	now.wall_ms += 1000;

	ck_assert_int_eq(append(&w, now, &event, 1, &again), 0);

	ck_assert(!first.duplicate);
	ck_assert(again.duplicate);
	ck_assert_uint_eq(again.id, first.id);
	ck_assert_uint_eq(again.subscribers, 2);
	ck_assert_uint_eq(w.wake.due.count, 0);
	ck_assert_uint_eq(events_of(&w, "a"), 1);
	ck_assert_uint_eq(store_last_id(&w.store), first.id);
	ck_assert_uint_eq(atomic_load(
			      &w.store.arena.workers[w.store.slot].totals[0]),
	    published);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(own_id_is_free_once_its_event_is_gone)
{
	struct fixture_worker w;
	struct store_event events[3] = { named_event("a", "x"),
		named_event("b", "x"), named_event("a", "y") };
	struct store_appended appended;
	struct clock_now now = FIXTURE_NOW;
	make_worker(&w);

	ck_assert_int_eq(append(&w, now, &events[0], 1, &appended), 0);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);
	ck_assert_int_eq(append(&w, now, &events[1], 1, &appended), 0);
	ck_assert(!appended.duplicate);

	/* Trimmed. */
	for (int i = 0; i < FIXTURE_MAX_EVENTS; i++)
		(void)fixture_append(&w, now, "b");
	ck_assert_int_eq(append(&w, now, &events[0], 1, &appended), 0);
	ck_assert(!appended.duplicate);

	/* Too old, and there are more of that age than an append clears away. */
	ck_assert_int_eq(append(&w, now, &events[2], 1, &appended), 0);
	now.boot_ms += FIXTURE_MAX_AGE_MS - 1;
	ck_assert_int_eq(append(&w, now, &events[2], 1, &appended), 0);
	ck_assert(appended.duplicate);
	now.boot_ms++;
	ck_assert_int_eq(append(&w, now, &events[2], 1, &appended), 0);
	ck_assert(!appended.duplicate);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(duplicates_of_a_batch_are_left_out_and_the_rest_is_stored)
{
	struct fixture_worker w;
	struct store_event kept = named_event("a", "x");
	struct store_event events[5] = { named_event("a", "x"),
		named_event("b", "y"), event_for("b"), named_event("a", "y"),
		named_event("b", "z") };
	struct store_appended first;
	struct store_appended appended[5];
	static const bool duplicate[5] = { true, false, false, true, false };
	make_worker(&w);
	ck_assert_int_eq(append(&w, FIXTURE_NOW, &kept, 1, &first), 0);

	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 5, appended), 0);

	for (unsigned i = 0; i < 5; i++)
		ck_assert_int_eq(appended[i].duplicate, duplicate[i]);
	ck_assert_uint_eq(appended[0].id, first.id);
	ck_assert_uint_eq(appended[1].id, first.id + 1);
	ck_assert_uint_eq(appended[2].id, first.id + 2);
	ck_assert_uint_eq(appended[3].id, first.id + 1);
	ck_assert_uint_eq(appended[4].id, first.id + 3);
	ck_assert_uint_eq(events_of(&w, "a"), 1);
	ck_assert_uint_eq(events_of(&w, "b"), 3);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(repeated_event_of_several_channels_tells_each_one_s_listeners)
{
	struct fixture_worker w;
	struct store_event events[3] = { named_event("a", "x"),
		copy_for("b", "x"), copy_for("c", "x") };
	struct store_event others[4] = { named_event("c", "x"),
		copy_for("a", "x"), copy_for("never heard", "x"),
		copy_for("d", "x") };
	struct store_appended first[3];
	struct store_appended again[4];
	make_worker(&w);
	listen_to(&w, "a", 1);
	listen_to(&w, "b", 2);
	listen_to(&w, "c", 3);
	listen_to(&w, "d", 4);
	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 3, first), 0);

	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 3, again), 0);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(again[i].duplicate);
		ck_assert_uint_eq(again[i].id, first[0].id);
		ck_assert_uint_eq(again[i].subscribers, i + 1);
	}

	/* In another order, and channels that it was not published to. */
	ck_assert_int_eq(append(&w, FIXTURE_NOW, others, 4, again), 0);
	static const uint32_t heard[4] = { 3, 1, 0, 0 };
	for (unsigned i = 0; i < 4; i++) {
		ck_assert(again[i].duplicate);
		ck_assert_uint_eq(again[i].subscribers, heard[i]);
	}
	ck_assert_uint_eq(w.store.arena.header->events, 3);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(own_id_is_kept_as_long_as_one_channel_has_the_event)
{
	struct fixture_worker w;
	struct store_event events[2] = { named_event("a", "x"),
		copy_for("b", "x") };
	struct store_appended first[2];
	struct store_appended again[2];
	make_worker(&w);
	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 2, first), 0);
	ck_assert_int_eq(store_purge(&w.store, SPAN("a")), 0);

	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 2, again), 0);
	ck_assert(again[0].duplicate);
	ck_assert(again[1].duplicate);
	ck_assert_uint_eq(again[0].id, first[0].id);
	ck_assert_uint_eq(events_of(&w, "a"), 0);

	ck_assert_int_eq(store_purge(&w.store, SPAN("b")), 0);
	ck_assert_int_eq(append(&w, FIXTURE_NOW, events, 2, again), 0);
	ck_assert(!again[0].duplicate);
	ck_assert_uint_eq(events_of(&w, "a"), 1);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

START_TEST(event_with_an_id_from_outside_is_stored_whatever_its_own_id)
{
	struct fixture_worker w;
	struct store_event event = named_event("a", "x");
	struct store_appended first;
	struct store_appended second;
	make_worker(&w);
	ck_assert_int_eq(append(&w, FIXTURE_NOW, &event, 1, &first), 0);
	event.id = first.id + 5;

	ck_assert_int_eq(append(&w, FIXTURE_NOW, &event, 1, &second), 0);

	ck_assert(!second.duplicate);
	ck_assert_uint_eq(second.id, first.id + 5);
	ck_assert_uint_eq(events_of(&w, "a"), 2);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

FIXTURE_MAIN("store", events_of_a_batch_get_rising_ids_of_their_moment,
    ids_rise_though_the_clock_steps_back,
    counter_that_is_used_up_borrows_the_next_millisecond,
    ids_from_outside_are_taken_as_they_are,
    batch_with_a_stale_id_stores_nothing,
    batch_whose_own_ids_do_not_rise_stores_nothing,
    batch_larger_than_half_the_arena_stores_nothing,
    batch_that_registrations_leave_no_room_for_stores_nothing,
    full_arena_lets_the_oldest_go_and_takes_the_new,
    channel_of_the_longest_name_is_made_in_a_full_arena,
    channel_keeps_its_newest_events_up_to_the_limit,
    batch_beyond_the_limit_keeps_its_end,
    appending_clears_away_what_is_too_old_elsewhere,
    age_is_measured_by_the_clock_that_does_not_step,
    publisher_hears_how_many_listen_over_all_workers,
    reaping_another_session_does_nothing,
    worker_does_not_reap_itself_nor_what_is_no_slot,
    slot_s_next_owner_inherits_nothing,
    worker_that_leaves_hands_in_its_counters,
    counters_of_workers_that_all_died_are_kept,
    purge_takes_one_channel_s_events,
    arena_is_checked_for_its_place_and_its_lock, history_outlives_its_workers,
    after_a_reboot_age_is_what_the_wall_clock_says,
    limits_are_the_last_opener_s_for_all,
    maker_killed_before_history_began_is_made_up_for,
    publisher_killed_anywhere_harms_nobody,
    event_for_several_channels_has_one_id,
    channel_that_is_named_twice_has_the_event_once,
    own_id_that_is_kept_stores_nothing_and_answers_as_before,
    own_id_is_free_once_its_event_is_gone,
    duplicates_of_a_batch_are_left_out_and_the_rest_is_stored,
    repeated_event_of_several_channels_tells_each_one_s_listeners,
    own_id_is_kept_as_long_as_one_channel_has_the_event,
    event_with_an_id_from_outside_is_stored_whatever_its_own_id)
