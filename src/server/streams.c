/*
 * A stream that ends leaves in three steps, since others may stand in the midst of
 * a loop over it: it loses its connection at once; it stands in the list of the
 * dead; and at the end of the turn it leaves its channels and is freed.
 */
#include "server/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/fcgi_record.h"

/* Streams freed in one turn, and when to try again those whose turn it was not. */
#define REAP_AT_ONCE 64
#define REAP_AGAIN_MS 5

#define STALL_LOOK_MS 1000
#define TRAILER_MAX 128

int
streams_init(struct streams *a, struct store *store,
    struct connections *connections, const struct streams_settings *settings)
{
	*a = (struct streams){
		.store = store,
		.connections = connections,
		.settings = *settings,
		.random = (uint64_t)getpid() * UINT64_C(0x9e3779b97f4a7c15) | 1,
	};
	if (buf_room(&a->trailer, TRAILER_MAX) == NULL)
		return -ENOMEM;
	return subscriptions_init(&a->subscriptions);
}

void
streams_fini(struct streams *a)
{
	subscriptions_fini(&a->subscriptions);
	buf_fini(&a->trailer);
}

/* A number from 0 to below - 1, to spread clients in time. */
static uint64_t
random_below(struct streams *a, uint64_t below)
{
	a->random ^= a->random << 13;
	a->random ^= a->random >> 7;
	a->random ^= a->random << 17;
	return below == 0 ? 0 : (a->random >> 8) % below;
}

/* When to come back, but not all at the same moment. */
static uint64_t
spread_retry_ms(struct streams *a)
{
	uint64_t retry = a->settings.retry_ms;

	return retry / 2 + random_below(a, retry) + 1;
}

/* Two ticks, and some time for being late, make a heartbeat's interval. */
static uint64_t
tick_ms(const struct streams *a)
{
	uint64_t ms = a->settings.heartbeat_ms * 15 / 32;

	return ms == 0 ? 1 : ms;
}

/* A stream without a connection is freed at the end of the turn. */
static void
note_dead(struct streams *a, struct stream *s)
{
	stream_leave_closed(s);
	if (s->connection != NULL || s->is_dead)
		return;
	s->is_dead = true;
	s->next_dead = a->dead;
	a->dead = s;
	a->next_reap_ms = 1;
}

void
streams_end(struct streams *a, struct stream *s, enum sse_reason reason)
{
	buf_clear(&a->trailer);
	sse_end(&a->trailer, spread_retry_ms(a), reason);
	stream_end(s, a->connections, buf_span(&a->trailer));
	note_dead(a, s);
}

void
streams_end_behind(struct streams *a, struct stream *s)
{
	buf_clear(&a->trailer);
	sse_retry(&a->trailer, spread_retry_ms(a));
	stream_end(s, a->connections, buf_span(&a->trailer));
	note_dead(a, s);
}

/* What epoll is to report of a stream: its end always, room only when blocked. */
static void
watch(const struct streams *a, struct stream *s)
{
	if (s->connection != NULL)
		(void)connection_watch(a->connections, s->connection,
		    EPOLLIN | EPOLLRDHUP |
			(stream_is_blocked(s) ? EPOLLOUT : 0U));
}

void
streams_wrote(struct streams *a, struct stream *s, size_t events)
{
	s->tick = a->tick;
	if (events > 0)
		store_count(a->store, LAYOUT_DELIVERED, events);
	if (stream_is_blocked(s)) {
		if (a->blocked++ == 0)
			a->next_stall_ms =
			    s->connection->deadline_ms + STALL_LOOK_MS;
		watch(a, s);
	}
	note_dead(a, s);
}

void
streams_pause(struct streams *a)
{
	if (a->connections->writes < STREAMS_WRITES)
		return;
	a->connections->writes = 0;
	if (a->pause != NULL)
		a->pause(a->context);
}

static void
plan_end(struct streams *a, struct stream *s, uint64_t boot_ms)
{
	uint64_t age = a->settings.max_age_ms;

	if (age == 0)
		return;
	/* Up to a quarter early, so that streams that began together, as after
	 * a restart, do not end together. */
	s->end_ms = boot_ms + age - random_below(a, age / 4 + 1);
	if (a->next_age_ms == 0 || a->next_age_ms > s->end_ms)
		a->next_age_ms = s->end_ms;
}

/*
 * Take a stream out of its channels, and drop the channels nobody is linked to any
 * more.  Returns 0, or -ETIMEDOUT with nothing done: the lock is not to be had now.
 */
