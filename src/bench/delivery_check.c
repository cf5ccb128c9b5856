#include "bench/delivery_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int
delivery_check_init(struct delivery_check *t, uint32_t channels,
    uint32_t publishers, uint64_t in_flight_max)
{
	uint64_t slots = 1024;

	while (slots < in_flight_max * 2)
		slots *= 2;
	*t = (struct delivery_check){
		.channels = channels,
		.publishers = publishers,
		.listeners = calloc(channels, sizeof(t->listeners[0])),
		.sequences = calloc((size_t)channels * publishers,
		    sizeof(t->sequences[0])),
		.slots = calloc(slots, sizeof(t->slots[0])),
		.mask = slots - 1,
	};
	return t->listeners == NULL || t->sequences == NULL || t->slots == NULL
	    ? -ENOMEM
	    : 0;
}

void
delivery_check_fini(struct delivery_check *t)
{
	free(t->listeners);
	free(t->sequences);
	free(t->slots);
	*t = (struct delivery_check){ 0 };
}

static uint32_t *
sequence_of(struct delivery_check *t, uint32_t publisher, uint32_t channel)
{
	return &t->sequences[(size_t)publisher * t->channels + channel];
}

int
delivery_check_join(struct delivery_check *t, struct delivery_check_reader *r,
    uint32_t channel, bool from_the_first)
{
	*r = (struct delivery_check_reader){ .channel = channel };
	r->next = calloc(t->publishers, sizeof(r->next[0]));
	if (r->next == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; !from_the_first && i < t->publishers; i++)
		r->next[i] = *sequence_of(t, i, channel);
	t->listeners[channel]++;
	return 0;
}

static void
close_slot(struct delivery_check *t, struct delivery_check_slot *slot)
{
	slot->open = false;
	t->in_flight--;
}

/* One subscriber less to be waited for. */
static void
count_off(struct delivery_check *t, struct delivery_check_slot *slot)
{
	if (slot->left > 0)
		slot->left--;
	if (slot->left == 0 && slot->answered)
		close_slot(t, slot);
}

static struct delivery_check_gap *
find_gap(struct delivery_check_reader *r, uint32_t publisher, uint32_t sequence)
{
	for (size_t i = 0; i < r->gap_count; i++) {
		struct delivery_check_gap *gap = &r->gaps[i];
		if (gap->publisher == publisher && gap->begin <= sequence &&
		    sequence < gap->end)
			return gap;
	}
	return NULL;
}

static void
forget_reader(struct delivery_check *t, struct delivery_check_reader *r)
{
	t->listeners[r->channel]--;
	free(r->next);
	free(r->gaps);
	*r = (struct delivery_check_reader){ 0 };
}

void
delivery_check_leave(struct delivery_check *t, struct delivery_check_reader *r)
{
	if (r->next == NULL)
		return;
	for (uint64_t i = 0; t->in_flight > 0 && i <= t->mask; i++) {
		struct delivery_check_slot *slot = &t->slots[i];
		uint32_t publisher = slot->mark.publisher;
		uint32_t sequence = slot->mark.sequence;
		if (slot->open && slot->left > 0 &&
		    slot->channel == r->channel &&
		    (sequence >= r->next[publisher] ||
			find_gap(r, publisher, sequence) != NULL))
			count_off(t, slot);
	}
	forget_reader(t, r);
}

struct delivery_check_mark
delivery_check_send(struct delivery_check *t, uint32_t publisher,
    uint32_t channel, uint64_t now_ns)
{
	struct delivery_check_mark mark = {
		.publisher = publisher,
		.sequence = (*sequence_of(t, publisher, channel))++,
		.number = t->next_number++,
	};
	struct delivery_check_slot *slot = &t->slots[mark.number & t->mask];

	/* Pushed out by too many in flight: its time is not known any more. */
	if (slot->open)
		close_slot(t, slot);
	*slot = (struct delivery_check_slot){
		.mark = mark,
		.sent_ns = now_ns,
		.channel = channel,
		.left = t->listeners[channel],
		.open = true,
	};
	t->in_flight++;
	return mark;
}

static struct delivery_check_slot *
slot_of(struct delivery_check *t, uint64_t number)
{
	struct delivery_check_slot *slot = &t->slots[number & t->mask];

	return slot->open && slot->mark.number == number ? slot : NULL;
}

void
delivery_check_answered(struct delivery_check *t, uint64_t number, bool good,
    uint64_t now_ns)
{
	struct delivery_check_slot *slot = slot_of(t, number);

	if (good)
		t->published++;
	else
		t->failed++;
	if (slot == NULL)
		return;
	slot->answered = true;
	if (good)
		histogram_add(&t->post, now_ns - slot->sent_ns);
	if (!good || slot->left == 0)
		close_slot(t, slot);
}

