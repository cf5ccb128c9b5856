/*
 * The arena, worked on by two workers while its bytes go bad.
 *
 * The input is a script: a letter says what to do, the bytes behind it with
 * what; what is no such letter is passed over.  See steps[] for the letters.  Only the
 * mutexes stay as they are.
 *   - No operation crashes, hangs, or reads or writes outside of the mapping,
 *     which is memory that a sanitizer watches.
 *   - Each returns 0 or an error that its header names, and never that a repair did
 *     not help.  What it hands back has a sane size.
 *   - After repair_arena(whole) verify_store() finds nothing, and goes on finding
 *     nothing, with subscribers counted right, until bytes go bad again.
 */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/follow.h"
#include "fuzz.h"
#include "arena/repair.h"
#include "arena/status.h"
#include "arena/store.h"
#include "arena/verify.h"
#include "base/event.h"
#include "wire/sse.h"

const char fuzz_name[] = "arena";

#define WORKERS 2
#define CHANNELS 6
#define STEPS_MAX 24
#define LONG_STEPS_MAX 3
#define COOKIES 8
#define PAGE 4096

/*
 * Of the smallest file there may be, this many blocks and worker slots are used,
 * so that a run takes less time; the tables lie where they always do.
 */
#define BLOCKS 320
#define SLOTS 8

static char folder[] = "/dev/shm/peal-fuzz-XXXXXX";
static char path[sizeof(folder) + sizeof("/arena")];
static const struct store_limits limits = { .max_age_ms = 60000,
	.max_events = 20 };
static const struct clock_now start = { .wall_ms = UINT64_C(1779525621000),
	.boot_ms = 1000000 };

static struct store real; /* the file, for reopening */
static struct arena_meter meter;
static char *pristine; /* its bytes, as each run begins */
static struct span names[CHANNELS];
static struct registry_wakes wakes;

/* One run. */
static struct store stores[WORKERS]; /* of the same memory */
static struct fuzz_script script;
static struct clock_now now;
static bool sound;  /* no byte has gone bad since the last whole repair */
static bool intact; /* nor one of those that say what the file is */
static bool reopened;
static uint32_t registrations[WORKERS][CHANNELS];
static uint32_t counts[WORKERS][CHANNELS];
static uint64_t cursors[WORKERS];
static uint64_t gap_known[WORKERS];

static void
remove_folder(void)
{
	char file[sizeof(path) + 8];

	(void)unlink(path);
	(void)snprintf(file, sizeof(file), "%s.lock", path);
	(void)unlink(file);
	(void)rmdir(folder);
}

static void
open_real(void)
{
	struct buf why = { 0 };

	FUZZ_REQUIRE(
	    store_open(&real, path, ARENA_SIZE_MIN, &limits, start, &why) == 0);
	buf_fini(&why);
}

/* Let all handles work on a block of memory with nothing around it. */
static void
use_memory(void)
{
	struct arena *a = &stores[0].arena;
	size_t changes = LAYOUT_HEADER_SIZE;
	size_t workers =
	    changes + LAYOUT_CHANGES * sizeof(struct layout_change);
	size_t buckets =
	    workers + real.arena.worker_count * sizeof(struct layout_worker);
	size_t blocks =
	    buckets + real.arena.bucket_count * sizeof(struct layout_bucket);
	char *memory = aligned_alloc(64, blocks + BLOCKS * LAYOUT_BLOCK_SIZE);

	FUZZ_REQUIRE(memory != NULL);
	*a = real.arena;
	a->fd = -1;
	a->opening_fd = -1;
	a->meter = &meter;
	a->map = memory;
	a->map_len = blocks + BLOCKS * LAYOUT_BLOCK_SIZE;
	a->block_count = BLOCKS;
	a->worker_count = SLOTS;
	a->header = (struct layout_header *)(void *)memory;
	a->changes = (struct layout_change *)(void *)(memory + changes);
	a->workers = (struct layout_worker *)(void *)(memory + workers);
	a->buckets = (struct layout_bucket *)(void *)(memory + buckets);
	a->blocks = (struct layout_block *)(void *)(memory + blocks);
	for (uint32_t i = 0; i < WORKERS; i++) {
		stores[i].arena = *a;
		stores[i].slot = i;
		stores[i].attached = true;
	}
	memcpy(a->map, real.arena.map, a->map_len);
}

