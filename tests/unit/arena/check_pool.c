#include "arena_fixture.h"

#include <errno.h>

#include "arena/pool.h"

/* The longest text these tests write. */
#define TEXT_MAX 2000

static void
make_arena(struct arena *a)
{
	char path[FIXTURE_PATH];
	enum arena_state state;
	struct buf why = { 0 };

	fixture_path(path);
	ck_assert_int_eq(arena_open(a, path, FIXTURE_SIZE, &state, &why), 0);
	buf_fini(&why);
	arena_settle(a);
}

/* Bytes that differ from their neighbours near and far. */
static struct span
text_of(size_t len)
{
	static char text[TEXT_MAX];

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + (i + i / 26) % 26);
	return (struct span){ text, len };
}

/* Take a block, and write an event's bytes into it and a chain behind it. */
static struct layout_block *
make_chain(struct arena *a, size_t len)
{
	uint32_t number = pool_take(a);
	struct layout_block *b = &a->blocks[number];

	ck_assert_uint_ne(number, LAYOUT_NONE);
	ck_assert_int_eq(pool_write(a, number, b->event.bytes,
			     LAYOUT_EVENT_BYTES, text_of(len),
			     (struct span){ NULL, 0 }),
	    0);
	pool_commit(a, b, LAYOUT_EVENT);
	return b;
}

static int
read_chain(const struct arena *a, const struct layout_block *b, char *out,
    size_t len)
{
	return pool_read(a, b, b->event.bytes, LAYOUT_EVENT_BYTES, out, len);
}

