#include "arena_fixture.h"

#include <errno.h>

#include "arena/channel.h"
#include "arena/follow.h"
#include "arena/pool.h"
#include "arena/repair.h"
#include "wire/sse.h"

/* Long enough for a chain of four blocks. */
#define LONG_BODY (LAYOUT_EVENT_BYTES + 2 * LAYOUT_MORE_BYTES)

/* What every test begins with: some of everything. */
struct setup {
	char path[FIXTURE_PATH];
	struct fixture_worker a;
	struct fixture_worker b;
	struct buf body; /* of the long events */
	uint64_t ids[6];
	struct follow_join joins[3];
};

/* The channel of the events; the 2nd and 5th are long. */
static const char *const setup_channels[] = { "one", "one", "two", "two", "one",
	"two" };

static void
join_channel(struct fixture_worker *w, const char *name,
    struct follow_join *join)
{
	struct follow_joined joined;
	const struct event_resume live = { .kind = EVENT_RESUME_NONE };

	*join = (struct follow_join){ .name = span_of(name), .cookie = 9 };
	ck_assert_int_eq(follow_join(&w->store, FIXTURE_NOW, join, 1, live,
			     &joined),
	    0);
}

static void
setup_make(struct setup *s)
{
	char data[LONG_BODY];

	*s = (struct setup){ 0 };
	fixture_path(s->path);
	fixture_join(&s->a, s->path);
	fixture_join(&s->b, s->path);
	memset(data, 'x', sizeof(data));
	sse_event(&s->body, SPAN("t"), (struct span){ data, sizeof(data) });
	for (size_t i = 0; i < UNIT_COUNT(s->ids); i++) {
		struct store_appended appended;
		struct store_event event = {
			.channel = span_of(setup_channels[i]),
			.body = i % 3 == 1 ? buf_span(&s->body) : FIXTURE_BODY,
		};
		int rc =
		    wake_append(&s->a.wake, FIXTURE_NOW, &event, 1, &appended);
		ck_assert_int_eq(rc, 0);
		s->ids[i] = appended.id;
	}
	join_channel(&s->a, "one", &s->joins[0]);
	join_channel(&s->b, "one", &s->joins[1]);
	join_channel(&s->b, "quiet", &s->joins[2]);
}

static void
setup_end(struct setup *s)
{
	buf_fini(&s->body);
	fixture_leave(&s->b);
	fixture_leave(&s->a);
}

static struct arena *
arena_of(struct setup *s)
{
	return &s->a.store.arena;
}

static struct layout_block *
channel_of(struct setup *s, const char *name)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find(arena_of(s), span_of(name), &channel), 0);
	return channel;
}

static struct layout_block *
event_of(struct setup *s, uint64_t id)
{
	for (uint32_t i = 1; i < arena_of(s)->block_count; i++) {
		struct layout_block *b =
		    pool_block(arena_of(s), i, LAYOUT_EVENT);
		if (b != NULL && b->event.id == id)
			return b;
	}
	return NULL;
}

/* A take is what a killed process may have done last. */
static struct layout_block *
take(struct setup *s)
{
	uint32_t number = pool_take(arena_of(s));

	ck_assert_uint_ne(number, LAYOUT_NONE);
	return &arena_of(s)->blocks[number];
}

/* What there is after a repair, and that another one changes nothing. */
static void
assert_events(struct setup *s, unsigned kept)
{
	fixture_assert_sound(&s->a.store);
	for (size_t i = 0; i < UNIT_COUNT(s->ids); i++)
		ck_assert_int_eq(event_of(s, s->ids[i]) != NULL,
		    (kept >> i & 1) != 0);
	struct layout_header before = *arena_of(s)->header;
	repair_arena(arena_of(s), true);
	const struct layout_header *after = arena_of(s)->header;
	ck_assert_uint_eq(after->events, before.events);
	ck_assert_uint_eq(after->channels, before.channels);
	ck_assert_uint_eq(after->used, before.used);
	ck_assert_uint_eq(atomic_load(&after->last_id),
	    atomic_load(&before.last_id));
	fixture_assert_sound(&s->a.store);
}
#define ALL_KEPT 0x3fU

