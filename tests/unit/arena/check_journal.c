#include "arena_fixture.h"

#include "arena/channel.h"
#include "arena/journal.h"
#include "arena/pool.h"

/* The bytes that the journal is about: not itself, and no statistics. */
static void
take_bytes(const struct store *s, char *bytes)
{
	memcpy(bytes, s->arena.map, FIXTURE_SIZE);
}

static void
assert_bytes(const struct store *s, const char *bytes)
{
	const size_t blocks = (size_t)((const char *)s->arena.workers -
	    (const char *)s->arena.map);

	ck_assert_mem_eq(s->arena.workers, bytes + blocks,
	    FIXTURE_SIZE - blocks);
	ck_assert_mem_eq(&s->arena.header->free_head,
	    bytes + offsetof(struct layout_header, free_head),
	    offsetof(struct layout_header, waiting) -
		offsetof(struct layout_header, free_head));
}

START_TEST(changes_are_taken_back_in_the_other_order)
{
	struct store s;
	char *before = malloc(FIXTURE_SIZE);
	fixture_make(&s);
	struct arena *a = &s.arena;
	take_bytes(&s, before);

	for (uint32_t i = 1; i < 30; i++) {
		journal_set(a, &a->header->oldest, i);
		journal_set(a, &a->blocks[i].more, i);
		journal_set(a, &a->blocks[1].more, 1000 + i);
		journal_set_kind(a, &a->blocks[i], LAYOUT_MORE);
		journal_set_mark(a, &a->buckets[i].forgotten.id, UINT64_MAX);
	}
	ck_assert_uint_eq(a->header->oldest, 29);
	ck_assert_uint_eq(a->blocks[1].more, 1029);
	ck_assert(journal_undo(a));

	assert_bytes(&s, before);
	ck_assert_uint_eq(atomic_load(&a->header->changes), 0);
	free(before);
	store_close(&s);
}
END_TEST

START_TEST(what_was_ended_stays)
{
	struct store s;
	fixture_make(&s);
	struct arena *a = &s.arena;

	journal_set(a, &a->header->oldest, 7);
	journal_end(a);
	journal_set(a, &a->header->newest, 8);
	ck_assert(journal_undo(a));

	ck_assert_uint_eq(a->header->oldest, 7);
	ck_assert_uint_eq(a->header->newest, LAYOUT_NONE);
	ck_assert(journal_undo(a));
	ck_assert_uint_eq(a->header->oldest, 7);
	store_close(&s);
}
END_TEST

START_TEST(word_that_changes_again_and_again_is_noted_once)
{
	struct store s;
	fixture_make(&s);
	struct arena *a = &s.arena;
	uint32_t before = a->header->used;

	for (uint32_t i = 1; i < 10 * LAYOUT_CHANGES; i++)
		journal_set(a, &a->header->used, i);
	ck_assert_uint_eq(atomic_load(&a->header->changes), 1);
	ck_assert(journal_undo(a));

	ck_assert_uint_eq(a->header->used, before);
	store_close(&s);
}
END_TEST

START_TEST(journal_that_is_full_or_stopped_says_so)
{
	struct store s;
	fixture_make(&s);
	struct arena *a = &s.arena;
	const uint32_t half = LAYOUT_CHANGES / 2;
	ck_assert_uint_gt(a->block_count, half);

	for (uint32_t i = 1; i <= half; i++) {
		journal_set(a, &a->blocks[i].more, i);
		journal_set_kind(a, &a->blocks[i], LAYOUT_MORE);
	}
	ck_assert_uint_eq(atomic_load(&a->header->changes), LAYOUT_CHANGES);
	ck_assert(journal_undo(a));
	ck_assert_uint_eq(a->blocks[half].more, LAYOUT_NONE);

	for (uint32_t i = 1; i <= half + 1; i++) {
		journal_set(a, &a->blocks[i].more, i);
		journal_set_kind(a, &a->blocks[i], LAYOUT_MORE);
	}
	ck_assert(!journal_undo(a));
	ck_assert(!journal_undo(a));
	journal_end(a);
	journal_stop(a);
	journal_set(a, &a->blocks[1].more, 5);
	ck_assert_uint_eq(a->blocks[1].more, 5);
	ck_assert(!journal_undo(a));
	journal_end(a);
	ck_assert(journal_undo(a));
	store_close(&s);
}
END_TEST

