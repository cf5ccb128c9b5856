#include "server/mailbox.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int
mailbox_init(struct mailbox *m)
{
	atomic_init(&m->newest, NULL);
	m->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return m->fd < 0 ? -errno : 0;
}

void
mailbox_fini(struct mailbox *m)
{
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

void
mailbox_nudge(struct mailbox *m)
{
	const uint64_t one = 1;

	/* It fails only when it is readable already. */
	ssize_t done = write(m->fd, &one, sizeof(one));
	(void)done;
}

void
mailbox_send(struct mailbox *m, struct letter *letter)
{
	struct letter *newest = atomic_load(&m->newest);

	do {
		letter->next = newest;
	} while (!atomic_compare_exchange_weak(&m->newest, &newest, letter));
	/* Others in the box have nudged already, or are about to. */
	if (newest == NULL)
		mailbox_nudge(m);
}

struct letter *
mailbox_take(struct mailbox *m)
{
	struct letter *oldest = NULL;
	uint64_t count;

	/* Before the letters: a nudge for one we miss comes after this. */
	ssize_t done = read(m->fd, &count, sizeof(count));
	(void)done;
	struct letter *letter = atomic_exchange(&m->newest, NULL);
	while (letter != NULL) {
		struct letter *next = letter->next;
		letter->next = oldest;
		oldest = letter;
		letter = next;
	}
	return oldest;
}
