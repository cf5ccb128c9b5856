#include "server/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "wire/fcgi_record.h"
#include "wire/sse.h"

#define STALL_LOOK_MS 1000
#define TRAILER_MAX 64

int
streams_init(struct streams *a, struct store *store, struct fcgi *fcgi,
    const struct streams_settings *settings, int epoll_fd)
{
	*a = (struct streams){
		.store = store,
		.fcgi = fcgi,
		.settings = *settings,
		.epoll_fd = epoll_fd,
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

/* Last words: come back, but not all at the same moment. */
static void
put_retry_line(struct streams *a, struct buf *out)
{
	uint64_t retry = a->settings.retry_ms;

	sse_retry(out, retry / 2 + random_below(a, retry) + 1);
}

/* Two ticks, and some time for being late, make a heartbeat's interval. */
static uint64_t
tick_ms(const struct streams *a)
{
	uint64_t ms = a->settings.heartbeat_ms * 15 / 32;

	return ms == 0 ? 1 : ms;
}

/* A stream that is gone is freed at the end of the pass. */
static void
note_gone(struct streams *a, struct stream *s)
{
	if (s->state != STREAM_GONE || s->is_dead)
		return;
	s->is_dead = true;
	s->next_dead = a->dead;
	a->dead = s;
}

void
streams_end(struct streams *a, struct stream *s, uint64_t boot_ms)
{
	buf_clear(&a->trailer);
	put_retry_line(a, &a->trailer);
	stream_end(s, a->fcgi, buf_span(&a->trailer), boot_ms);
	note_gone(a, s);
}

/* What epoll is to tell of a stream: its end always, room only when blocked. */
static void
watch(const struct streams *a, struct stream *s, int operation)
{
	struct epoll_event event = {
		.events = EPOLLIN | EPOLLRDHUP |
		    (s->state == STREAM_BLOCKED ? EPOLLOUT : 0U),
		.data.ptr = s,
	};

	if (epoll_ctl(a->epoll_fd, operation, s->peer.fd, &event) != 0)
		s->state = STREAM_GONE;
}

/* See to what a write has left behind. */
void
streams_wrote(struct streams *a, struct stream *s, size_t events)
{
	s->tick = a->tick;
	if (events > 0)
		store_count(a->store, LAYOUT_DELIVERED, events);
	if (s->state == STREAM_BLOCKED) {
		if (a->blocked++ == 0)
			a->next_stall_ms = s->since_ms + STALL_LOOK_MS;
		watch(a, s, EPOLL_CTL_MOD);
	}
	note_gone(a, s);
}

static void
plan_end(struct streams *a, struct stream *s, uint64_t boot_ms)
{
	uint64_t age = a->settings.max_age_ms;

	if (age == 0)
		return;
	/* Up to a tenth early, so that streams that began together part. */
	s->end_ms = boot_ms + age - random_below(a, age / 10 + 1);
	if (a->next_age_ms == 0 || a->next_age_ms > s->end_ms)
		a->next_age_ms = s->end_ms;
}

/* Take a stream's links back, and the channels nobody sits in any more. */
static void
leave_channels(struct streams *a, struct stream *s)
{
	uint32_t registrations[FOLLOW_READER_MAX];

	if (s->link_count == 0)
		return;
	for (size_t i = 0; i < s->link_count; i++)
		registrations[i] = s->links[i].channel->registration;
	int rc = a->closing
	    ? 0
	    : follow_leave(a->store, registrations, s->link_count);
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
}

/* Seat the stream in all its channels. */
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
enter(struct streams *a, struct stream *s, const struct fcgi_peer *peer,
    uint64_t boot_ms)
{
	s->peer = *peer;
	s->tick = a->tick;
	s->next = a->first;
	if (s->next != NULL)
		s->next->previous = s;
	a->first = s;
	if (a->count++ == 0)
		a->next_tick_ms = boot_ms + tick_ms(a);
	store_count_streams(a->store, a->count);
	plan_end(a, s, boot_ms);
	watch(a, s, EPOLL_CTL_ADD);
	note_gone(a, s);
}

struct stream *
streams_join(struct streams *a, const struct fcgi_peer *peer,
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
	enter(a, s, peer, now.boot_ms);
	return s;
}

struct stream *
streams_join_status(struct streams *a, const struct fcgi_peer *peer,
    uint64_t boot_ms)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return NULL;
	s->is_status = true;
	a->status_streams++;
	enter(a, s, peer, boot_ms);
	return s;
}

/*
 * The peer has sent something: nothing but an abort, or its end, is expected.
 * Its end is that of one direction alone where a web server says so that the
 * client has gone, as lighttpd does.  It reads on, and without FCGI_END_REQUEST
 * it takes the worker for dead and complains in its log of each client that leaves.
 */
static void
read_peer(struct streams *a, struct stream *s, uint64_t boot_ms)
{
	char bytes[512];
	ssize_t len = recv(s->peer.fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (len < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (len < 0) {
		s->state = STREAM_GONE;
	} else if (len == 0 ||
	    fcgi_record_is_abort((struct span){ bytes, (size_t)len },
		s->peer.id)) {
		s->peer.keep = false;
		stream_end(s, a->fcgi, (struct span){ NULL, 0 }, boot_ms);
	}
}

/* Give a connection back to be kept, or close it. */
static void
release(const struct streams *a, int fd, bool keep)
{
	if (keep && a->hand_back != NULL)
		a->hand_back(a->context, fd);
	else
		close(fd);
}

void
streams_refuse(struct streams *a, const struct fcgi_peer *peer,
    struct buf *head)
{
	put_retry_line(a, head);
	bool good = fcgi_end(a->fcgi, peer, buf_span(head)) == 0;
	release(a, peer->fd, good && peer->keep);
	store_count(a->store, LAYOUT_REFUSED, 1);
}

static void
reap_one(struct streams *a, struct stream *s)
{
	leave_channels(a, s);
	(void)epoll_ctl(a->epoll_fd, EPOLL_CTL_DEL, s->peer.fd, NULL);
	release(a, s->peer.fd, s->hand_back);
	*(s->previous != NULL ? &s->previous->next : &a->first) = s->next;
	if (s->next != NULL)
		s->next->previous = s->previous;
	a->status_streams -= s->is_status;
	a->count--;
	free(s);
}

void
streams_reap(struct streams *a)
{
	struct stream *s = a->dead;

	if (s == NULL)
		return;
	a->dead = NULL;
	while (s != NULL) {
		struct stream *next = s->next_dead;
		if (s->is_behind) {
			s->next_dead = a->dead;
			a->dead = s;
		} else {
			reap_one(a, s);
		}
		s = next;
	}
	store_count_streams(a->store, a->count);
}

bool
streams_event(struct streams *a, struct stream *s, uint32_t events,
    uint64_t boot_ms)
{
	/* An event of this batch may stand for a stream that another one
	 * has ended; it is freed only after the batch. */
	if (s->state == STREAM_GONE)
		return false;
	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		s->state = STREAM_GONE;
	else if ((events & EPOLLIN) != 0)
		read_peer(a, s, boot_ms);
	bool goes_on = s->state == STREAM_BLOCKED && (events & EPOLLOUT) != 0;
	if (goes_on) {
		s->state = STREAM_READY;
		watch(a, s, EPOLL_CTL_MOD);
	}
	note_gone(a, s);
	/* An status stream has nothing to catch up with. */
	return goes_on && s->state == STREAM_READY && !s->is_status;
}

static void
beat(struct streams *a, struct stream *s, uint64_t boot_ms)
{
	/* Two ticks are less than the interval: whoever was written to since
	 * the last tick but one need not be kept alive yet. */
	if (s->state != STREAM_READY || s->partial > 0 || a->tick - s->tick < 2)
		return;
	(void)stream_write(s, a->fcgi, SSE_HEARTBEAT, boot_ms);
	streams_wrote(a, s, 0);
}

static void
tick(struct streams *a, uint64_t boot_ms)
{
	a->tick++;
	a->next_tick_ms = boot_ms + tick_ms(a);
	for (struct stream *s = a->first; s != NULL; s = s->next)
		beat(a, s, boot_ms);
}

static void
end_stalled(struct streams *a, uint64_t boot_ms)
{
	a->blocked = 0;
	a->next_stall_ms = boot_ms + STALL_LOOK_MS;
	for (struct stream *s = a->first; s != NULL; s = s->next) {
		if (s->state != STREAM_BLOCKED)
			continue;
		a->blocked++;
		if (boot_ms - s->since_ms < a->settings.stall_ms)
			continue;
		s->state = STREAM_GONE;
		store_count(a->store, LAYOUT_STALLED, 1);
		note_gone(a, s);
	}
}

static void
end_aged(struct streams *a, uint64_t boot_ms)
{
	a->next_age_ms = 0;
	for (struct stream *s = a->first; s != NULL; s = s->next) {
		if (s->state == STREAM_GONE)
			continue;
		if (s->end_ms <= boot_ms)
			streams_end(a, s, boot_ms);
		else if (a->next_age_ms == 0 || a->next_age_ms > s->end_ms)
			a->next_age_ms = s->end_ms;
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
	return at;
}