static void
attach_all(void)
{
	memset(registrations, 0, sizeof(registrations));
	memset(counts, 0, sizeof(counts));
	for (uint32_t i = 0; i < WORKERS; i++)
		FUZZ_REQUIRE(store_attach(&stores[i], i, now) == 0);
}

static unsigned
byte(void)
{
	return fuzz_byte(&script);
}

static void
judge_verify(void)
{
	struct buf faults = { 0 };
	size_t count;

	int rc = verify_store(&stores[0], &faults, &count);
	FUZZ_REQUIRE(rc == 0);
	if (sound && count > 0) {
		fprintf(stderr, "%.*s", (int)faults.len, faults.ptr);
		FUZZ_REQUIRE(count == 0);
	}
	buf_fini(&faults);
}

static bool
is_known(int rc)
{
	return rc == 0 || rc == -ESTALE || rc == -EMSGSIZE || rc == -ENOSPC;
}

static void
append(unsigned count)
{
	struct store_event events[8];
	struct store_appended appended[8];
	struct buf bodies[8];
	/* Eight of them with the longest name are less than half of the arena. */
	static const char filling[3072];
	uint64_t last = atomic_load(&stores[0].arena.header->last_id);

	for (unsigned i = 0; i < count; i++) {
		buf_init(&bodies[i]);
		sse_event(&bodies[i], SPAN("t"),
		    (struct span){ filling, byte() * 16u % sizeof(filling) });
		events[i] = (struct store_event){
			.channel = names[byte() % CHANNELS],
			.body = buf_span(&bodies[i]),
		};
	}
	int rc = store_append(&stores[byte() % WORKERS], now, events, count,
	    appended, &wakes);
	FUZZ_REQUIRE(is_known(rc));
	FUZZ_REQUIRE(rc != -EMSGSIZE);
	if (sound)
		FUZZ_REQUIRE(rc == 0 || last > UINT64_MAX - 8);
	for (unsigned i = 0; i < count; i++) {
		if (rc == 0 && i > 0)
			FUZZ_REQUIRE(appended[i].id > appended[i - 1].id);
		buf_fini(&bodies[i]);
	}
	FUZZ_REQUIRE(wakes.count <= stores[0].arena.worker_count);
}

static void
append_one(void)
{
	append(1);
}

static void
append_batch(void)
{
	append(1 + byte() % 8);
}

static struct span
own_id(void)
{
	static char lengthy[EVENT_OWN_ID_MAX];
	const struct span own_ids[] = { { NULL, 0 }, SPAN("x"), SPAN("y"),
		SPAN("17"), { lengthy, EVENT_OWN_ID_MAX } };

	memset(lengthy, 'o', sizeof(lengthy));
	return own_ids[byte() % 5];
}

/* Events with ids of their own, and for several channels. */
static void
append_named(void)
{
	struct store_event events[8];
	struct store_appended appended[8];
	unsigned count = 1 + byte() % 8;

	for (unsigned i = 0; i < count; i++) {
		unsigned what = byte();
		events[i] = (struct store_event){
			.channel = names[what / 2 % CHANNELS],
			.body = SPAN("data: named\n\n"),
			.is_copy = i > 0 && what % 2 == 0,
		};
		events[i].own_id =
		    events[i].is_copy ? events[i - 1].own_id : own_id();
	}
	uint64_t last = atomic_load(&stores[0].arena.header->last_id);
	int rc = store_append(&stores[byte() % WORKERS], now, events, count,
	    appended, &wakes);
	FUZZ_REQUIRE(is_known(rc) && rc != -EMSGSIZE);
	if (!sound || last > UINT64_MAX - 8)
		return;
	FUZZ_REQUIRE(rc == 0);
	for (unsigned i = 0; i < count; i++) {
		FUZZ_REQUIRE(
		    !appended[i].duplicate || events[i].own_id.len > 0);
		if (events[i].is_copy) {
			FUZZ_REQUIRE(appended[i].id == appended[i - 1].id);
		} else if (!appended[i].duplicate) {
			FUZZ_REQUIRE(appended[i].id > last);
			last = appended[i].id;
		}
	}
}

