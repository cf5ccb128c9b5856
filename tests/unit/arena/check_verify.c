#include "arena_fixture.h"

#include <errno.h>

#include "arena/channel.h"
#include "arena/follow.h"
#include "arena/journal.h"
#include "arena/own_id.h"
#include "arena/pool.h"
#include "wire/sse.h"

/*
 * Two events in "one", a long one in "two", a registration of "one"; an event with
 * an id of its own in both.
 */
struct setup {
	struct fixture_worker w;
	struct arena *a;
	struct layout_block *one;
	struct layout_block *first;
	struct layout_block *second;
	struct layout_block *lengthy;
	struct layout_block *named; /* the first of its copies */
	struct layout_block *registration;
};

static struct layout_block *
event_of(const struct arena *a, uint64_t id)
{
	for (uint32_t i = 1; i < a->block_count; i++) {
		struct layout_block *b = pool_block(a, i, LAYOUT_EVENT);
		if (b != NULL && b->event.id == id)
			return b;
	}
	ck_abort_msg("no such event");
}

static void
setup_make(struct setup *s)
{
	static char data[LAYOUT_EVENT_BYTES + LAYOUT_MORE_BYTES];
	char path[FIXTURE_PATH];
	struct buf body = { 0 };
	struct store_event event = { .channel = SPAN("two") };
	struct store_event copies[2] = {
		{ .channel = SPAN("one"),
		    .own_id = SPAN("x"),
		    .body = FIXTURE_BODY },
		{ .channel = SPAN("two"),
		    .own_id = SPAN("x"),
		    .body = FIXTURE_BODY,
		    .is_copy = true },
	};
	struct store_appended appended;
	struct store_appended twice[2];
	struct follow_join join = { .name = SPAN("one") };
	struct follow_joined joined;
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };

	fixture_path(path);
	fixture_join(&s->w, path);
	s->a = &s->w.store.arena;
	s->first = event_of(s->a, fixture_append(&s->w, FIXTURE_NOW, "one"));
	s->second = event_of(s->a, fixture_append(&s->w, FIXTURE_NOW, "one"));
	memset(data, 'x', sizeof(data));
	sse_event(&body, SPAN(""), (struct span){ data, sizeof(data) });
	event.body = buf_span(&body);
	ck_assert_int_eq(wake_append(&s->w.wake, FIXTURE_NOW, &event, 1,
			     &appended),
	    0);
	s->lengthy = event_of(s->a, appended.id);
	ck_assert_int_eq(wake_append(&s->w.wake, FIXTURE_NOW, copies, 2, twice),
	    0);
	ck_assert_int_eq(own_id_find(s->a, SPAN("x"), &s->named), 0);
	ck_assert_int_eq(follow_join(&s->w.store, FIXTURE_NOW, &join, 1, live,
			     &joined),
	    0);
	s->registration = &s->a->blocks[join.registration];
	ck_assert_int_eq(channel_find(s->a, SPAN("one"), &s->one), 0);
	buf_fini(&body);
}

/* One fault each. */

static void
break_count_of_events(struct setup *s)
{
	s->a->header->events++;
}

static void
break_count_of_channels(struct setup *s)
{
	s->a->header->channels--;
}

static void
break_count_of_used_blocks(struct setup *s)
{
	s->a->header->used++;
}

static void
break_channel_s_count_of_events(struct setup *s)
{
	s->one->channel.events++;
}

static void
break_channel_s_count_of_subscribers(struct setup *s)
{
	s->one->channel.subscribers++;
}

static void
break_newest_of_a_channel(struct setup *s)
{
	s->one->channel.newest = pool_number(s->a, s->first);
}

static void
break_newest_of_all(struct setup *s)
{
	s->a->header->newest = pool_number(s->a, s->first);
}

static void
break_oldest_of_all(struct setup *s)
{
	s->a->header->oldest = s->a->block_count;
}

static void
break_link_forward(struct setup *s)
{
	s->first->event.newer = LAYOUT_NONE;
}

static void
break_link_back(struct setup *s)
{
	s->second->event.older = LAYOUT_NONE;
}

static void
break_link_to_later(struct setup *s)
{
	s->first->event.later = pool_number(s->a, s->first);
}

static void
break_link_to_earlier(struct setup *s)
{
	s->second->event.earlier = LAYOUT_NONE;
}