START_TEST(sound_arena_stays_as_it_is)
{
	struct setup s;
	setup_make(&s);
	uint32_t used = arena_of(&s)->header->used;
	fixture_assert_sound(&s.a.store);

	repair_arena(arena_of(&s), false);

	assert_events(&s, ALL_KEPT);
	ck_assert_uint_eq(arena_of(&s)->header->used, used);
	ck_assert_uint_eq(arena_of(&s)->header->events, 6);
	ck_assert_uint_eq(arena_of(&s)->header->channels, 3);
	ck_assert_uint_eq(channel_of(&s, "one")->channel.subscribers, 2);
	setup_end(&s);
}
END_TEST

START_TEST(every_index_is_rebuilt_from_nothing)
{
	struct setup s;
	setup_make(&s);
	struct arena *a = arena_of(&s);
	struct layout_header *h = a->header;
	uint32_t used = h->used;
	h->free_head = h->fresh = h->used = h->oldest = h->newest = UINT32_MAX;
	h->events = h->channels = UINT32_MAX;
	for (uint32_t i = 0; i < a->bucket_count; i++)
		a->buckets[i].channels = UINT32_MAX;
	for (uint32_t i = 0; i < a->worker_count; i++)
		a->workers[i].registrations = a->workers[i].dirty = UINT32_MAX;
	for (uint32_t i = 1; i < a->block_count; i++) {
		struct layout_block *b = &a->blocks[i];
		switch (atomic_load(&b->kind)) {
		case LAYOUT_EVENT:
			b->event.newer = b->event.older = UINT32_MAX;
			b->event.later = b->event.earlier = UINT32_MAX;
			break;
		case LAYOUT_CHANNEL:
			b->channel.next = b->channel.newest = UINT32_MAX;
			b->channel.oldest = b->channel.registrations =
			    UINT32_MAX;
			b->channel.events = UINT32_MAX;
			b->channel.subscribers = UINT32_MAX;
			break;
		case LAYOUT_REGISTRATION:
			b->registration.is_dirty = UINT32_MAX;
			b->registration.next_dirty = UINT32_MAX;
			b->registration.next = b->registration.previous =
			    UINT32_MAX;
			b->registration.next_own = UINT32_MAX;
			b->registration.previous_own = UINT32_MAX;
			break;
		default:
			break;
		}
	}

	repair_arena(a, true);

	assert_events(&s, ALL_KEPT);
	ck_assert_uint_eq(h->used, used);
	ck_assert_uint_eq(channel_of(&s, "one")->channel.subscribers, 2);
	setup_end(&s);
}
END_TEST

START_TEST(every_listener_has_news_and_every_worker_is_woken)
{
	struct setup s;
	uint32_t cookies[8];
	setup_make(&s);
	arena_of(&s)->header->wake_all = 0;

	repair_arena(arena_of(&s), false);

	ck_assert_int_eq(follow_news(&s.a.store, cookies, 8), 1);
	ck_assert_int_eq(follow_news(&s.b.store, cookies, 8), 2);
	ck_assert_uint_ne(arena_of(&s)->header->wake_all, 0);
	setup_end(&s);
}
END_TEST

/*
 * Half states: what a process leaves that is killed between two stores of its
 * critical section.  Each is made by hand, step by step as the code does.
 */

static void
leave_block_taken(struct setup *s)
{
	(void)take(s);
}

/* Its kind is written, and last_id has not reached its id. */
static void
leave_event_uncommitted(struct setup *s)
{
	uint64_t last = atomic_load(&arena_of(s)->header->last_id);

	const struct channel_event event = { .id = last + 1,
		.stamp_ms = 1,
		.body = buf_span(&s->body) };
	ck_assert_int_eq(channel_add(arena_of(s), channel_of(s, "one"), &event),
	    0);
}