/*
 * Whether there is no room for a registration.  Where the indexes agree that there
 * is none, they are believed: going through all blocks takes too long.
 */
static bool
is_full(void)
{
	const struct arena *a = &stores[0].arena;
	const struct layout_header *h = a->header;
	uint32_t count = 0;

	for (uint32_t i = 1; i < a->block_count; i++)
		count += atomic_load(&a->blocks[i].kind) == LAYOUT_FREE;
	return count < 3 ||
	    (!sound && h->used + 3 >= a->block_count &&
		h->used < a->block_count && h->oldest == 0 && h->newest == 0);
}

static void
join_at(unsigned worker, size_t count, unsigned first,
    struct event_resume resume)
{
	struct follow_join joins[3];
	struct follow_joined joined;

	for (size_t i = 0; i < count; i++) {
		unsigned channel = (first + (unsigned)i) % CHANNELS;
		joins[i] = (struct follow_join){
			.name = names[channel],
			.cookie = channel,
			.registration = registrations[worker][channel],
		};
	}
	int rc =
	    follow_join(&stores[worker], now, joins, count, resume, &joined);
	FUZZ_REQUIRE(rc == 0 || rc == -ENOSPC || rc == -ESTALE);
	/* Nobody is turned away for want of room that there is. */
	FUZZ_REQUIRE(rc != -ENOSPC || is_full());
	if (sound)
		FUZZ_REQUIRE(rc == 0);
	for (size_t i = 0; i < count; i++) {
		unsigned channel = (first + (unsigned)i) % CHANNELS;
		if (rc == 0) {
			registrations[worker][channel] = joins[i].registration;
			counts[worker][channel]++;
		} else if (rc == -ESTALE) {
			/* As a worker would: it asks for a new one. */
			registrations[worker][channel] = 0;
			counts[worker][channel] = 0;
		}
	}
	if (rc == 0) {
		cursors[worker] = joined.cursor;
		gap_known[worker] = joined.gap_known;
	}
}

static void
join(void)
{
	unsigned worker = byte() % WORKERS;
	size_t count = 1 + byte() % 3;
	unsigned first = byte();
	struct event_resume resume = {
		.kind = (enum event_resume_kind)(byte() % 5),
		.id = event_id_make(start.wall_ms + byte(), byte()),
	};

	join_at(worker, count, first, resume);
}

static void
join_at_own_id(void)
{
	unsigned worker = byte() % WORKERS;
	size_t count = 1 + byte() % 3;
	unsigned first = byte();

	join_at(worker, count, first, event_resume_parse(own_id()));
}

static void
leave(void)
{
	unsigned worker = byte() % WORKERS;
	unsigned channel = byte() % CHANNELS;
	uint32_t *count = &counts[worker][channel];

	if (*count == 0)
		return;
	FUZZ_REQUIRE(follow_leave(&stores[worker],
			 &registrations[worker][channel], 1) == 0);
	if (--*count == 0)
		registrations[worker][channel] = 0;
}

static void
count_subscribers(void)
{
	unsigned channel = byte() % CHANNELS;
	uint32_t count;

	FUZZ_REQUIRE(
	    store_subscribers(&stores[0], names[channel], &count) == 0);
	if (sound)
		FUZZ_REQUIRE(count == counts[0][channel] + counts[1][channel]);
}