START_TEST(garbled_journal_puts_nothing_out_of_its_place)
{
	struct store s;
	fixture_make(&s);
	struct arena *a = &s.arena;
	const uint64_t places[] = { 0, offsetof(struct layout_header, format),
		offsetof(struct layout_header, mutex),
		offsetof(struct layout_header, append_mutex) + 8,
		LAYOUT_HEADER_SIZE, a->map_len, a->map_len - 4 + 1,
		a->map_len - 2, UINT64_MAX, UINT64_MAX - 1,
		offsetof(struct layout_header, oldest) + 2 };
	struct layout_header before = *a->header;

	for (size_t i = 0; i < UNIT_COUNT(places); i++) {
		a->changes[0] = (struct layout_change){ places[i], 0x55 };
		atomic_store(&a->header->changes, 1);

		ck_assert_msg(!journal_undo(a), "place %zu", i);
	}
	atomic_store(&a->header->changes, UINT32_MAX);
	ck_assert(!journal_undo(a));
	atomic_store(&a->header->changes, 0);
	ck_assert_mem_eq(&before, a->header, sizeof(before));
	store_close(&s);
}
END_TEST

/* Do something under the lock, and die in it. */
static void
die_after(struct store *s, void (*change)(struct arena *))
{
	pid_t pid = fork();

	if (pid == 0) {
		if (arena_lock(&s->arena) != 0)
			_exit(1);
		change(&s->arena);
		_exit(0);
	}
	int status;
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
}

static void
begin_a_channel(struct arena *a)
{
	struct layout_block *channel;

	(void)channel_find_or_make(a, SPAN("half"), &channel);
}

static void
fill_the_journal(struct arena *a)
{
	journal_stop(a);
	begin_a_channel(a);
}

START_TEST(death_is_undone_by_whoever_comes_next)
{
	void (*const changes[])(
	    struct arena *) = { begin_a_channel, fill_the_journal };

	for (size_t i = 0; i < UNIT_COUNT(changes); i++) {
		struct fixture_worker w;
		char path[FIXTURE_PATH];
		fixture_path(path);
		fixture_join(&w, path);
		uint64_t id = fixture_append(&w, FIXTURE_NOW, "kept");
		w.store.arena.header->wake_all = 0;

		die_after(&w.store, changes[i]);

		ck_assert_uint_gt(fixture_append(&w, FIXTURE_NOW, "kept"), id);
		ck_assert_uint_eq(w.store.arena.header->channels, 1);
		ck_assert_uint_eq(w.store.arena.header->events, 2);
		ck_assert_uint_eq(store_repairs(&w.store), 1);
		fixture_assert_sound(&w.store);
		fixture_leave(&w);
	}
}
END_TEST

START_TEST(events_a_dead_process_has_not_committed_go)
{
	struct fixture_worker w;
	struct layout_block *channel;
	const struct channel_event event = { .id = UINT64_MAX - 1,
		.body = FIXTURE_BODY,
		.own_id = SPAN("x") };
	char path[FIXTURE_PATH];
	fixture_path(path);
	fixture_join(&w, path);
	struct arena *a = &w.store.arena;
	uint64_t id = fixture_append(&w, FIXTURE_NOW, "kept");
	ck_assert_int_eq(channel_find_or_make(a, SPAN("half"), &channel), 0);
	ck_assert_int_eq(channel_add(a, channel, &event), 0);
	ck_assert_int_eq(channel_find_or_make(a, SPAN("kept"), &channel), 0);
	ck_assert_int_eq(channel_add(a, channel, &event), 0);
	journal_end(a);

	/* Nobody sees them, and nobody has to do with them but who appends. */
	struct layout_block *newer;
	ck_assert_int_eq(channel_after(a, channel, id, 0, &newer), 0);
	ck_assert_ptr_null(newer);
	ck_assert_int_eq(channel_after(a, channel, 0, 0, &newer), 0);
	ck_assert_uint_eq(newer->event.id, id);
	ck_assert_int_eq(channel_newer(a, newer, &newer), 0);
	ck_assert_ptr_null(newer);
	ck_assert_uint_eq(fixture_append(&w, FIXTURE_NOW, "kept"), id + 1);

	ck_assert_uint_eq(a->header->channels, 1);
	ck_assert_uint_eq(a->header->events, 2);
	fixture_assert_sound(&w.store);
	fixture_leave(&w);
}
END_TEST

FIXTURE_MAIN("journal", changes_are_taken_back_in_the_other_order,
    what_was_ended_stays, word_that_changes_again_and_again_is_noted_once,
    journal_that_is_full_or_stopped_says_so,
    garbled_journal_puts_nothing_out_of_its_place,
    death_is_undone_by_whoever_comes_next,
    events_a_dead_process_has_not_committed_go)