/* The event's further blocks are there, the event's own kind is not. */
static void
leave_chain_without_its_event(struct setup *s)
{
	struct layout_block *b = take(s);

	ck_assert_int_eq(pool_write(arena_of(s), pool_number(arena_of(s), b),
			     b->event.bytes, LAYOUT_EVENT_BYTES,
			     buf_span(&s->body), FIXTURE_BODY),
	    0);
}

static void
leave_chain_half_written(struct setup *s)
{
	struct layout_block *more = take(s);

	more->rest.owner = pool_number(arena_of(s), take(s));
	pool_commit(arena_of(s), more, LAYOUT_MORE);
}

/* Taken off the free list, whose head had not moved on. */
static void
leave_free_list_behind(struct setup *s)
{
	uint32_t head = arena_of(s)->header->free_head;

	(void)take(s);
	arena_of(s)->header->free_head = head;
}

static void
leave_channel_in_no_bucket(struct setup *s)
{
	struct layout_block *channel;

	ck_assert_int_eq(channel_find_or_make(arena_of(s), SPAN("half"),
			     &channel),
	    0);
	uint32_t bucket =
	    channel->channel.hash & (arena_of(s)->bucket_count - 1);
	arena_of(s)->buckets[bucket].channels = channel->channel.next;
}

/* A registration whose stream was not counted yet. */
static void
leave_listener_without_streams(struct setup *s)
{
	struct layout_block *registration;

	ck_assert_int_eq(registry_add(arena_of(s), channel_of(s, "two"),
			     s->a.store.slot, 3, &registration),
	    0);
}

static void
leave_listener_in_no_list(struct setup *s)
{
	struct layout_block *channel = channel_of(s, "one");

	channel->channel.registrations = LAYOUT_NONE;
	arena_of(s)->workers[s->a.store.slot].registrations = LAYOUT_NONE;
}

/* An event was committed, and what follows was not done. */
static void
leave_counts_behind(struct setup *s)
{
	channel_of(s, "one")->channel.subscribers++;
	channel_of(s, "one")->channel.events--;
	arena_of(s)->header->events++;
	arena_of(s)->header->used++;
}

/* Blocks that are free and in no list: given back, or just made so. */
static void
leave_block_between_use_and_list(struct setup *s)
{
	struct layout_block *b = take(s);

	b->more = arena_of(s)->header->free_head;
	arena_of(s)->header->used--;
}

START_TEST(worker_killed_halfway_leaves_no_trace)
{
	void (*const halves[])(struct setup *) = { leave_block_taken,
		leave_event_uncommitted, leave_chain_without_its_event,
		leave_chain_half_written, leave_free_list_behind,
		leave_channel_in_no_bucket, leave_listener_without_streams,
		leave_listener_in_no_list, leave_counts_behind,
		leave_block_between_use_and_list };

	for (size_t i = 0; i < UNIT_COUNT(halves); i++) {
		for (int whole = 0; whole < 2; whole++) {
			struct setup s;
			setup_make(&s);
			uint32_t used = arena_of(&s)->header->used;
			uint64_t last =
			    atomic_load(&arena_of(&s)->header->last_id);
			halves[i](&s);

			repair_arena(arena_of(&s), whole != 0);

			assert_events(&s, ALL_KEPT);
			const struct layout_header *h = arena_of(&s)->header;
			ck_assert_uint_eq(h->used, used);
			ck_assert_uint_eq(h->events, 6);
			ck_assert_uint_eq(h->channels, 3);
			ck_assert_uint_eq(atomic_load(&h->last_id), last);
			ck_assert_uint_eq(
			    channel_of(&s, "one")->channel.subscribers, 2);
			setup_end(&s);
		}
	}
}
END_TEST