static void
take_news(void)
{
	const struct store *s = &stores[byte() % WORKERS];
	uint32_t cookies[COOKIES];
	uint32_t most = s->arena.block_count / COOKIES + 2;
	int taken;

	/* As the pump does: until there is no more. */
	do {
		taken = follow_news((struct store *)s, cookies, COOKIES);
		FUZZ_REQUIRE(taken >= 0 && taken <= COOKIES);
		FUZZ_REQUIRE(most-- > 0);
	} while (taken == COOKIES);
}

static void
judge_segment(const struct follow_segment *segment, uint64_t cursor)
{
	size_t begin = 0;

	FUZZ_REQUIRE(segment->len <= segment->room);
	FUZZ_REQUIRE(segment->marks_len <= segment->marks_room);
	for (size_t i = 0; i < segment->marks_len; i++) {
		const struct follow_mark *mark = &segment->marks[i];
		FUZZ_REQUIRE(mark->end >= begin && mark->end <= segment->len);
		if (sound)
			FUZZ_REQUIRE(mark->id > cursor &&
			    mark->end > begin + 4 &&
			    memcmp(segment->bytes + begin, "id: ", 4) == 0);
		cursor = mark->id;
		begin = mark->end;
	}
}

static void
read_segment(void)
{
	static char bytes[ARENA_SIZE_MIN];
	unsigned worker = byte() % WORKERS;
	unsigned wanted = byte();
	uint32_t read[CHANNELS];
	struct follow_mark marks[16];
	struct follow_reader reader = {
		.registrations = read,
		.cursor = cursors[worker],
		.gap_known = gap_known[worker],
		.hint = byte(),
	};
	struct follow_segment segment = {
		.bytes = bytes,
		.room = PAGE,
		.marks = marks,
		.marks_room = 16,
	};

	for (unsigned i = 0; i < CHANNELS; i++) {
		if (counts[worker][i] > 0 && (wanted >> i & 1) == 0)
			read[reader.count++] = registrations[worker][i];
	}
	int rc = follow_read(&stores[worker], &reader, &segment);
	if (rc == -EMSGSIZE) {
		/* As the pump does: it makes as much room. */
		FUZZ_REQUIRE(segment.wanted <= sizeof(bytes));
		segment.room = segment.wanted;
		rc = follow_read(&stores[worker], &reader, &segment);
		FUZZ_REQUIRE(rc != -EMSGSIZE);
	}
	FUZZ_REQUIRE(rc == 0 || rc == -ENODATA || rc == -ESTALE);
	if (sound)
		FUZZ_REQUIRE(rc != -ESTALE);
	judge_segment(&segment, cursors[worker]);
	cursors[worker] = reader.cursor;
}

static void
purge(void)
{
	int rc = store_purge(&stores[0], names[byte() % CHANNELS]);

	FUZZ_REQUIRE(rc == 0 || rc == -ENOENT);
}

/* From now on sections end early. */
static void
limit_sections(void)
{
	meter.limit = byte();
}

static void
take_status(void)
{
	struct status status;

	FUZZ_REQUIRE(status_take(&stores[0], now, &status) == 0);
	FUZZ_REQUIRE(status.worker_count <= stores[0].arena.worker_count);
	if (sound)
		FUZZ_REQUIRE(
		    status.used <= status.size && status.peak <= status.size);
	free(status.workers);
}

/* One worker finds the other gone, which then comes again. */
static void
reap(void)
{
	unsigned gone = byte() % WORKERS;
	const struct layout_worker *worker = &stores[0].arena.workers[gone];

	FUZZ_REQUIRE(store_reap(&stores[1 - gone], gone, worker->session) == 0);
	if (sound)
		FUZZ_REQUIRE(worker->registrations == 0 && worker->pid == 0);
	FUZZ_REQUIRE(store_attach(&stores[gone], gone, now) == 0);
	memset(registrations[gone], 0, sizeof(registrations[gone]));
	memset(counts[gone], 0, sizeof(counts[gone]));
}

