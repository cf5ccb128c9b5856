/*
 * SIGKILL after every single store that a critical section makes.
 *
 * A child does an operation on the arena one machine instruction at a time
 * (ptrace).  Whenever an instruction has changed the arena, the bytes are what
 * a process killed right there would leave behind: they are copied to another
 * arena, where they are put in order as the next locker would, and once more as
 * one that opens the file would, and judged:
 *
 *   - verify finds nothing;
 *   - every event that the operation does not let go of is there, whole, once;
 *   - what the operation lets go of is there, or its channel's mark tells of it;
 *   - of the events it adds, all are there or none;
 *   - each channel has as many subscribers as before the operation or after it.
 *
 * The same is done to the repair itself, for some of those states: a second death
 * while mending the first.
 *
 * usage: crash_every_store [SEED [SECOND_DEATHS]]
 */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "arena/channel.h"
#include "arena/critical.h"
#include "arena/follow.h"
#include "arena/own_id.h"
#include "arena/pool.h"
#include "arena/repair.h"
#include "arena/status.h"
#include "arena/store.h"
#include "arena/verify.h"
#include "arena/wake.h"
#include "base/event.h"
#include "wire/sse.h"

#ifdef __SANITIZE_ADDRESS__
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer))
#else
#define SANITIZED 0
#endif

#define CHANNELS 5
#define EVENTS_MAX 4096
#define ARENA_SIZE (UINT64_C(256) << 10)
/* Of the states of one operation, so many have their repair stepped through. */
#define SECOND_DEATHS_MAX 16
static size_t second_deaths = 1;

static unsigned long long seed;
static const char *doing = "nothing";
static unsigned long long states;
static unsigned long long repair_states;
static unsigned long long recovery_states;

#define REQUIRE(condition, ...)                                           \
	do {                                                              \
		if (!(condition)) {                                       \
			printf("FAIL (seed %llu) %s, state %llu: ", seed, \
			    doing, states);                               \
			printf(__VA_ARGS__);                              \
			printf(" [%s:%d]\n", __FILE__, __LINE__);         \
			exit(1);                                          \
		}                                                         \
	} while (0)

static uint64_t
roll(uint64_t below)
{
	static uint64_t state;

	if (state == 0)
		state = seed * 2 + 1;
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % below;
}

/* Two arenas of one size: where it happens, and where it is judged. */
static struct store scene;
static struct store court;
static struct wake wake;
static struct clock_now now;
static struct span names[CHANNELS];
static uint32_t registrations[CHANNELS]; /* of the scene; 0: none */

/* What an arena holds. */
struct holding {
	struct {
		uint64_t id;
		unsigned channel;
		uint64_t sum;	 /* of its bytes */
		uint64_t own_id; /* what a mark has for its own id */
	} events[EVENTS_MAX];
	size_t count;
	uint32_t subscribers[CHANNELS];
	uint64_t marks[CHANNELS]
		      [2]; /* the id, and what stands for its own id */
};