START_TEST(batch_that_was_not_committed_goes_as_a_whole)
{
	struct setup s;
	setup_make(&s);
	uint64_t last = atomic_load(&arena_of(&s)->header->last_id);
	for (uint64_t i = 1; i <= 3; i++) {
		const struct channel_event event = { .id = last + i,
			.stamp_ms = 1,
			.body = FIXTURE_BODY };
		ck_assert_int_eq(channel_add(arena_of(&s),
				     channel_of(&s, i == 2 ? "two" : "one"),
				     &event),
		    0);
	}

	repair_arena(arena_of(&s), false);

	for (uint64_t i = 1; i <= 3; i++)
		ck_assert_ptr_null(event_of(&s, last + i));
	assert_events(&s, ALL_KEPT);
	setup_end(&s);
}
END_TEST

START_TEST(event_that_was_being_let_go_is_gone_and_told)
{
	struct setup s;
	setup_make(&s);
	/* The mark was raised, the event was still there. */
	atomic_store(&channel_of(&s, "one")->channel.forgotten.id, s.ids[1]);

	repair_arena(arena_of(&s), false);

	assert_events(&s, ALL_KEPT & ~3U);
	ck_assert_uint_eq(atomic_load(
			      &channel_of(&s, "one")->channel.forgotten.id),
	    s.ids[1]);
	setup_end(&s);
}
END_TEST

START_TEST(committed_event_whose_chain_is_cut_is_told_as_a_gap)
{
	struct setup s;
	struct follow_joined joined;
	setup_make(&s);
	struct layout_block *cut = event_of(&s, s.ids[4]);
	arena_of(&s)->blocks[cut->more].more = LAYOUT_NONE;

	repair_arena(arena_of(&s), false);

	/* What is older in its channel goes too: a mark is one number. */
	assert_events(&s, ALL_KEPT & ~(1U | 2U | 16U));
	struct follow_join join = { .name = SPAN("one") };
	const struct event_resume resume = { .kind = EVENT_RESUME_AFTER,
		.id = s.ids[3] };
	ck_assert_int_eq(follow_join(&s.a.store, FIXTURE_NOW, &join, 1, resume,
			     &joined),
	    0);
	ck_assert(joined.gap);
	ck_assert_int_eq(follow_leave(&s.a.store, &join.registration, 1), 0);
	join = (struct follow_join){ .name = SPAN("two") };
	ck_assert_int_eq(follow_join(&s.a.store, FIXTURE_NOW, &join, 1, resume,
			     &joined),
	    0);
	ck_assert(!joined.gap);
	setup_end(&s);
}
END_TEST

START_TEST(event_whose_channel_is_gone_is_told_to_whoever_made_it_anew)
{
	struct setup s;
	setup_make(&s);
	uint64_t lost = s.ids[5];
	pool_commit(arena_of(&s), channel_of(&s, "two"), LAYOUT_FREE);

	repair_arena(arena_of(&s), false);

	assert_events(&s, 1U | 2U | 16U);
	ck_assert_uint_ge(channel_forgotten_of(arena_of(&s), SPAN("two")),
	    lost);
	setup_end(&s);
}
END_TEST

START_TEST(channel_that_is_there_twice_is_there_once)
{
	struct setup s;
	setup_make(&s);
	struct layout_block *twin = take(&s);
	struct layout_block *registration;
	twin->channel = channel_of(&s, "quiet")->channel;
	twin->channel.registrations = LAYOUT_NONE;
	pool_commit(arena_of(&s), twin, LAYOUT_CHANNEL);
	ck_assert_int_eq(registry_add(arena_of(&s), twin, s.a.store.slot, 4,
			     &registration),
	    0);
	ck_assert_int_eq(registry_grow(arena_of(&s), registration, 1), 0);

	repair_arena(arena_of(&s), false);

	assert_events(&s, ALL_KEPT);
	ck_assert_uint_eq(arena_of(&s)->header->channels, 3);
	ck_assert_uint_eq(channel_of(&s, "quiet")->channel.subscribers, 1);
	setup_end(&s);
}
END_TEST