static void
break_order_of_ids(struct setup *s)
{
	s->second->event.id = s->first->event.id;
}

static void
break_owner_of_an_event(struct setup *s)
{
	s->second->event.channel = s->lengthy->event.channel;
}

static void
break_chain(struct setup *s)
{
	s->lengthy->more = LAYOUT_NONE;
}

static void
break_owner_of_a_chain(struct setup *s)
{
	s->a->blocks[s->lengthy->more].rest.owner++;
}

static void
break_end_of_a_chain(struct setup *s)
{
	s->first->more = s->lengthy->more;
}

static void
break_bytes_at_the_front(struct setup *s)
{
	s->first->event.bytes[4] ^= 1;
}

static void
break_bytes_at_the_end(struct setup *s)
{
	s->first->event.len--;
}

static void
break_name(struct setup *s)
{
	s->one->channel.name[0] ^= 1;
}

static void
break_name_s_length(struct setup *s)
{
	s->one->channel.name_len = UINT32_MAX;
}

static void
break_bucket(struct setup *s)
{
	uint32_t i = s->one->channel.hash & (s->a->bucket_count - 1);

	s->a->buckets[i].channels = UINT32_MAX;
}

static void
break_bucket_s_end(struct setup *s)
{
	s->one->channel.next = pool_number(s->a, s->one);
}

static uint32_t *
own_ids_of(struct setup *s)
{
	return &s->a->buckets[own_id_bucket(s->a, SPAN("x"))].own_ids;
}

static void
break_index_of_own_ids(struct setup *s)
{
	*own_ids_of(s) = UINT32_MAX;
}

static void
lose_an_own_id(struct setup *s)
{
	*own_ids_of(s) = LAYOUT_NONE;
}

static void
break_index_s_end(struct setup *s)
{
	s->named->event.next_own_id = pool_number(s->a, s->named);
}

static void
enter_an_event_without_an_own_id(struct setup *s)
{
	s->named->event.next_own_id = pool_number(s->a, s->first);
	s->first->event.next_own_id = LAYOUT_NONE;
}

static void
enter_a_copy(struct setup *s)
{
	s->named->event.next_own_id = s->named->event.later;
}

static void
enter_into_a_wrong_bucket(struct setup *s)
{
	uint32_t other =
	    (own_id_bucket(s->a, SPAN("x")) + 1) % s->a->bucket_count;

	*own_ids_of(s) = LAYOUT_NONE;
	s->a->buckets[other].own_ids = pool_number(s->a, s->named);
}

static void
break_own_id(struct setup *s)
{
	s->named->event.bytes[4] = '#';
}

static void
break_own_id_s_length(struct setup *s)
{
	s->named->event.own_id_len = 255;
}

static void
break_mark(struct setup *s)
{
	atomic_store(&s->one->channel.forgotten.id, s->first->event.id);
}

static void
break_free_list(struct setup *s)
{
	s->a->header->free_head = pool_number(s->a, s->first);
}

static void
lose_a_block(struct setup *s)
{
	(void)pool_take(s->a);
	s->a->header->used--;
}

static void
break_fresh(struct setup *s)
{
	s->a->header->fresh--;
}

static void
break_channel_s_registrations(struct setup *s)
{
	s->one->channel.registrations = LAYOUT_NONE;
}

static void
break_listener_s_channel(struct setup *s)
{
	s->registration->registration.channel = s->lengthy->event.channel;
}

static void
break_listener_s_count(struct setup *s)
{
	s->registration->registration.count = 0;
	s->one->channel.subscribers = 0;
}

static void
break_listener_s_session(struct setup *s)
{
	s->registration->registration.session++;
}

static void
break_worker_s_news(struct setup *s)
{
	s->registration->registration.is_dirty = 1;
}

static void
break_list_of_news(struct setup *s)
{
	s->a->workers[s->w.store.slot].dirty =
	    pool_number(s->a, s->registration);
}

static void
break_worker_s_registrations(struct setup *s)
{
	s->a->workers[s->w.store.slot].registrations = UINT32_MAX;
}

static void
lose_the_worker(struct setup *s)
{
	s->a->workers[s->w.store.slot].pid = 0;
}

static void
leave_a_channel_idle(struct setup *s)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find_or_make(s->a, SPAN("idle"), &channel), 0);
}