static uint64_t
sum_of(const char *bytes, size_t len)
{
	uint64_t sum = len;

	for (size_t i = 0; i < len; i++)
		sum = (sum ^ (unsigned char)bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* Read a channel by its list, without changing anything. */
static void
hold_channel(struct holding *h, const struct store *s, unsigned channel)
{
	static char bytes[1 << 20];
	struct layout_block *c;

	REQUIRE(channel_find(&s->arena, names[channel], &c) == 0,
	    "a channel cannot be looked up");
	h->subscribers[channel] = c == NULL ? 0 : c->channel.subscribers;
	uint32_t at = c == NULL ? 0 : c->channel.oldest;
	while (at != 0) {
		const struct layout_block *b = &s->arena.blocks[at];
		REQUIRE(pool_read(&s->arena, b, b->event.bytes,
			    LAYOUT_EVENT_BYTES, bytes, b->event.len) == 0,
		    "an event cannot be read");
		REQUIRE(h->count < EVENTS_MAX, "too many events");
		h->events[h->count].id = b->event.id;
		h->events[h->count].channel = channel;
		h->events[h->count].sum = sum_of(bytes, b->event.len);
		h->events[h->count].own_id = b->event.own_id_len == 0
		    ? 0
		    : own_id_hash(&s->arena,
			  (struct span){ bytes + 4, b->event.own_id_len });
		h->count++;
		at = b->event.newer;
	}
}

static const struct layout_mark *
mark_of(const struct store *s, unsigned channel)
{
	const struct arena *a = &s->arena;
	uint32_t hash = channel_hash(a, names[channel]);
	struct layout_block *c;

	if (channel_find(a, names[channel], &c) == 0 && c != NULL)
		return &c->channel.forgotten;
	return &a->buckets[hash & (a->bucket_count - 1)].forgotten;
}

static void
take_holding(struct holding *h, const struct store *s)
{
	h->count = 0;
	for (unsigned i = 0; i < CHANNELS; i++) {
		hold_channel(h, s, i);
		h->marks[i][0] = mark_of(s, i)->id;
		h->marks[i][1] = mark_of(s, i)->own_id;
	}
}

/* The event that another holding has as its number i; a copy is one by itself. */
static const uint64_t *
find_event(const struct holding *h, const struct holding *other, size_t i)
{
	for (size_t j = 0; j < h->count; j++) {
		if (h->events[j].id == other->events[i].id &&
		    h->events[j].channel == other->events[i].channel)
			return &h->events[j].sum;
	}
	return NULL;
}

/* A mark names the own id of the event with its id, or none.  A channel may have
 * its mark from another one in its bucket. */
static void
judge_mark(const struct holding *before, unsigned channel)
{
	const struct layout_mark *mark = mark_of(&court, channel);
	bool known = mark->own_id == 0;

	for (unsigned i = 0; i < CHANNELS; i++)
		known = known ||
		    (before->marks[i][0] == mark->id &&
			before->marks[i][1] == mark->own_id);
	for (size_t i = 0; i < before->count; i++)
		known = known ||
		    (before->events[i].id == mark->id &&
			before->events[i].own_id == mark->own_id);
	REQUIRE(known, "a mark with another event's own id");
}

static void
judge(const struct holding *before, const struct holding *after)
{
	static struct holding found;
	struct buf faults = { 0 };
	size_t count = 0;
	size_t added = 0;
	size_t added_found = 0;

	REQUIRE(verify_store(&court, &faults, &count) == 0, "no verdict");
	REQUIRE(count == 0, "%zu faults:\n%.*s", count, (int)faults.len,
	    faults.ptr);
	buf_fini(&faults);
	take_holding(&found, &court);
	for (size_t i = 0; i < before->count; i++) {
		uint64_t id = before->events[i].id;
		const uint64_t *sum = find_event(&found, before, i);
		if (sum != NULL) {
			REQUIRE(*sum == before->events[i].sum,
			    "an event has changed");
			continue;
		}
		REQUIRE(find_event(after, before, i) == NULL,
		    "an event is lost");
		REQUIRE(mark_of(&court, before->events[i].channel)->id >= id,
		    "an event is gone without a mark");
	}
	for (size_t i = 0; i < after->count; i++) {
		if (find_event(before, after, i) != NULL)
			continue;
		const uint64_t *sum = find_event(&found, after, i);
		added++;
		added_found += sum != NULL;
		REQUIRE(sum == NULL || *sum == after->events[i].sum,
		    "half an event");
	}
	REQUIRE(added_found == 0 || added_found == added,
	    "%zu events of a batch of %zu", added_found, added);
	for (size_t i = 0; i < found.count; i++)
		REQUIRE(find_event(before, &found, i) != NULL ||
			find_event(after, &found, i) != NULL,
		    "an event from nowhere");
	for (unsigned i = 0; i < CHANNELS; i++)
		judge_mark(before, i);
	for (unsigned i = 0; i < CHANNELS; i++)
		REQUIRE(found.subscribers[i] == before->subscribers[i] ||
			found.subscribers[i] == after->subscribers[i],
		    "%u subscribers, neither %u nor %u", found.subscribers[i],
		    before->subscribers[i], after->subscribers[i]);
}

/* Copy an arena's bytes into another one, all but its locks. */
static void
copy_arena(struct store *to, const char *from)
{
	size_t lock = offsetof(struct layout_header, mutex);
	size_t rest = sizeof(struct layout_header);
	char *map = to->arena.map;

	memcpy(map, from, lock);
	memcpy(map + rest, from + rest, to->arena.map_len - rest);
}

typedef void work(void);
typedef void at_state(const char *bytes);

/*
 * Run work in a child, one instruction at a time, and call seen whenever
 * the store's bytes have changed.
 */
static void
step_through(const struct store *s, work *do_work, at_state *seen)
{
	size_t len = s->arena.map_len;
	size_t lock = offsetof(struct layout_header, mutex);
	size_t rest = sizeof(struct layout_header);
	const char *map = s->arena.map;
	char *last = malloc(len);
	int status = 0;
	pid_t pid = fork();

	REQUIRE(last != NULL && pid >= 0, "no child");
	if (pid == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		do_work();
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status),
	    "the child cannot be traced");
	memcpy(last, map, len);
	for (;;) {
		REQUIRE(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL) == 0,
		    "no step: %s", strerror(errno));
		REQUIRE(waitpid(pid, &status, 0) == pid, "the child is lost");
		if (WIFEXITED(status))
			break;
		REQUIRE(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP,
		    "the child died: %d", status);
		if (memcmp(last, map, lock) == 0 &&
		    memcmp(last + rest, map + rest, len - rest) == 0)
			continue;
		memcpy(last, map, len);
		seen(last);
	}
	REQUIRE(WEXITSTATUS(status) == 0, "the work failed");
	free(last);
}