START_TEST(listeners_of_workers_that_are_gone_go)
{
	struct setup s;
	setup_make(&s);
	struct layout_worker *b = &arena_of(&s)->workers[s.b.store.slot];
	b->session++;

	repair_arena(arena_of(&s), false);

	assert_events(&s, ALL_KEPT);
	ck_assert_uint_eq(channel_of(&s, "one")->channel.subscribers, 1);
	ck_assert_ptr_null(channel_of(&s, "quiet"));
	b->session--;
	setup_end(&s);
}
END_TEST

START_TEST(listeners_of_a_slot_without_an_owner_go)
{
	struct setup s;
	setup_make(&s);
	arena_of(&s)->workers[s.b.store.slot].pid = 0;

	repair_arena(arena_of(&s), false);

	assert_events(&s, ALL_KEPT);
	ck_assert_uint_eq(channel_of(&s, "one")->channel.subscribers, 1);
	setup_end(&s);
}
END_TEST

START_TEST(channel_that_became_idle_leaves_its_mark)
{
	struct setup s;
	setup_make(&s);
	uint32_t left = pool_left(arena_of(&s));
	struct layout_block *channel;
	ck_assert_int_eq(channel_find_or_make(arena_of(&s), SPAN("idle"),
			     &channel),
	    0);
	atomic_store(&channel->channel.forgotten.id, s.ids[2]);

	repair_arena(arena_of(&s), false);

	assert_events(&s, ALL_KEPT);
	ck_assert_ptr_null(channel_of(&s, "idle"));
	ck_assert_uint_eq(pool_left(arena_of(&s)), left);
	ck_assert_uint_ge(channel_forgotten_of(arena_of(&s), SPAN("idle")),
	    s.ids[2]);
	setup_end(&s);
}
END_TEST

START_TEST(chain_that_circles_is_not_whole)
{
	struct setup s;
	setup_make(&s);
	struct layout_block *event = event_of(&s, s.ids[4]);
	struct layout_block *second = &arena_of(&s)->blocks[event->more];
	arena_of(&s)->blocks[second->more].more = event->more;

	repair_arena(arena_of(&s), false);

	assert_events(&s, ALL_KEPT & ~(1U | 2U | 16U));
	setup_end(&s);
}
END_TEST

START_TEST(mark_of_the_future_does_not_swallow_what_comes)
{
	struct setup s;
	setup_make(&s);
	struct layout_block *channel = channel_of(&s, "one");
	atomic_store(&channel->channel.forgotten.id, UINT64_MAX);
	repair_arena(arena_of(&s), false);

	uint64_t id = fixture_append(&s.a, FIXTURE_NOW, "one");
	repair_arena(arena_of(&s), false);

	ck_assert_ptr_nonnull(event_of(&s, id));
	fixture_assert_sound(&s.a.store);
	setup_end(&s);
}
END_TEST

START_TEST(mark_of_the_future_in_a_bucket_does_not_swallow_what_comes)
{
	struct setup s;
	setup_make(&s);
	for (uint32_t i = 0; i < arena_of(&s)->bucket_count; i++)
		atomic_store(&arena_of(&s)->buckets[i].forgotten.id,
		    UINT64_MAX);
	repair_arena(arena_of(&s), false);

	uint64_t id = fixture_append(&s.a, FIXTURE_NOW, "new");
	repair_arena(arena_of(&s), false);

	ck_assert_ptr_nonnull(event_of(&s, id));
	fixture_assert_sound(&s.a.store);
	setup_end(&s);
}
END_TEST

/* xorshift64, so that a failure can be told by its seed. */
static uint64_t
roll(uint64_t *state, uint64_t below)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (*state >> 11) % below;
}