static void (*const breaks[])(struct setup *) = { break_count_of_events,
	break_count_of_channels, break_count_of_used_blocks,
	break_channel_s_count_of_events, break_channel_s_count_of_subscribers,
	break_newest_of_a_channel, break_newest_of_all, break_oldest_of_all,
	break_link_forward, break_link_back, break_link_to_later,
	break_link_to_earlier, break_order_of_ids, break_owner_of_an_event,
	break_chain, break_owner_of_a_chain, break_end_of_a_chain,
	break_bytes_at_the_front, break_bytes_at_the_end, break_name,
	break_name_s_length, break_bucket, break_bucket_s_end,
	break_index_of_own_ids, lose_an_own_id, break_index_s_end,
	enter_an_event_without_an_own_id, enter_a_copy,
	enter_into_a_wrong_bucket, break_own_id, break_own_id_s_length,
	break_mark, break_free_list, lose_a_block, break_fresh,
	break_channel_s_registrations, break_listener_s_channel,
	break_listener_s_count, break_listener_s_session, break_worker_s_news,
	break_list_of_news, break_worker_s_registrations, lose_the_worker,
	leave_a_channel_idle };

START_TEST(sound_arena_has_no_fault)
{
	struct setup s;
	struct buf faults = { 0 };
	size_t count = 1;
	setup_make(&s);

	ck_assert_int_eq(verify_store(&s.w.store, &faults, &count), 0);

	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(faults.len, 0);
	buf_fini(&faults);
	fixture_leave(&s.w);
}
END_TEST

START_TEST(every_fault_is_found_and_nothing_is_changed)
{
	static char before[FIXTURE_SIZE];

	for (size_t i = 0; i < UNIT_COUNT(breaks); i++) {
		struct setup s;
		struct buf faults = { 0 };
		size_t count = 0;
		setup_make(&s);
		breaks[i](&s);
		journal_end(s.a);
		memcpy(before, s.a->map, sizeof(before));

		int rc = verify_store(&s.w.store, &faults, &count);

		ck_assert_int_eq(rc, 0);
		ck_assert_msg(count > 0, "breach %zu was not found", i);
		ck_assert_uint_gt(faults.len, 0);
		/* The lock aside, which counts its owners. */
		ck_assert_mem_eq(before, s.a->map,
		    offsetof(struct layout_header, mutex));
		ck_assert_mem_eq(before + LAYOUT_HEADER_SIZE, s.a->changes,
		    FIXTURE_SIZE - LAYOUT_HEADER_SIZE);
		buf_fini(&faults);
		fixture_vanish(&s.w);
	}
}
END_TEST

START_TEST(faults_beyond_the_most_are_counted_and_not_told)
{
	struct setup s;
	struct buf faults = { 0 };
	size_t count = 0;
	size_t lines = 0;
	struct span line;
	setup_make(&s);
	for (uint32_t i = 0; i < 50; i++)
		s.a->buckets[i].channels = UINT32_MAX;

	ck_assert_int_eq(verify_store(&s.w.store, &faults, &count), 0);

	struct span rest = buf_span(&faults);
	while (span_cut(&rest, '\n', &line))
		lines += line.len > 0;
	ck_assert_uint_ge(count, 50);
	ck_assert_uint_eq(lines, VERIFY_FAULTS_MAX);
	buf_fini(&faults);
	fixture_vanish(&s.w);
}
END_TEST

START_TEST(death_inside_the_lock_is_undone_before_looking)
{
	struct setup s;
	struct buf faults = { 0 };
	size_t count = 1;
	setup_make(&s);
	pid_t pid = fork();
	if (pid == 0) {
		(void)arena_lock(s.a);
		journal_set(s.a, &s.a->header->free_head, UINT32_MAX);
		journal_set(s.a, &s.a->header->events, 0);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);

	ck_assert_int_eq(verify_store(&s.w.store, &faults, &count), 0);

	ck_assert_uint_eq(count, 0);
	ck_assert_uint_eq(s.a->header->repairs, 1);
	buf_fini(&faults);
	fixture_leave(&s.w);
}
END_TEST

FIXTURE_MAIN("verify", sound_arena_has_no_fault,
    every_fault_is_found_and_nothing_is_changed,
    faults_beyond_the_most_are_counted_and_not_told,
    death_inside_the_lock_is_undone_before_looking)