static struct holding before;
static struct holding after;

static void
repair_work(void)
{
	repair_arena(&court.arena, false);
}

static void
recover_work(void)
{
	critical_recover(&court.arena);
}

/* A state in the midst of a repair: repair it again, elsewhere. */
static void
judge_repair(const char *bytes)
{
	char *kept = malloc(court.arena.map_len);

	REQUIRE(kept != NULL, "out of memory");
	memcpy(kept, bytes, court.arena.map_len);
	if (++repair_states % 7 == 0) {
		REQUIRE(repair_arena(&court.arena, false) == 0, "damage");
		judge(&before, &after);
		copy_arena(&court, kept);
	}
	free(kept);
}

/* A state in the midst of undoing what was left: undo it again. */
static void
judge_recovery(const char *bytes)
{
	char *kept = malloc(court.arena.map_len);

	REQUIRE(kept != NULL, "out of memory");
	memcpy(kept, bytes, court.arena.map_len);
	critical_recover(&court.arena);
	judge(&before, &after);
	copy_arena(&court, kept);
	free(kept);
	recovery_states++;
}

static void
judge_state(const char *bytes)
{
	states++;
	copy_arena(&court, bytes);
	critical_recover(&court.arena);
	judge(&before, &after);
	copy_arena(&court, bytes);
	REQUIRE(repair_arena(&court.arena, false) == 0, "damage");
	judge(&before, &after);
	REQUIRE(repair_arena(&court.arena, true) == 0, "damage");
	judge(&before, &after);
}

static const char *chosen[SECOND_DEATHS_MAX];
static size_t chosen_count;

static void
judge_and_choose(const char *bytes)
{
	judge_state(bytes);
	if (roll(states < 20 ? 4 : 40) != 0)
		return;
	char *copy = malloc(scene.arena.map_len);
	REQUIRE(copy != NULL, "out of memory");
	memcpy(copy, bytes, scene.arena.map_len);
	size_t at =
	    chosen_count < second_deaths ? chosen_count++ : roll(second_deaths);
	free((void *)(uintptr_t)chosen[at]);
	chosen[at] = copy;
}

static void
run_child(work *do_work)
{
	int status = 0;
	pid_t pid = fork();

	REQUIRE(pid >= 0, "no child");
	if (pid == 0) {
		do_work();
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
		WEXITSTATUS(status) == 0,
	    "the work failed");
}

/*
 * Do work once to see what becomes of it, put everything back, and do it again
 * step by step.  With undo, it is as if it had not been done.
 */
