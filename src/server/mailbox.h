/*
 * A mailbox: letters from any thread to the one that owns it, and a descriptor
 * that becomes readable when one is there.  No lock: a sender never waits.
 */
#ifndef PEAL_MAILBOX_H
#define PEAL_MAILBOX_H

#include <stdatomic.h>

/* Put it first into what is sent. */
struct letter {
	struct letter *next;
};

struct mailbox {
	_Atomic(struct letter *) newest;
	int fd; /* an eventfd, for the owner's epoll */
};

/* Returns 0 or -errno. */
int mailbox_init(struct mailbox *m);
void mailbox_fini(struct mailbox *m);

/* Any thread.  The letter is the owner's from here on. */
void mailbox_send(struct mailbox *m, struct letter *letter);

/* The owner: all letters, oldest first, or NULL. */
struct letter *mailbox_take(struct mailbox *m);

/* Any thread: make the descriptor readable without a letter. */
void mailbox_nudge(struct mailbox *m);

#endif