START_TEST(chain_is_as_long_as_its_bytes_need)
{
	static const struct {
		size_t bytes;
		uint32_t blocks;
	} rows[] = {
		{ 0, 1 },
		{ 1, 1 },
		{ LAYOUT_EVENT_BYTES, 1 },
		{ LAYOUT_EVENT_BYTES + 1, 2 },
		{ LAYOUT_EVENT_BYTES + LAYOUT_MORE_BYTES, 2 },
		{ LAYOUT_EVENT_BYTES + LAYOUT_MORE_BYTES + 1, 3 },
		{ LAYOUT_EVENT_BYTES + 100 * LAYOUT_MORE_BYTES, 101 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_uint_eq(pool_chain_len(rows[i].bytes,
				      LAYOUT_EVENT_BYTES),
		    rows[i].blocks);
}
END_TEST

START_TEST(every_block_but_the_first_is_given_out_once)
{
	static bool seen[4096];
	struct arena a;
	make_arena(&a);
	ck_assert_uint_le(a.block_count, UNIT_COUNT(seen));

	for (uint32_t left = a.block_count - 1; left > 0; left--) {
		ck_assert_uint_eq(pool_left(&a), left);
		uint32_t number = pool_take(&a);
		ck_assert_uint_gt(number, 0);
		ck_assert_uint_lt(number, a.block_count);
		ck_assert(!seen[number]);
		seen[number] = true;
	}

	ck_assert_uint_eq(pool_left(&a), 0);
	ck_assert_uint_eq(pool_take(&a), LAYOUT_NONE);
	ck_assert_uint_eq(a.header->used, a.block_count - 1);
	arena_close(&a);
}
END_TEST

START_TEST(blocks_given_back_are_given_out_again)
{
	static struct layout_block *blocks[4096];
	struct arena a;
	make_arena(&a);
	uint32_t count = pool_left(&a);

	for (int round = 0; round < 3; round++) {
		for (uint32_t i = 0; i < count; i++)
			blocks[i] = make_chain(&a, 1);
		ck_assert_uint_eq(pool_take(&a), LAYOUT_NONE);
		/* In another order; a prime beyond count leaves none out. */
		for (uint32_t i = 0; i < count; i++)
			pool_give(&a, blocks[i * 4099 % count]);

		ck_assert_uint_eq(pool_left(&a), count);
		ck_assert_uint_eq(a.header->peak, count);
	}
	arena_close(&a);
}
END_TEST

START_TEST(block_that_was_taken_is_free_until_it_is_committed)
{
	struct arena a;
	make_arena(&a);

	uint32_t number = pool_take(&a);

	ck_assert_ptr_nonnull(pool_block(&a, number, LAYOUT_FREE));
	pool_commit(&a, &a.blocks[number], LAYOUT_CHANNEL);
	ck_assert_ptr_null(pool_block(&a, number, LAYOUT_FREE));
	ck_assert_ptr_eq(pool_block(&a, number, LAYOUT_CHANNEL),
	    &a.blocks[number]);
	ck_assert_uint_eq(pool_number(&a, &a.blocks[number]), number);
	arena_close(&a);
}
END_TEST

START_TEST(number_or_kind_that_is_wrong_gives_no_block)
{
	struct arena a;
	make_arena(&a);
	uint32_t number = pool_number(&a, make_chain(&a, 1));

	ck_assert_ptr_null(pool_block(&a, LAYOUT_NONE, LAYOUT_FREE));
	ck_assert_ptr_null(pool_block(&a, a.block_count, LAYOUT_FREE));
	ck_assert_ptr_null(pool_block(&a, UINT32_MAX, LAYOUT_FREE));
	ck_assert_ptr_null(pool_block(&a, number, LAYOUT_FREE));
	ck_assert_ptr_null(pool_block(&a, number, LAYOUT_MORE));
	ck_assert_ptr_null(pool_block(&a, number, LAYOUT_CHANNEL));
	arena_close(&a);
}
END_TEST

START_TEST(bytes_come_back_as_they_were_written)
{
	struct arena a;
	char out[TEXT_MAX];
	make_arena(&a);
	uint32_t left = pool_left(&a);

	for (size_t len = 0; len <= TEXT_MAX; len++) {
		struct layout_block *b = make_chain(&a, len);
		ck_assert_uint_eq(left - pool_left(&a),
		    pool_chain_len(len, LAYOUT_EVENT_BYTES));

		ck_assert_int_eq(read_chain(&a, b, out, len), 0);

		ck_assert_mem_eq(out, text_of(len).ptr, len);
		pool_give(&a, b);
		ck_assert_uint_eq(pool_left(&a), left);
	}
	arena_close(&a);
}
END_TEST

START_TEST(two_spans_become_one_run_wherever_they_meet)
{
	struct arena a;
	char out[700];
	make_arena(&a);

	for (size_t cut = 0; cut <= sizeof(out); cut++) {
		struct span text = text_of(sizeof(out));
		uint32_t number = pool_take(&a);
		struct layout_block *b = &a.blocks[number];

		int rc = pool_write(&a, number, b->event.bytes,
		    LAYOUT_EVENT_BYTES, (struct span){ text.ptr, cut },
		    (struct span){ text.ptr + cut, text.len - cut });
		pool_commit(&a, b, LAYOUT_EVENT);

		ck_assert_int_eq(rc, 0);
		ck_assert_int_eq(read_chain(&a, b, out, sizeof(out)), 0);
		ck_assert_mem_eq(out, text.ptr, sizeof(out));
		pool_give(&a, b);
	}
	arena_close(&a);
}
END_TEST

START_TEST(chain_there_is_no_room_for_takes_nothing)
{
	struct arena a;
	make_arena(&a);
	while (pool_left(&a) > 3)
		(void)make_chain(&a, 1);
	uint32_t number = pool_take(&a);
	struct layout_block *b = &a.blocks[number];
	size_t fits = LAYOUT_EVENT_BYTES + 2 * LAYOUT_MORE_BYTES;

	int rc = pool_write(&a, number, b->event.bytes, LAYOUT_EVENT_BYTES,
	    text_of(fits + 1), (struct span){ NULL, 0 });

	ck_assert_int_eq(rc, -ENOSPC);
	ck_assert_uint_eq(pool_left(&a), 2);
	ck_assert_uint_eq(b->more, LAYOUT_NONE);
	rc = pool_write(&a, number, b->event.bytes, LAYOUT_EVENT_BYTES,
	    text_of(fits), (struct span){ NULL, 0 });
	ck_assert_int_eq(rc, 0);
	ck_assert_uint_eq(pool_left(&a), 0);
	arena_close(&a);
}
END_TEST

/* Ways to break the chain of a block that has two more. */
static void
cut_chain(struct arena *a, struct layout_block *first)
{
	(void)a;
	first->more = LAYOUT_NONE;
}

static void
lead_chain_out_of_the_arena(struct arena *a, struct layout_block *first)
{
	first->more = a->block_count;
}

static void
lead_chain_far_away(struct arena *a, struct layout_block *first)
{
	(void)a;
	first->more = UINT32_MAX;
}

static void
lead_chain_to_its_first(struct arena *a, struct layout_block *first)
{
	first->more = pool_number(a, first);
}

static void
give_chain_another_owner(struct arena *a, struct layout_block *first)
{
	a->blocks[first->more].rest.owner = pool_number(a, first) + 1;
}

static void
free_the_chain_s_last(struct arena *a, struct layout_block *first)
{
	uint32_t last = a->blocks[first->more].more;

	pool_commit(a, &a->blocks[last], LAYOUT_FREE);
}

START_TEST(broken_chain_is_told_and_not_read)
{
	void (*const breaks[])(struct arena *,
	    struct layout_block *) = { cut_chain, lead_chain_out_of_the_arena,
		lead_chain_far_away, lead_chain_to_its_first,
		give_chain_another_owner, free_the_chain_s_last };
	size_t len = LAYOUT_EVENT_BYTES + LAYOUT_MORE_BYTES + 1;
	struct arena a;
	make_arena(&a);

	for (size_t i = 0; i < UNIT_COUNT(breaks); i++) {
		char out[TEXT_MAX];
		struct layout_block *b = make_chain(&a, len);
		breaks[i](&a, b);

		ck_assert_int_eq(read_chain(&a, b, out, len), -EUCLEAN);
	}
	arena_close(&a);
}
END_TEST

START_TEST(chain_is_given_back_no_further_than_it_is_its_own)
{
	struct arena a;
	make_arena(&a);
	struct layout_block *other = make_chain(&a, LAYOUT_EVENT_BYTES + 1);
	struct layout_block *b = make_chain(&a, 1);
	b->more = other->more;

	pool_give(&a, b);

	ck_assert_ptr_nonnull(pool_block(&a, other->more, LAYOUT_MORE));
	arena_close(&a);
}
END_TEST

START_TEST(chain_that_circles_is_given_back_once)
{
	struct arena a;
	make_arena(&a);
	uint32_t left = pool_left(&a);
	struct layout_block *b =
	    make_chain(&a, LAYOUT_EVENT_BYTES + LAYOUT_MORE_BYTES + 1);
	a.blocks[a.blocks[b->more].more].more = b->more;

	pool_give(&a, b);

	ck_assert_uint_eq(pool_left(&a), left);
	arena_close(&a);
}
END_TEST

START_TEST(garbled_free_list_never_gives_out_what_is_in_use)
{
	struct arena a;
	make_arena(&a);
	uint32_t used = pool_number(&a, make_chain(&a, 1));
	const uint32_t heads[] = { used, a.block_count, UINT32_MAX };

	for (size_t i = 0; i < UNIT_COUNT(heads); i++) {
		a.header->free_head = heads[i];

		uint32_t number = pool_take(&a);

		ck_assert_uint_ne(number, LAYOUT_NONE);
		ck_assert_uint_ne(number, used);
		ck_assert_uint_lt(number, a.block_count);
	}
	arena_close(&a);
}
END_TEST

START_TEST(garbled_mark_of_fresh_blocks_gives_out_none)
{
	struct arena a;
	make_arena(&a);
	uint32_t used = pool_number(&a, make_chain(&a, 1));
	const uint32_t marks[] = { 0, used, a.block_count, UINT32_MAX };

	for (size_t i = 0; i < UNIT_COUNT(marks); i++) {
		a.header->free_head = LAYOUT_NONE;
		a.header->fresh = marks[i];

		ck_assert_uint_eq(pool_take(&a), LAYOUT_NONE);
	}
	arena_close(&a);
}
END_TEST

START_TEST(more_in_use_than_there_are_leaves_none)
{
	struct arena a;
	make_arena(&a);

	a.header->used = UINT32_MAX;

	ck_assert_uint_eq(pool_left(&a), 0);
	arena_close(&a);
}
END_TEST

FIXTURE_MAIN("pool", chain_is_as_long_as_its_bytes_need,
    every_block_but_the_first_is_given_out_once,
    blocks_given_back_are_given_out_again,
    block_that_was_taken_is_free_until_it_is_committed,
    number_or_kind_that_is_wrong_gives_no_block,
    bytes_come_back_as_they_were_written,
    two_spans_become_one_run_wherever_they_meet,
    chain_there_is_no_room_for_takes_nothing, broken_chain_is_told_and_not_read,
    chain_is_given_back_no_further_than_it_is_its_own,
    chain_that_circles_is_given_back_once,
    garbled_free_list_never_gives_out_what_is_in_use,
    garbled_mark_of_fresh_blocks_gives_out_none,
    more_in_use_than_there_are_leaves_none)