static void
try_work(const char *name, work *do_work, bool undo)
{
	size_t len = scene.arena.map_len;
	char *bytes = malloc(len);
	unsigned long long first = states;

	doing = name;
	REQUIRE(bytes != NULL, "out of memory");
	take_holding(&before, &scene);
	memcpy(bytes, scene.arena.map, len);
	run_child(do_work);
	take_holding(&after, &scene);
	memcpy(scene.arena.map, bytes, len);
	step_through(&scene, do_work, judge_and_choose);
	REQUIRE(states > first, "nothing was changed");
	for (size_t i = 0; i < chosen_count; i++) {
		copy_arena(&court, chosen[i]);
		step_through(&court, repair_work, judge_repair);
		copy_arena(&court, chosen[i]);
		step_through(&court, recover_work, judge_recovery);
		free((void *)(uintptr_t)chosen[i]);
		chosen[i] = NULL;
	}
	chosen_count = 0;
	if (undo)
		memcpy(scene.arena.map, bytes, len);
	printf("ok: %s, killed after each of %llu stores\n", name,
	    states - first);
	free(bytes);
}

static struct store_event planned[8];
static size_t planned_count;
static struct buf planned_bodies[8];

static void
plan(size_t count, size_t len, unsigned channel, unsigned channels)
{
	static char data[4096];

	planned_count = count;
	for (size_t i = 0; i < count; i++) {
		for (size_t c = 0; c < len; c++)
			data[c] = (char)('a' + roll(26));
		buf_clear(&planned_bodies[i]);
		sse_event(&planned_bodies[i], SPAN("t"),
		    (struct span){ data, len });
		planned[i] = (struct store_event){
			.channel = names[channel + i % channels],
			.body = buf_span(&planned_bodies[i]),
		};
	}
	now.wall_ms++;
	now.boot_ms++;
}

/* As plan(), of one event for several channels, with an id of its own. */
static void
plan_copies(size_t count, size_t len, const char *own_id)
{
	plan(count, len, 0, (unsigned)count);
	for (size_t i = 0; i < count; i++) {
		planned[i].body = planned[0].body;
		planned[i].own_id = span_of(own_id);
		planned[i].is_copy = i > 0;
	}
}

static void
append_planned(void)
{
	struct store_appended appended[8];
	int rc = store_append(&scene, now, planned, planned_count, appended,
	    &wake.due);

	if (rc != 0)
		_exit(1);
}

static void
append_too_much(void)
{
	struct store_appended appended[8];

	if (store_append(&scene, now, planned, planned_count, appended,
		&wake.due) != -ENOSPC)
		_exit(1);
}

static void
append(size_t count, size_t len, unsigned channel, unsigned channels)
{
	plan(count, len, channel, channels);
	run_child(append_planned);
}

static void
join_two(void)
{
	struct follow_join joins[2] = {
		{ .name = names[0],
		    .cookie = 7,
		    .registration = registrations[0] },
		{ .name = names[4],
		    .cookie = 8,
		    .registration = registrations[4] },
	};
	struct event_resume resume = { .kind = EVENT_RESUME_EARLIEST };
	struct follow_joined joined;

	if (follow_join(&scene, now, joins, 2, resume, &joined) != 0)
		_exit(1);
	registrations[0] = joins[0].registration;
	registrations[4] = joins[1].registration;
}

/* Join channels that nobody knows, all or none. */
static int
join_unknown(unsigned first, unsigned count, uint32_t *last)
{
	static char bytes[4][32];
	struct follow_join joins[4];
	struct event_resume resume = { .kind = EVENT_RESUME_NONE };
	struct follow_joined joined;

	for (unsigned i = 0; i < count; i++) {
		int len = snprintf(bytes[i], sizeof(bytes[i]), "unknown %u",
		    first + i);
		joins[i] = (struct follow_join){
			.name = { bytes[i], (size_t)len },
		};
	}
	int rc = follow_join(&scene, now, joins, count, resume, &joined);
	*last = joins[0].registration;
	return rc;
}

static void
join_newcomers(void)
{
	uint32_t last;

	if (join_unknown(0, 2, &last) != 0)
		_exit(1);
}

/* Fill the arena with registrations, and leave room for one or two. */
static void
crowd(void)
{
	uint32_t last[2] = { 0, 0 };
	unsigned i = 10;

	while (join_unknown(i, 1, &last[i % 2]) == 0)
		i++;
	last[i % 2] = 0;
	uint32_t other;
	if (follow_leave(&scene, &last[(i + 1) % 2], 1) != 0 ||
	    join_unknown(4, 4, &other) != -ENOSPC)
		_exit(1);
}