static void
pass_time(void)
{
	unsigned by = byte();

	now.boot_ms += by * by;
	now.wall_ms += (byte() & 1) != 0 ? by : UINT64_C(0) - by;
}

/* What the next to lock does after a death. */
static void
repair_after_death(void)
{
	repair_arena(&stores[0].arena, false);
}

/* Repair everything; workers begin anew, and say what the limits are. */
static void
repair_whole(void)
{
	struct layout_header *h = stores[0].arena.header;

	repair_arena(&stores[0].arena, true);
	sound = true;
	judge_verify();
	h->max_age_ms = limits.max_age_ms;
	h->max_events = limits.max_events;
	attach_all();
}

/* Who opens a file copies its key. */
static void
use_hash_key(void)
{
	for (unsigned i = 0; i < WORKERS; i++)
		stores[i].arena.hash_key = stores[0].arena.header->hash_key;
}

/* All processes go, and the file is opened by a new one. */
static void
reopen(void)
{
	struct arena *a = &stores[0].arena;
	struct buf why = { 0 };

	/* Once: it takes as long as all the rest. */
	if (reopened)
		return;
	reopened = true;
	memset(real.arena.map, 0, real.arena.map_len);
	memcpy(real.arena.map, a->map, a->map_len);
	store_close(&real);
	int rc = store_open(&real, path, ARENA_SIZE_MIN, &limits, now, &why);
	FUZZ_REQUIRE(rc == 0 || rc == -EINVAL);
	FUZZ_REQUIRE(rc == 0 || why.len > 0);
	if (rc != 0) {
		FUZZ_REQUIRE(!intact);
		(void)unlink(path);
		open_real();
	}
	FUZZ_REQUIRE(!intact || real.opened == ARENA_ALONE);
	intact = true;
	memcpy(a->map, real.arena.map, a->map_len);
	use_hash_key();
	attach_all();
	buf_fini(&why);
}

static size_t
number(void)
{
	size_t high = byte();

	return high << 8 | byte();
}

/* Where a byte goes bad: places that mean something come up more often. */
static size_t
bad_place(void)
{
	const struct arena *a = &stores[0].arena;
	const char *map = a->map;
	const char *block = (const char *)&a->blocks[1 + byte() % 96];

	switch (byte() % 8) {
	case 0:
		return number() % offsetof(struct layout_header, mutex);
	case 1:
		return offsetof(struct layout_header, last_id) +
		    byte() %
		    (offsetof(struct layout_header, mutex) -
			offsetof(struct layout_header, last_id));
	case 2:
		return (size_t)((const char *)&a->workers[byte() % 3] - map) +
		    byte() % sizeof(struct layout_worker);
	case 3:
		return (size_t)((const char *)&a
				    ->buckets[number() % a->bucket_count] -
			   map) +
		    byte() % sizeof(struct layout_bucket);
	case 4:
		return (size_t)(block - map) + byte() % 60;
	case 5:
		return (size_t)(block - map) + byte() % 15 * 4;
	case 6:
		return (size_t)(block - map) + byte();
	default:
		return number() * 4 % a->map_len;
	}
}

static void
go_bad(void)
{
	static const uint32_t values[] = { 0, UINT32_MAX, 1, 0x7fffffff,
		LAYOUT_EVENT, LAYOUT_MORE, LAYOUT_CHANNEL,
		LAYOUT_REGISTRATION };
	const struct arena *a = &stores[0].arena;
	const size_t mutex = offsetof(struct layout_header, mutex);
	size_t at = bad_place();
	uint64_t value = 0;
	size_t len = 4;

	switch (byte() % 5) {
	case 0:
		value = byte();
		len = 1;
		break;
	case 1:
		value = values[byte() % 8];
		break;
	case 2: /* another block's number */
		value = byte() % 96;
		break;
	case 3:
		value = UINT64_MAX - byte();
		len = 8;
		break;
	case 4:
		value = (unsigned char)((const char *)a->map)[at] ^
		    1u << byte() % 8;
		len = 1;
		break;
	}
	if (at + len > a->map_len ||
	    (at + len > mutex && at < sizeof(struct layout_header)))
		return;
	memcpy((char *)a->map + at, &value, len);
	sound = false;
	if (at < offsetof(struct layout_header, boot_id))
		intact = false;
}