/* Change one field of a block to something near a number that means much. */
static void
garble_word(struct arena *a, uint64_t *state)
{
	static const uint32_t kinds[] = { LAYOUT_FREE, LAYOUT_EVENT,
		LAYOUT_MORE, LAYOUT_CHANNEL, LAYOUT_REGISTRATION, 0x12345678 };
	uint32_t used = a->header->fresh + 4;
	uint32_t number = 1 + (uint32_t)roll(state, used);
	uint32_t at = (uint32_t)roll(state, LAYOUT_BLOCK_SIZE / 4);
	uint32_t word;

	switch (roll(state, 6)) {
	case 0:
		pool_commit(a, &a->blocks[number],
		    kinds[roll(state, UNIT_COUNT(kinds))]);
		return;
	case 1:
		a->blocks[number].more = (uint32_t)roll(state, used);
		return;
	case 2:
		at = (uint32_t)roll(state, 14);
		word = (uint32_t)roll(state, used);
		break;
	case 3:
		at = (uint32_t)roll(state, 14);
		word = (uint32_t)roll(state, UINT64_C(1) << 32);
		break;
	case 4:
		word = UINT32_MAX - (uint32_t)roll(state, 2);
		break;
	default:
		word = (uint32_t)roll(state, 4096);
		break;
	}
	memcpy((char *)&a->blocks[number] + (size_t)at * 4, &word,
	    sizeof(word));
}

/* Faults that a repair cannot see: what the bytes of an event say. */
static size_t
count_index_faults(const struct buf *faults)
{
	struct span rest = buf_span(faults);
	struct span line;
	size_t count = 0;

	while (span_cut(&rest, '\n', &line)) {
		if (line.len > 0 &&
		    memmem(line.ptr, line.len, "its bytes do not", 16) == NULL)
			count++;
	}
	return count;
}

START_TEST(random_bytes_neither_crash_nor_stay_in_an_index)
{
	static char saved[FIXTURE_SIZE];
	struct setup s;
	setup_make(&s);
	struct arena *a = arena_of(&s);
	memcpy(saved, a->map, sizeof(saved));

	for (uint64_t seed = 1; seed <= 20000; seed++) {
		uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15);
		struct buf faults = { 0 };
		size_t count;
		/* Not the lock, which the tools that look on use too. */
		memcpy(a->map, saved, offsetof(struct layout_header, mutex));
		memcpy(a->changes, saved + LAYOUT_HEADER_SIZE,
		    sizeof(saved) - LAYOUT_HEADER_SIZE);
		for (uint64_t i = 1 + roll(&state, 12); i > 0; i--)
			garble_word(a, &state);

		ck_assert_int_eq(verify_store(&s.a.store, &faults, &count), 0);
		buf_clear(&faults);
		repair_arena(a, true);
		ck_assert_int_eq(verify_store(&s.a.store, &faults, &count), 0);

		ck_assert_msg(count_index_faults(&faults) == 0,
		    "seed %llu:\n%.*s", (unsigned long long)seed,
		    (int)faults.len, faults.ptr);
		buf_fini(&faults);
	}
	setup_end(&s);
}
END_TEST

FIXTURE_MAIN("repair", sound_arena_stays_as_it_is,
    every_index_is_rebuilt_from_nothing,
    every_listener_has_news_and_every_worker_is_woken,
    worker_killed_halfway_leaves_no_trace,
    batch_that_was_not_committed_goes_as_a_whole,
    event_that_was_being_let_go_is_gone_and_told,
    committed_event_whose_chain_is_cut_is_told_as_a_gap,
    event_whose_channel_is_gone_is_told_to_whoever_made_it_anew,
    channel_that_is_there_twice_is_there_once,
    listeners_of_workers_that_are_gone_go,
    listeners_of_a_slot_without_an_owner_go,
    channel_that_became_idle_leaves_its_mark, chain_that_circles_is_not_whole,
    mark_of_the_future_does_not_swallow_what_comes,
    mark_of_the_future_in_a_bucket_does_not_swallow_what_comes,
    random_bytes_neither_crash_nor_stay_in_an_index)