static void
join_too_many(void)
{
	uint32_t last;

	/* None of which this worker is registered for. */
	if (join_unknown(4, 4, &last) != -ENOSPC)
		_exit(1);
}

static void
detach(void)
{
	scene.attached = true;
	store_detach(&scene);
}

static void
leave_one(void)
{
	if (follow_leave(&scene, &registrations[0], 1) != 0)
		_exit(1);
}

static void
leave_last(void)
{
	if (follow_leave(&scene, &registrations[4], 1) != 0)
		_exit(1);
}

static void
purge_one(void)
{
	if (store_purge(&scene, names[0]) != 0)
		_exit(1);
}

static void
take_news(void)
{
	uint32_t cookies[8];

	if (follow_news(&scene, cookies, 8) < 1)
		_exit(1);
}

static void
look_around(void)
{
	struct status status;

	if (status_take(&scene, now, &status) != 0)
		_exit(1);
}

static void
reap_worker(void)
{
	struct layout_worker *worker = &scene.arena.workers[scene.slot];

	scene.attached = false;
	if (store_reap(&scene, scene.slot, worker->session) != 0)
		_exit(1);
}

static void
take_slot_over(void)
{
	if (store_attach(&scene, scene.slot, now) != 0)
		_exit(1);
}

static void
open_one(struct store *s, const char *folder, const char *name)
{
	struct store_limits limits = { 60000, 20 };
	struct buf why = { 0 };
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	int rc = store_open(s, path, ARENA_SIZE, &limits, now, &why);
	REQUIRE(rc == 0, "%.*s", (int)why.len, why.ptr);
	buf_fini(&why);
}

static void
name_channels(void)
{
	static char bytes[CHANNELS][EVENT_CHANNEL_MAX];

	for (unsigned i = 0; i < CHANNELS; i++) {
		size_t len = i == 4 ? EVENT_CHANNEL_MAX : 5;
		memset(bytes[i], 'a' + (int)i, len);
		names[i] = (struct span){ bytes[i], len };
	}
}

static void
append_copies(const char *one, const char *two, const char *three)
{
	const char *own_ids[] = { one, two, three };

	for (size_t i = 0; i < 3; i++) {
		plan_copies(3, 50, own_ids[i]);
		run_child(append_planned);
	}
}

static const char *
long_own_id(void)
{
	static char bytes[EVENT_OWN_ID_MAX + 1];

	memset(bytes, 'o', sizeof(bytes) - 1);
	return bytes;
}

/* Fill the arena until it evicts the oldest event. */
static void
fill(void)
{
	uint64_t evicted = scene.arena.header->evicted;

	scene.arena.header->max_events = 100000;
	while (scene.arena.header->evicted == evicted)
		append(4, 3000, (unsigned)roll(4), 1);
	/* Until the next to go is one that three channels have; each of these lets
	 * one large event go at most. */
	append_copies("six", "seven", "eight");
	const struct arena *a = &scene.arena;
	while (a->blocks[a->header->oldest].event.own_id_len == 0)
		append(1, 2500, (unsigned)roll(4), 1);
}

/* Do work that has nothing to do, not even what has to be taken back. */
static void
require_no_change(const char *name, work *do_work)
{
	const size_t lock = offsetof(struct layout_header, mutex);
	const size_t rest = sizeof(struct layout_header);
	const char *map = scene.arena.map;
	char *bytes = malloc(scene.arena.map_len);

	doing = name;
	REQUIRE(bytes != NULL, "out of memory");
	memcpy(bytes, map, scene.arena.map_len);
	run_child(do_work);
	REQUIRE(memcmp(bytes, map, lock) == 0 &&
		memcmp(bytes + rest, map + rest, scene.arena.map_len - rest) ==
		    0,
	    "something was changed");
	printf("ok: %s change nothing\n", name);
	free(bytes);
}

