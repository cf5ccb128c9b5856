/*
 * The history against a naive model: thousands of random appends, batches,
 * events for several channels, repeated own ids, purges, joins, reads, clock
 * steps and repairs on a real arena, and beside it an array that remembers
 * everything.  Sections end early, and between two of them somebody reads.
 *
 * usage: model_history [STEPS [SEED]]
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arena/channel.h"
#include "arena/follow.h"
#include "arena/repair.h"
#include "arena/store.h"
#include "arena/verify.h"
#include "arena/wake.h"
#include "base/event.h"
#include "wire/sse.h"

#define CHANNELS 12
#define PAGE (1 << 20)
#define BATCH 20
/* So few own ids that they are often used again. */
#define OWN_IDS 400

static unsigned long long seed;

#define REQUIRE(condition, ...)                                   \
	do {                                                      \
		if (!(condition)) {                               \
			printf("FAIL (seed %llu): ", seed);       \
			printf(__VA_ARGS__);                      \
			printf(" [%s:%d]\n", __FILE__, __LINE__); \
			exit(1);                                  \
		}                                                 \
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

struct model_event {
	uint64_t id;
	uint64_t stamp_ms;
	unsigned channel;
	unsigned own; /* the number of its own id; 0: none */
	struct buf bytes;
	bool gone; /* forgotten, for whatever reason */
};

struct model {
	struct model_event *events;
	size_t count;
	size_t room;
	struct span names[CHANNELS];
	uint64_t max_age_ms;
	uint32_t max_events;
	struct clock_now now;
	uint64_t stamp_ms;
	uint64_t beginning;
	uint64_t seen_evicted; /* of the arena, which the model takes over */
	unsigned long long duplicates;
	struct store *store;
	unsigned long long
	    between; /* reads between two sections of an append */
	bool appending;
};

/* The own id of a number, of any length. */
static struct span
own_id_of(unsigned own, char out[EVENT_OWN_ID_MAX])
{
	if (own == 0)
		return (struct span){ NULL, 0 };
	memset(out, 'x', EVENT_OWN_ID_MAX);
	int len = snprintf(out, EVENT_OWN_ID_MAX, "own %u-", own);
	out[len] = 'x';
	return (struct span){ out, (size_t)len + own * 7 % 240 };
}

/* Names that share no bucket: a shared one may tell a gap that is none. */
static void
choose_names(struct model *m, const struct store *s)
{
	uint32_t buckets[CHANNELS];

	for (unsigned i = 0; i < CHANNELS; i++) {
		bool shared = true;
		while (shared) {
			size_t len =
			    1 + roll(roll(4) == 0 ? EVENT_CHANNEL_MAX : 20);
			char *name = malloc(len);
			REQUIRE(name != NULL, "out of memory");
			for (size_t c = 0; c < len; c++)
				name[c] = (char)('a' + roll(26));
			m->names[i] = (struct span){ name, len };
			buckets[i] = channel_hash(&s->arena, m->names[i]) &
			    (s->arena.bucket_count - 1);
			shared = false;
			for (unsigned j = 0; j < i; j++)
				shared = shared || buckets[j] == buckets[i];
			if (shared)
				free(name);
		}
	}
}

static void
model_forget(struct model *m)
{
	uint32_t kept[CHANNELS] = { 0 };

	for (size_t i = m->count; i-- > 0;) {
		struct model_event *e = &m->events[i];
		if (e->gone)
			continue;
		if (e->stamp_ms + m->max_age_ms <= m->now.boot_ms ||
		    ++kept[e->channel] > m->max_events)
			e->gone = true;
	}
}

/* Whether the arena has an event.  Only a channel's oldest events go. */
static bool
is_there(const struct model *m, const struct store *s,
    const struct model_event *e)
{
	struct layout_block *channel;

	REQUIRE(channel_find(&s->arena, m->names[e->channel], &channel) == 0,
	    "a channel cannot be looked up");
	if (channel == NULL || channel->channel.oldest == LAYOUT_NONE)
		return false;
	return s->arena.blocks[channel->channel.oldest].event.id <= e->id &&
	    s->arena.blocks[channel->channel.newest].event.id >= e->id;
}

/* Pressure takes the oldest of all; the model believes the counter.  Which of
 * the copies of an event goes first is for the arena to say. */
static void
model_evict(struct model *m, const struct store *s)
{
	uint64_t evicted = s->arena.header->evicted;

	for (size_t i = 0; i < m->count && m->seen_evicted < evicted;) {
		size_t end = i + 1;
		size_t left = 0;
		while (end < m->count && m->events[end].id == m->events[i].id)
			end++;
		for (size_t j = i; j < end; j++)
			left += !m->events[j].gone;
		for (size_t j = i; j < end; j++) {
			if (m->events[j].gone || m->seen_evicted == evicted)
				continue;
			if (left > evicted - m->seen_evicted &&
			    is_there(m, s, &m->events[j]))
				continue;
			m->events[j].gone = true;
			m->seen_evicted++;
			left--;
		}
		i = end;
	}
	m->seen_evicted = evicted;
}

/* A batch of random events, which are its model as well once it is stored. */
struct batch {
	struct store_event events[BATCH];
	struct store_appended appended[BATCH];
	struct buf bodies[BATCH];
	unsigned channels[BATCH];
	unsigned own[BATCH];
	char own_ids[BATCH][EVENT_OWN_ID_MAX];
	size_t count;
};

static bool
has_channel(const struct batch *b, size_t i, unsigned channel)
{
	while (b->channels[--i] != channel) {
		if (!b->events[i].is_copy)
			return false;
	}
	return true;
}

static void
plan_event(struct batch *b, size_t i)
{
	char data[3000];
	size_t len = roll(roll(8) == 0 ? sizeof(data) : 300);

	for (size_t c = 0; c < len; c++)
		data[c] = (char)('a' + roll(26));
	buf_init(&b->bodies[i]);
	sse_event(&b->bodies[i], SPAN("t"), (struct span){ data, len });
	b->own[i] = roll(3) == 0 ? 1 + (unsigned)roll(OWN_IDS) : 0;
}

static void
plan_batch(struct batch *b, const struct model *m, uint64_t last)
{
	bool outside = roll(20) == 0;

	b->count = roll(4) == 0 ? 1 + roll(BATCH) : 1;
	for (size_t i = 0; i < b->count; i++) {
		b->channels[i] = (unsigned)roll(CHANNELS);
		bool is_copy =
		    i > 0 && roll(3) == 0 && !has_channel(b, i, b->channels[i]);
		if (is_copy) {
			buf_init(&b->bodies[i]);
			buf_put(&b->bodies[i], buf_span(&b->bodies[i - 1]));
			b->own[i] = b->own[i - 1];
		} else {
			plan_event(b, i);
		}
		b->events[i] = (struct store_event){
			.channel = m->names[b->channels[i]],
			.body = buf_span(&b->bodies[i]),
			.own_id = own_id_of(b->own[i], b->own_ids[i]),
			.id = outside ? last + 1 + i * 3 : 0,
			.is_copy = is_copy,
		};
	}
}

/* The event that a repeated own id must be answered with: the earliest kept. */
static const struct model_event *
first_of(const struct model *m, unsigned own)
{
	for (size_t i = 0; i < m->count; i++) {
		if (m->events[i].own == own && !m->events[i].gone)
			return &m->events[i];
	}
	return NULL;
}

/*
 * Judge what became of event i of a batch.  Where events were evicted, the model may not
 * know whether an event that had its own id went before it was looked for.
 */
static void
judge_appended(const struct model *m, const struct batch *b, size_t i,
    uint64_t last, bool evicted)
{
	const struct store_appended *got = &b->appended[i];
	const struct model_event *kept = b->own[i] == 0 || b->events[i].id != 0
	    ? NULL
	    : first_of(m, b->own[i]);

	if (b->events[i].is_copy) {
		REQUIRE(got->id == b->appended[i - 1].id &&
			got->duplicate == b->appended[i - 1].duplicate,
		    "a copy has another id");
		return;
	}
	if (!got->duplicate)
		REQUIRE(got->id > last, "an id does not rise");
	if (evicted)
		return;
	REQUIRE(got->duplicate == (kept != NULL), "duplicate %d, kept %d",
	    got->duplicate, kept != NULL);
	REQUIRE(kept == NULL || kept->id == got->id,
	    "a duplicate of another event");
}

static void
model_add(struct model *m, struct batch *b, size_t i)
{
	char line[EVENT_OWN_ID_LINE_MAX];
	struct span own_id = b->events[i].own_id;
	uint64_t id = b->appended[i].id;

	if (m->count == m->room) {
		m->room = m->room == 0 ? 1024 : m->room * 2;
		m->events = realloc(m->events, m->room * sizeof(m->events[0]));
		REQUIRE(m->events != NULL, "out of memory");
	}
	struct model_event *e = &m->events[m->count++];
	*e = (struct model_event){
		.id = id,
		.stamp_ms = m->stamp_ms,
		.channel = b->channels[i],
		.own = b->own[i],
	};
	size_t len = own_id.len > 0 ? event_own_id_line(own_id, line)
				    : event_id_line(id, line);
	buf_put(&e->bytes, (struct span){ line, len });
	buf_put(&e->bytes, buf_span(&b->bodies[i]));
}

static void
do_append(struct model *m, struct wake *w)
{
	static struct batch b;
	const struct layout_header *h = w->store->arena.header;
	uint64_t last =
	    m->count > 0 ? m->events[m->count - 1].id : m->beginning;
	uint64_t evicted = h->evicted;

	plan_batch(&b, m, last);
	w->store->arena.meter->limit = roll(3) == 0 ? 1 + roll(100) : 0;
	/* What is too old goes before the full arena evicts the oldest. */
	m->appending = true;
	int rc = wake_append(w, m->now, b.events, b.count, b.appended);
	m->appending = false;
	REQUIRE(rc == 0, "append: %s", strerror(-rc));
	if (m->stamp_ms < m->now.boot_ms)
		m->stamp_ms = m->now.boot_ms;
	for (size_t i = 0; i < b.count; i++) {
		judge_appended(m, &b, i, last, h->evicted != evicted);
		if (b.appended[i].duplicate) {
			m->duplicates++;
		} else {
			model_add(m, &b, i);
			last = b.appended[i].id;
		}
		buf_fini(&b.bodies[i]);
	}
}

/* The event of a channel that was let go last, or NULL. */
static const struct model_event *
last_gone(const struct model *m, const struct store *s, unsigned channel)
{
	for (size_t i = m->count; i-- > 0;) {
		if (m->events[i].channel == channel &&
		    !is_there(m, s, &m->events[i]))
			return &m->events[i];
	}
	return NULL;
}

/*
 * The id of the event that a stream with an own id as its resume point should
 * begin after: it is there, which it may be though the model takes it for too
 * old, or it is the last one that one of the channels has let go; else 0.
 */
static uint64_t
point_of(const struct model *m, const struct store *s, unsigned own,
    const bool chosen[CHANNELS])
{
	uint64_t point = 0;

	for (size_t i = m->count; i-- > 0;) {
		if (m->events[i].own == own && is_there(m, s, &m->events[i]))
			point = m->events[i].id;
	}
	if (point != 0)
		return point;
	for (unsigned c = 0; c < CHANNELS; c++) {
		const struct model_event *e =
		    chosen[c] ? last_gone(m, s, c) : NULL;
		if (e != NULL && e->own == own && (point == 0 || e->id < point))
			point = e->id;
	}
	return point;
}

/* An own id that is not used, or that of an event which may be gone. */
static unsigned
choose_own_id(const struct model *m, const struct store *s,
    const bool chosen[CHANNELS])
{
	for (unsigned c = 0; roll(2) == 0 && c < CHANNELS; c++) {
		const struct model_event *e =
		    chosen[c] ? last_gone(m, s, c) : NULL;
		if (e != NULL && e->own != 0)
			return e->own;
	}
	return 1 + (unsigned)roll(OWN_IDS);
}

/* Join some channels at some point, and read it all in small segments. */
static void
do_follow(struct model *m, struct store *s)
{
	struct follow_join joins[CHANNELS];
	struct follow_joined joined;
	uint32_t registrations[CHANNELS];
	bool chosen[CHANNELS] = { false };
	size_t count = 0;
	struct event_resume resume = { .kind = EVENT_RESUME_EARLIEST };
	char own_id[EVENT_OWN_ID_MAX];
	uint64_t point = 0; /* of an own id */
	uint64_t evicted = s->arena.header->evicted;
	static char bytes[PAGE];
	static struct follow_mark marks[4096];

	for (unsigned i = 0; i < CHANNELS; i++) {
		if (roll(CHANNELS) > 1 && i + 1 < CHANNELS)
			continue;
		chosen[i] = true;
		joins[count++] =
		    (struct follow_join){ .name = m->names[i], .cookie = i };
	}
	if (roll(4) > 0 && m->count > 0) {
		size_t back = roll(roll(2) == 0 ? m->count : 1 + m->count / 8);
		resume.kind = EVENT_RESUME_AFTER;
		resume.id = m->events[m->count - 1 - back].id - roll(2);
	} else if (roll(2) == 0) {
		unsigned own = choose_own_id(m, s, chosen);
		point = point_of(m, s, own, chosen);
		resume = event_resume_parse(own_id_of(own, own_id));
	}
	int rc = follow_join(s, m->now, joins, count, resume, &joined);
	REQUIRE(rc == 0, "join: %s", strerror(-rc));
	/* The join forgets what is too old, and may need room itself. */
	model_evict(m, s);
	model_forget(m);
	bool unreadable = resume.kind == EVENT_RESUME_UNREADABLE;
	if (unreadable && point != 0 &&
	    (joined.start_id == point || s->arena.header->evicted == evicted)) {
		REQUIRE(joined.start_id == point, "not at its own id");
		unreadable = false;
		resume = (struct event_resume){
			.kind = EVENT_RESUME_AFTER,
			.id = point,
		};
	}

	bool lost = false;
	size_t expected = 0;
	uint64_t newest = 0;
	for (size_t i = 0; i < m->count; i++) {
		const struct model_event *e = &m->events[i];
		if (!chosen[e->channel] || e->id <= resume.id)
			continue;
		lost = lost || e->gone;
		/* An event that several of the channels have comes once. */
		if (!e->gone && (expected == 0 || e->id != newest))
			expected++;
		if (!e->gone)
			newest = e->id;
	}
	if (resume.kind == EVENT_RESUME_EARLIEST)
		lost = false;
	else if (unreadable)
		lost = true;
	else if (resume.id < m->beginning)
		lost = true;
	REQUIRE(joined.gap == lost, "gap %d, lost %d after %llu", joined.gap,
	    lost, (unsigned long long)resume.id);
	REQUIRE(joined.backlog == (expected > 0), "backlog %d, %zu events",
	    joined.backlog, expected);

	for (size_t i = 0; i < count; i++)
		registrations[i] = joins[i].registration;
	struct follow_reader reader = {
		.registrations = registrations,
		.count = count,
		.cursor = joined.cursor,
		.gap_known = joined.gap_known,
	};
	size_t at = 0;
	bool more = true;
	while (more) {
		struct follow_segment segment = {
			.bytes = bytes,
			.room = 4096 + roll(8192),
			.marks = marks,
			.marks_room = 1 + roll(64),
		};
		if (roll(3) == 0)
			reader.hint = 0;
		rc = follow_read(s, &reader, &segment);
		REQUIRE(rc == 0, "read: %s", strerror(-rc));
		more = segment.more;
		size_t begin = 0;
		for (size_t i = 0; i < segment.marks_len; i++) {
			while (at < m->count &&
			    (m->events[at].gone ||
				!chosen[m->events[at].channel] ||
				m->events[at].id <= resume.id))
				at++;
			REQUIRE(at < m->count, "an event too many");
			REQUIRE(segment.marks[i].id == m->events[at].id,
			    "a wrong event");
			REQUIRE(span_equal(buf_span(&m->events[at].bytes),
				    (struct span){ segment.bytes + begin,
					segment.marks[i].end - begin }),
			    "wrong bytes");
			begin = segment.marks[i].end;
			while (at < m->count &&
			    m->events[at].id == segment.marks[i].id)
				at++;
			expected--;
		}
	}
	REQUIRE(expected == 0, "%zu events were not read", expected);
	rc = follow_leave(s, registrations, count);
	REQUIRE(rc == 0, "leave: %s", strerror(-rc));
}

/* Until an append is committed, nobody sees anything of it. */
static void
between_sections(void *context)
{
	struct model *m = context;
	uint64_t last =
	    m->count > 0 ? m->events[m->count - 1].id : m->beginning;

	if (!m->appending || store_last_id(m->store) != last || roll(4) > 0)
		return;
	m->appending = false;
	do_follow(m, m->store);
	m->appending = true;
	m->between++;
}

static void
do_purge(struct model *m, struct store *s)
{
	unsigned channel = (unsigned)roll(CHANNELS);
	int rc = store_purge(s, m->names[channel]);

	REQUIRE(rc == 0 || rc == -ENOENT, "purge: %s", strerror(-rc));
	for (size_t i = 0; i < m->count; i++) {
		if (m->events[i].channel == channel)
			m->events[i].gone = true;
	}
}

static void
check_all(const struct model *m, struct store *s)
{
	struct buf faults = { 0 };
	size_t count = 0;
	int rc = verify_store(s, &faults, &count);

	(void)m;
	REQUIRE(rc == 0, "verify: %s", strerror(-rc));
	REQUIRE(count == 0, "%zu faults:\n%.*s", count, (int)faults.len,
	    faults.ptr);
	buf_fini(&faults);
}

static void
step(struct model *m, struct store *s, struct wake *w)
{
	switch (roll(20)) {
	case 0:
		do_purge(m, s);
		break;
	case 1:
		if (roll(m->max_events) < 10)
			m->now.boot_ms += roll(m->max_age_ms / 2);
		m->now.wall_ms += roll(5000);
		break;
	case 2: /* the clock is set back, or ahead */
		m->now.wall_ms += roll(2) == 0 ? 3600 * 1000 : 0;
		m->now.wall_ms -= roll(1800 * 1000);
		break;
	case 3:
		repair_arena(&s->arena, roll(2) == 0);
		check_all(m, s);
		break;
	case 4:
	case 5:
	case 6:
	case 7:
		do_follow(m, s);
		break;
	default:
		do_append(m, w);
		model_evict(m, s);
		m->now.wall_ms += roll(3);
		m->now.boot_ms += roll(3);
	}
	model_forget(m);
}

static void
run(const char *folder, uint64_t size, uint32_t max_events, long steps)
{
	char path[300];
	struct buf why = { 0 };
	struct store store;
	struct wake wake;
	int inbox;
	struct model m = {
		.max_age_ms = 60 * 1000,
		.max_events = max_events,
		.now = clock_read(),
	};
	struct store_limits limits = { m.max_age_ms, max_events };

	(void)snprintf(path, sizeof(path), "%s/arena", folder);
	int rc = store_open(&store, path, size, &limits, m.now, &why);
	REQUIRE(rc == 0, "open: %.*s", (int)why.len, why.ptr);
	m.beginning = store_last_id(&store);
	rc = wake_attach(&store, m.now, &inbox, &why);
	REQUIRE(rc == 0, "attach: %.*s", (int)why.len, why.ptr);
	REQUIRE(wake_init(&wake, &store, 16) == 0, "out of memory");
	choose_names(&m, &store);
	m.store = &store;
	store.arena.meter->between = between_sections;
	store.arena.meter->context = &m;
	for (long i = 0; i < steps; i++) {
		step(&m, &store, &wake);
		if (i % 97 == 0)
			check_all(&m, &store);
	}
	check_all(&m, &store);
	printf(
	    "ok: %ld steps, %llu reads between, %zu events, %llu duplicates, %llu evicted, "
	    "%llu expired, %llu trimmed\n",
	    steps, m.between, m.count, m.duplicates,
	    (unsigned long long)store.arena.header->evicted,
	    (unsigned long long)store.arena.header->expired,
	    (unsigned long long)store.arena.header->trimmed);
	for (size_t i = 0; i < m.count; i++)
		buf_fini(&m.events[i].bytes);
	free(m.events);
	for (unsigned i = 0; i < CHANNELS; i++)
		free((void *)(uintptr_t)m.names[i].ptr);
	wake_fini(&wake);
	wake_detach(&store, inbox);
	store_close(&store);
	buf_fini(&why);
	(void)unlink(path);
	(void)strcat(path, ".lock");
	(void)unlink(path);
}

int
main(int argc, char **argv)
{
	long steps = argc > 1 ? atol(argv[1]) : 6000;
	char folder[] = "/dev/shm/peal-model-XXXXXX";

	seed = argc > 2 ? strtoull(argv[2], NULL, 10)
			: (unsigned long long)time(NULL) ^
		((unsigned long long)getpid() << 20);
	printf("seed %llu\n", seed);
	if (mkdtemp(folder) == NULL) {
		perror(folder);
		return 1;
	}
	run(folder, UINT64_C(64) << 20, 50, steps);	 /* limits bind */
	run(folder, UINT64_C(256) << 10, 100000, steps); /* the arena is full */
	(void)rmdir(folder);
	return 0;
}