static int
leave_channels(struct streams *a, struct stream *s)
{
	uint32_t registrations[FOLLOW_READER_MAX];

	if (s->link_count == 0)
		return 0;
	for (size_t i = 0; i < s->link_count; i++)
		registrations[i] = s->links[i].channel->registration;
	int rc = a->closing
	    ? 0
	    : follow_leave(a->store, registrations, s->link_count);
	if (rc == -ETIMEDOUT)
		return rc;
	if (rc != 0)
		log_at(LOG_AT_ERROR, "a stream cannot leave: %s",
		    strerror(-rc));
	for (size_t i = 0; i < s->link_count; i++) {
		struct subscriptions_channel *channel = s->links[i].channel;
		subscriptions_remove(&s->links[i]);
		if (channel->links != NULL)
			continue;
		channel->registration = LAYOUT_NONE;
		if (!channel->is_due)
			subscriptions_drop(&a->subscriptions, channel);
	}
	return 0;
}

/* Link the stream to all its channels. */
static int
join_channels(struct streams *a, struct stream *s,
    const struct subscription *wanted, struct clock_now now,
    struct follow_joined *joined)
{
	struct subscriptions_channel *channels[SUBSCRIPTION_CHANNELS_MAX];
	struct follow_join joins[SUBSCRIPTION_CHANNELS_MAX];
	int rc = 0;

	for (size_t i = 0; i < wanted->count; i++) {
		channels[i] = subscriptions_channel(&a->subscriptions,
		    wanted->channels[i]);
		if (channels[i] == NULL) {
			rc = -ENOMEM;
			break;
		}
		subscriptions_add(channels[i], &s->links[s->link_count++], s);
		joins[i] = (struct follow_join){
			.name = wanted->channels[i],
			.cookie = channels[i]->cookie,
			.registration = channels[i]->registration,
		};
	}
	if (rc == 0)
		rc = follow_join(a->store, now, joins, wanted->count,
		    wanted->resume, joined);
	for (size_t i = 0; rc == 0 && i < wanted->count; i++) {
		if (channels[i]->registration == LAYOUT_NONE)
			channels[i]->seen = joined->now;
		channels[i]->registration = joins[i].registration;
		s->links[i].gap_known = joins[i].gap_known;
	}
	if (rc == 0)
		return 0;
	while (s->link_count > 0) {
		struct subscriptions_link *link = &s->links[--s->link_count];
		subscriptions_remove(link);
		if (link->channel->links == NULL && !link->channel->is_due)
			subscriptions_drop(&a->subscriptions, link->channel);
	}
	return rc;
}

/* One more in the list, watched and counted. */
static void
enter(struct streams *a, struct stream *s, struct connection *c,
    uint64_t boot_ms)
{
	s->connection = c;
	s->tick = a->tick;
	s->next = a->first;
	if (s->next != NULL)
		s->next->previous = s;
	a->first = s;
	if (a->count++ == 0)
		a->next_tick_ms = boot_ms + tick_ms(a);
	store_count_streams(a->store, a->count);
	plan_end(a, s, boot_ms);
	connection_begin_stream(a->connections, c, s);
	watch(a, s);
	note_dead(a, s);
}

struct stream *
streams_join(struct streams *a, struct connection *c,
    const struct subscription *wanted, struct clock_now now,
    struct follow_joined *joined, int *rc)
{
	struct stream *s =
	    calloc(1, sizeof(*s) + wanted->count * sizeof(s->links[0]));

	*rc = s == NULL ? -ENOMEM : join_channels(a, s, wanted, now, joined);
	if (*rc != 0) {
		free(s);
		return NULL;
	}
	s->cursor = joined->backlog ? joined->cursor : joined->now;
	s->wants_beat = wanted->beat;
	enter(a, s, c, now.boot_ms);
	return s;
}

struct stream *
streams_join_status(struct streams *a, struct connection *c, uint64_t boot_ms)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->is_status = true;
	a->status_streams++;
	enter(a, s, c, boot_ms);
	return s;
}

/*
 * The peer has sent something: an abort, its end, or what belongs to the
 * connection and not to this stream.  Its end is that of one direction alone where a web server says so that the
 * client has gone, as lighttpd does.  It reads on, and without FCGI_END_REQUEST
 * it takes the worker for dead and complains in its log of each client that leaves.
 */
static void
read_peer(struct streams *a, struct stream *s)
{
	struct connection *c = s->connection;
	char bytes[512];
	ssize_t len = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len < 0) {
		connection_close(a->connections, c);
	} else if (len == 0 ||
	    connection_look_beside(a->connections, c,
		(struct span){ bytes, (size_t)len }) != FCGI_RECORD_MORE) {
		c->keep = false;
		stream_end(s, a->connections, (struct span){ NULL, 0 });
	}
}

void
streams_refuse(struct streams *a, struct buf *head, uint64_t id,
    enum sse_reason reason)
{
	sse_busy(head, spread_retry_ms(a), id, reason);
	store_count(a->store, LAYOUT_REFUSED, 1);
}