static void
arrived(struct delivery_check *t, struct delivery_check_slot *slot,
    uint64_t now_ns)
{
	/* An event sent late has the time it was due, which may still come. */
	uint64_t ns = now_ns > slot->sent_ns ? now_ns - slot->sent_ns : 0;

	histogram_add(&t->each, ns);
	if (slot->left == 1)
		histogram_add(&t->last, ns);
	count_off(t, slot);
}

/* Remember what was passed over; without memory, it stays lost if it comes. */
static void
add_gap(struct delivery_check_reader *r, uint32_t publisher, uint32_t begin,
    uint32_t end)
{
	if (r->gap_count == r->gap_room) {
		size_t room = r->gap_room == 0 ? 4 : r->gap_room * 2;
		void *gaps = reallocarray(r->gaps, room, sizeof(r->gaps[0]));
		if (gaps == NULL)
			return;
		r->gaps = gaps;
		r->gap_room = room;
	}
	r->gaps[r->gap_count++] =
	    (struct delivery_check_gap){ publisher, begin, end };
}

/* One that was passed over has come; the gap shrinks, or becomes two. */
static void
fill_gap(struct delivery_check_reader *r, struct delivery_check_gap *gap,
    uint32_t sequence)
{
	struct delivery_check_gap old = *gap;

	*gap = r->gaps[--r->gap_count];
	if (old.begin < sequence)
		add_gap(r, old.publisher, old.begin, sequence);
	if (sequence + 1 < old.end)
		add_gap(r, old.publisher, sequence + 1, old.end);
}

/* Returns false for one that has come before. */
static bool
take_sequence(struct delivery_check *t, struct delivery_check_reader *r,
    uint32_t publisher, uint32_t sequence)
{
	uint32_t *next = &r->next[publisher];

	if (sequence < *next) {
		struct delivery_check_gap *gap =
		    find_gap(r, publisher, sequence);
		if (gap == NULL) {
			t->duplicated++;
			return false;
		}
		fill_gap(r, gap, sequence);
		t->lost--;
		t->disordered++;
		return true;
	}
	if (sequence > *next)
		add_gap(r, publisher, *next, sequence);
	t->lost += sequence - *next;
	*next = sequence + 1;
	return true;
}

void
delivery_check_got(struct delivery_check *t, struct delivery_check_reader *r,
    const struct delivery_check_mark *mark, bool timed, uint64_t now_ns)
{
	if (r->next == NULL || mark->publisher >= t->publishers ||
	    mark->sequence >= *sequence_of(t, mark->publisher, r->channel))
		return;
	t->deliveries++;
	if (!take_sequence(t, r, mark->publisher, mark->sequence))
		return;
	struct delivery_check_slot *slot = slot_of(t, mark->number);
	if (timed && slot != NULL)
		arrived(t, slot, now_ns);
}

void
delivery_check_close(struct delivery_check *t, struct delivery_check_reader *r)
{
	if (r->next == NULL)
		return;
	for (uint32_t i = 0; i < t->publishers; i++)
		t->lost += *sequence_of(t, i, r->channel) - r->next[i];
	forget_reader(t, r);
}

size_t
delivery_check_mark_print(const struct delivery_check_mark *mark,
    char out[DELIVERY_CHECK_MARK_MAX])
{
	return (size_t)snprintf(out, DELIVERY_CHECK_MARK_MAX, "%u %u %llu ",
	    mark->publisher, mark->sequence, (unsigned long long)mark->number);
}

/* Read digits up to a space, which is dropped. */
static bool
read_number(struct span *rest, uint64_t *number)
{
	size_t at = 0;

	*number = 0;
	while (at < rest->len && at < 20 && rest->ptr[at] >= '0' &&
	    rest->ptr[at] <= '9')
		*number = *number * 10 + (unsigned)(rest->ptr[at++] - '0');
	if (at == 0 || at == rest->len || rest->ptr[at] != ' ')
		return false;
	rest->ptr += at + 1;
	rest->len -= at + 1;
	return true;
}

bool
delivery_check_mark_read(struct delivery_check_mark *mark, struct span data)
{
	uint64_t publisher;
	uint64_t sequence;

	/* A string of JSON comes with its quotes. */
	if (data.len > 0 && data.ptr[0] == '"') {
		data.ptr++;
		data.len--;
	}
	if (!read_number(&data, &publisher) || !read_number(&data, &sequence) ||
	    !read_number(&data, &mark->number))
		return false;
	mark->publisher = (uint32_t)publisher;
	mark->sequence = (uint32_t)sequence;
	return publisher <= UINT32_MAX && sequence <= UINT32_MAX;
}
