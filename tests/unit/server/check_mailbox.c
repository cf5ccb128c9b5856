#include "unit.h"

#include <poll.h>
#include <pthread.h>
#include <stdint.h>

#include "server/mailbox.h"

#define SENDERS 4
#define EACH 20000

struct numbered {
	struct letter letter;
	int sender;
	int number;
};

static bool
is_readable(const struct mailbox *m)
{
	struct pollfd wait = { .fd = m->fd, .events = POLLIN };

	return poll(&wait, 1, 0) == 1;
}

START_TEST(letters_come_out_oldest_first)
{
	struct mailbox m;
	struct numbered letters[3];
	ck_assert_int_eq(mailbox_init(&m), 0);
	for (int i = 0; i < 3; i++)
		mailbox_send(&m, &letters[i].letter);

	struct letter *letter = mailbox_take(&m);

	for (int i = 0; i < 3; i++) {
		ck_assert_ptr_eq(letter, &letters[i].letter);
		letter = letter->next;
	}
	ck_assert_ptr_null(letter);
	ck_assert_ptr_null(mailbox_take(&m));
	mailbox_fini(&m);
}
END_TEST

START_TEST(descriptor_is_readable_while_letters_wait)
{
	struct mailbox m;
	struct numbered letters[2];
	ck_assert_int_eq(mailbox_init(&m), 0);

	bool empty = is_readable(&m);
	mailbox_send(&m, &letters[0].letter);
	bool one = is_readable(&m);
	(void)mailbox_take(&m);
	bool taken = is_readable(&m);
	mailbox_send(&m, &letters[1].letter);

	ck_assert(!empty);
	ck_assert(one);
	ck_assert(!taken);
	ck_assert(is_readable(&m));
	mailbox_fini(&m);
}
END_TEST

START_TEST(nudge_wakes_without_a_letter)
{
	struct mailbox m;
	ck_assert_int_eq(mailbox_init(&m), 0);

	mailbox_nudge(&m);
	mailbox_nudge(&m);

	ck_assert(is_readable(&m));
	ck_assert_ptr_null(mailbox_take(&m));
	ck_assert(!is_readable(&m));
	mailbox_fini(&m);
}
END_TEST

static struct mailbox shared;
static struct numbered post[SENDERS][EACH];

static void *
send_all(void *argument)
{
	struct numbered *letters = argument;

	for (int i = 0; i < EACH; i++)
		mailbox_send(&shared, &letters[i].letter);
	return NULL;
}

START_TEST(no_letter_of_many_senders_is_lost_or_overtaken)
{
	pthread_t threads[SENDERS];
	int next[SENDERS] = { 0 };
	int seen = 0;
	ck_assert_int_eq(mailbox_init(&shared), 0);
	for (int s = 0; s < SENDERS; s++) {
		for (int i = 0; i < EACH; i++)
			post[s][i] =
			    (struct numbered){ .sender = s, .number = i };
		ck_assert_int_eq(pthread_create(&threads[s], NULL, send_all,
				     post[s]),
		    0);
	}

	while (seen < SENDERS * EACH) {
		struct pollfd wait = { .fd = shared.fd, .events = POLLIN };
		/* A letter without its nudge would be waited for in vain. */
		ck_assert_int_eq(poll(&wait, 1, 20000), 1);
		for (struct letter *letter = mailbox_take(&shared);
		     letter != NULL; seen++) {
			const struct numbered *n = (void *)letter;
			letter = letter->next;
			if (n->number != next[n->sender]++)
				ck_abort_msg("letter %d of sender %d",
				    n->number, n->sender);
		}
	}

	for (int s = 0; s < SENDERS; s++)
		ck_assert_int_eq(pthread_join(threads[s], NULL), 0);
	ck_assert_ptr_null(mailbox_take(&shared));
	mailbox_fini(&shared);
}
END_TEST

UNIT_MAIN("mailbox", letters_come_out_oldest_first,
    descriptor_is_readable_while_letters_wait, nudge_wakes_without_a_letter,
    no_letter_of_many_senders_is_lost_or_overtaken)