static int
reap_one(struct streams *a, struct stream *s)
{
	int rc = leave_channels(a, s);

	if (rc != 0)
		return rc;
	*(s->previous != NULL ? &s->previous->next : &a->first) = s->next;
	if (s->next != NULL)
		s->next->previous = s->previous;
	a->status_streams -= s->is_status;
	a->count--;
	free(s);
	return 0;
}

void
streams_reap(struct streams *a, uint64_t boot_ms)
{
	struct stream *s = a->dead;
	uint32_t least = a->count > REAP_AT_ONCE ? a->count - REAP_AT_ONCE : 0;
	int rc = 0;

	if (a->next_reap_ms == 0 || a->next_reap_ms > boot_ms)
		return;
	a->dead = NULL;
	a->next_reap_ms = 0;
	while (s != NULL) {
		struct stream *next = s->next_dead;
		if (s->is_behind || rc != 0 || a->count <= least ||
		    (rc = reap_one(a, s)) != 0) {
			s->next_dead = a->dead;
			a->dead = s;
		}
		s = next;
	}
	if (a->dead != NULL)
		a->next_reap_ms =
		    a->count <= least ? 1 : boot_ms + REAP_AGAIN_MS;
	store_count_streams(a->store, a->count);
}

bool
streams_event(struct streams *a, struct stream *s, uint32_t events,
    uint64_t boot_ms)
{
	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		connection_close(a->connections, s->connection);
	else if ((events & EPOLLIN) != 0)
		read_peer(a, s);
	stream_leave_closed(s);
	bool goes_on = stream_is_blocked(s) && (events & EPOLLOUT) != 0;
	if (goes_on) {
		connection_move(a->connections, s->connection,
		    CONNECTION_STREAMING, boot_ms);
		watch(a, s);
	}
	note_dead(a, s);
	/* A status stream has nothing to catch up with. */
	return goes_on && stream_is_ready(s) && !s->is_status;
}

static void
beat(struct streams *a, struct stream *s, uint64_t boot_ms)
{
	/* Two ticks are less than the interval: whoever was written to since
	 * the last tick but one need not be kept alive yet. */
	if (!stream_is_ready(s) || s->partial > 0 || a->tick - s->tick < 2)
		return;
	(void)stream_write(s, a->connections,
	    s->wants_beat ? SSE_BEAT : SSE_HEARTBEAT, boot_ms);
	streams_wrote(a, s, 0);
}

static void
tick(struct streams *a, uint64_t boot_ms)
{
	a->tick++;
	a->next_tick_ms = boot_ms + tick_ms(a);
	for (struct stream *s = a->first; s != NULL; s = s->next) {
		beat(a, s, boot_ms);
		streams_pause(a);
	}
}

static void
end_stalled(struct streams *a, uint64_t boot_ms)
{
	a->blocked = 0;
	a->next_stall_ms = boot_ms + STALL_LOOK_MS;
	for (struct stream *s = a->first; s != NULL; s = s->next) {
		if (!stream_is_blocked(s))
			continue;
		a->blocked++;
		if (boot_ms - s->connection->deadline_ms < a->settings.stall_ms)
			continue;
		connection_close(a->connections, s->connection);
		store_count(a->store, LAYOUT_STALLED, 1);
		note_dead(a, s);
	}
}

static void
end_aged(struct streams *a, uint64_t boot_ms)
{
	a->next_age_ms = 0;
	for (struct stream *s = a->first; s != NULL; s = s->next) {
		if (s->connection == NULL)
			continue;
		if (s->end_ms <= boot_ms)
			streams_end(a, s, SSE_AGE);
		else if (a->next_age_ms == 0 || a->next_age_ms > s->end_ms)
			a->next_age_ms = s->end_ms;
		streams_pause(a);
	}
}

void
streams_timers(struct streams *a, uint64_t boot_ms)
{
	if (a->count == 0)
		return;
	if (a->settings.heartbeat_ms > 0 && a->next_tick_ms <= boot_ms)
		tick(a, boot_ms);
	if (a->blocked > 0 && a->next_stall_ms <= boot_ms)
		end_stalled(a, boot_ms);
	if (a->next_age_ms != 0 && a->next_age_ms <= boot_ms)
		end_aged(a, boot_ms);
}

static void
sooner(uint64_t *least, uint64_t at)
{
	if (*least > at)
		*least = at;
}

uint64_t
streams_deadline(const struct streams *a)
{
	uint64_t at = UINT64_MAX;

	if (a->count == 0)
		return at;
	if (a->settings.heartbeat_ms > 0)
		sooner(&at, a->next_tick_ms);
	if (a->blocked > 0)
		sooner(&at, a->next_stall_ms);
	if (a->next_age_ms != 0)
		sooner(&at, a->next_age_ms);
	if (a->next_reap_ms != 0)
		sooner(&at, a->next_reap_ms);
	return at;
}