static const struct {
	char letter;
	void (*act)(void);
	bool is_long; /* it goes through all of the arena */
} steps[] = {
	{ 'a', append_one, false },
	{ 'b', append_batch, false },
	{ 'i', append_named, false },
	{ 'j', join, false },
	{ 'w', join_at_own_id, false },
	{ 'l', leave, false },
	{ 'c', count_subscribers, false },
	{ 'n', take_news, false },
	{ 'r', read_segment, false },
	{ 'p', purge, false },
	{ 'm', limit_sections, false },
	{ 's', take_status, false },
	{ 'k', reap, false },
	{ 't', pass_time, false },
	{ 'g', go_bad, false },
	{ 'v', judge_verify, true },
	{ 'd', repair_after_death, true },
	{ 'R', repair_whole, true },
	{ 'o', reopen, true },
};

static void
step(char letter, unsigned *left, unsigned *long_left)
{
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		if (steps[i].letter != letter)
			continue;
		if (steps[i].is_long && (*long_left)-- == 0)
			*left = 1;
		else
			steps[i].act();
		(*left)--;
	}
}

static void
run(const uint8_t *data, size_t size)
{
	unsigned left = STEPS_MAX;
	unsigned long_left = LONG_STEPS_MAX;

	script = (struct fuzz_script){ data, data + size };
	while (script.at < script.end && left > 0)
		step((char)byte(), &left, &long_left);
	if (!sound) {
		repair_arena(&stores[0].arena, true);
		sound = true;
	}
	judge_verify();
}

static void
begin(void)
{
	struct arena *a = &stores[0].arena;

	memcpy(a->map, pristine, a->map_len);
	use_hash_key();
	now = start;
	sound = true;
	intact = true;
	reopened = false;
	meter = (struct arena_meter){ 0 };
	memset(registrations, 0, sizeof(registrations));
	memset(counts, 0, sizeof(counts));
	memset(cursors, 0, sizeof(cursors));
	memset(gap_known, 0, sizeof(gap_known));
}

/* Make the bytes that each run begins with: some history, some registrations. */
static void
make_pristine(void)
{
	static const uint8_t scene[] = "axaBaZbaZ0"
				       "b\007\001\000\020\001\040\002\377\003"
				       "\004\004\100\005\200\000\000";
	static char long_name[EVENT_CHANNEL_MAX];

	FUZZ_REQUIRE(mkdtemp(folder) != NULL);
	(void)snprintf(path, sizeof(path), "%s/arena", folder);
	(void)atexit(remove_folder);
	open_real();
	/* The same bytes, and the same buckets, in every process. */
	real.arena.header->hash_key = (struct siphash_key){ 1, 2 };
	real.arena.hash_key = real.arena.header->hash_key;
	use_memory();
	memset(long_name, 'n', sizeof(long_name));
	names[0] = SPAN("a");
	names[1] = SPAN("b");
	names[2] = SPAN("user-1");
	names[3] = (struct span){ long_name, sizeof(long_name) };
	names[4] = (struct span){ long_name, LAYOUT_NAME_BYTES };
	names[5] = (struct span){ long_name, LAYOUT_NAME_BYTES + 1 };
	FUZZ_REQUIRE(registry_wakes_init(&wakes, &stores[0].arena) == 0);
	now = start;
	sound = true;
	attach_all();
	run(scene, sizeof(scene) - 1);
	pristine = malloc(stores[0].arena.map_len);
	FUZZ_REQUIRE(pristine != NULL);
	memcpy(pristine, stores[0].arena.map, stores[0].arena.map_len);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (pristine == NULL)
		make_pristine();
	begin();
	run(data, size);
	return 0;
}
