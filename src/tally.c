#include "tally.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

int
tally_init(struct tally *t, uint32_t channels, uint32_t publishers,
    uint64_t in_flight_max)
{
	uint64_t slots = 1024;

	while (slots < in_flight_max * 2)
		slots *= 2;
	*t = (struct tally){
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
tally_fini(struct tally *t)
{
	free(t->listeners);
	free(t->sequences);
	free(t->slots);
	*t = (struct tally){ 0 };
}

static uint32_t *
sequence_of(struct tally *t, uint32_t publisher, uint32_t channel)
{
	return &t->sequences[(size_t)publisher * t->channels + channel];
}

int
tally_join(struct tally *t, struct tally_reader *r, uint32_t channel,
    bool from_the_first)
{
	r->channel = channel;
	r->missing = 0;
	r->next = calloc(t->publishers, sizeof(r->next[0]));
	if (r->next == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; !from_the_first && i < t->publishers; i++)
		r->next[i] = *sequence_of(t, i, channel);
	t->listeners[channel]++;
	return 0;
}

void
tally_leave(struct tally *t, struct tally_reader *r)
{
	if (r->next == NULL)
		return;
	t->listeners[r->channel]--;
	free(r->next);
	r->next = NULL;
}

static void
close_slot(struct tally *t, struct tally_slot *slot)
{
	slot->open = false;
	t->in_flight--;
}

struct tally_mark
tally_send(struct tally *t, uint32_t publisher, uint32_t channel,
    uint64_t now_ns)
{
	struct tally_mark mark = {
		.publisher = publisher,
		.sequence = (*sequence_of(t, publisher, channel))++,
		.number = t->next_number++,
	};
	struct tally_slot *slot = &t->slots[mark.number & t->mask];

	/* Pushed out by too many in flight: its time is not known any more. */
	if (slot->open)
		close_slot(t, slot);
	*slot = (struct tally_slot){
		.number = mark.number,
		.sent_ns = now_ns,
		.left = t->listeners[channel],
		.open = true,
	};
	t->in_flight++;
	return mark;
}

static struct tally_slot *
slot_of(struct tally *t, uint64_t number)
{
	struct tally_slot *slot = &t->slots[number & t->mask];

	return slot->open && slot->number == number ? slot : NULL;
}

void
tally_answered(struct tally *t, uint64_t number, bool good, uint64_t now_ns)
{
	struct tally_slot *slot = slot_of(t, number);

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
arrived(struct tally *t, struct tally_slot *slot, uint64_t now_ns)
{
	/* An event sent late has the time it was due, which may still come. */
	uint64_t ns = now_ns > slot->sent_ns ? now_ns - slot->sent_ns : 0;

	histogram_add(&t->each, ns);
	if (slot->left == 0 || --slot->left > 0)
		return;
	histogram_add(&t->last, ns);
	if (slot->answered)
		close_slot(t, slot);
}

void
tally_got(struct tally *t, struct tally_reader *r,
    const struct tally_mark *mark, bool timed, uint64_t now_ns)
{
	if (mark->publisher >= t->publishers || r->next == NULL)
		return;
	uint32_t *next = &r->next[mark->publisher];
	t->deliveries++;
	if (mark->sequence < *next) {
		if (r->missing > 0) {
			r->missing--;
			t->lost--;
			t->disordered++;
		} else {
			t->duplicated++;
		}
		return;
	}
	r->missing += mark->sequence - *next;
	t->lost += mark->sequence - *next;
	*next = mark->sequence + 1;
	struct tally_slot *slot = slot_of(t, mark->number);
	if (timed && slot != NULL)
		arrived(t, slot, now_ns);
}

void
tally_close(struct tally *t, struct tally_reader *r)
{
	if (r->next == NULL)
		return;
	for (uint32_t i = 0; i < t->publishers; i++)
		t->lost += *sequence_of(t, i, r->channel) - r->next[i];
	tally_leave(t, r);
}

size_t
tally_mark_print(const struct tally_mark *mark, char out[TALLY_MARK_MAX])
{
	return (size_t)snprintf(out, TALLY_MARK_MAX, "%u %u %llu ",
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
tally_mark_read(struct tally_mark *mark, struct span data)
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