static void
run_all(void)
{
	append(1, 100, 0, 1);
	plan(1, 100, 1, 1);
	try_work("an event that makes its channel", append_planned, false);
	plan(1, 1000, 0, 1);
	try_work("a long event", append_planned, false);
	plan(6, 300, 0, 3);
	try_work("a batch to three channels", append_planned, false);
	plan_copies(3, 300, "own");
	try_work("an event for three channels, with an own id", append_planned,
	    false);
	/* What is between them is no duplicate. */
	plan_copies(2, 100, "own");
	planned[2] = planned[1];
	planned[2].own_id = SPAN("another");
	planned[2].is_copy = false;
	planned_count = 3;
	try_work("an event beside duplicates", append_planned, false);
	plan_copies(1, 100, long_own_id());
	try_work("an own id of more than a block", append_planned, false);
	scene.arena.meter->limit = 10;
	plan(6, 300, 0, 4);
	try_work("a batch in several sections", append_planned, false);
	scene.arena.meter->limit = 0;

	try_work("a stream that joins two channels", join_two, true);
	join_two();
	join_two();
	plan(2, 100, 0, 1);
	try_work("events that are news to a worker", append_planned, false);
	append(2, 100, 0, 1);
	try_work("a worker that takes its news", take_news, false);
	try_work("a stream that leaves", leave_one, false);
	leave_last();
	try_work("a registration that ends", leave_last, false);
	leave_last();
	try_work("a worker that is reaped", reap_worker, false);
	try_work("a slot that is taken over", take_slot_over, false);

	for (int i = 0; i < 4; i++)
		append(4, 50, 0, 1);
	append_copies("one", "two", "three");
	plan(2, 50, 0, 1);
	try_work("events that push out older ones", append_planned, false);
	try_work("a channel that is purged", purge_one, false);
	append(4, 50, 0, 4);
	append_copies("one", "four", "five");
	now.boot_ms += 61000;
	plan_copies(3, 50, "four");
	scene.arena.meter->limit = 10;
	try_work("an own id whose event is too old", append_planned, true);
	scene.arena.meter->limit = 0;
	plan(1, 50, 2, 1);
	try_work("an event that finds others too old", append_planned, false);
	try_work("a look that finds events too old", look_around, false);
	append(4, 50, 0, 4);
	now.boot_ms += 61000;
	registrations[0] = registrations[4] = 0;
	try_work("a stream that finds events too old", join_two, false);
	try_work("a worker that detaches", detach, true);
	fill();
	plan(2, 2000, 1, 2);
	scene.arena.meter->limit = 20;
	try_work("events that want room", append_planned, false);
	scene.arena.meter->limit = 0;
	try_work("a stream that wants room", join_newcomers, false);
	run_child(crowd);
	try_work("a stream that finds too little room", join_too_many, false);
	plan(2, 400, 0, 2);
	require_no_change("events that find too little room", append_too_much);
	scene.arena.header->wake_all = 1;
	plan(1, 50, 0, 1);
	try_work("an event that wakes all after a repair", append_planned,
	    false);
}

int
main(int argc, char **argv)
{
	char folder[] = "/dev/shm/peal-crash-XXXXXX";
	char command[400];
	struct buf why = { 0 };
	uint32_t slot = 0;

	seed = argc > 1 ? strtoull(argv[1], NULL, 10)
			: (unsigned long long)time(NULL);
	if (argc > 2)
		second_deaths = strtoull(argv[2], NULL, 10);
	if (second_deaths == 0 || second_deaths > SECOND_DEATHS_MAX)
		second_deaths = SECOND_DEATHS_MAX;
	printf("seed %llu\n", seed);
	/* A sanitizer's own instructions would be stepped through as well. */
	if (SANITIZED) {
		printf("skipped: built with a sanitizer\n");
		return 77;
	}
	if (mkdtemp(folder) == NULL) {
		perror(folder);
		return 1;
	}
	now = clock_read();
	name_channels();
	open_one(&scene, folder, "scene");
	open_one(&court, folder, "court");
	/* The same names lie in the same buckets. */
	court.arena.hash_key = scene.arena.hash_key;
	REQUIRE(arena_claim(&scene.arena, &slot) == 0 &&
		store_attach(&scene, slot, now) == 0,
	    "no slot");
	REQUIRE(wake_init(&wake, &scene, 0) == 0, "out of memory");
	run_all();
	printf("%llu states, %llu in the midst of a repair, %llu of undoing\n",
	    states, repair_states, recovery_states);
	wake_fini(&wake);
	store_close(&scene);
	store_close(&court);
	buf_fini(&why);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", folder);
	return system(command) == 0 ? 0 : 1;
}
