/*
 * The picture of the bytes in the arena file.
 *
 *	+--------+---------+--------------+---------+-----------------------+
 *	| header | journal | worker slots | buckets | blocks: 0 is never    |
 *	| 4096 B | 16 B    | 128 B each   | 24 B    | used, 1, 2; 256 B     |
 *	+--------+---------+--------------+---------+-----------------------+
 *
 * Fixed-width integers and block numbers only, never pointers: every process
 * maps the file elsewhere.  Block number 0 means none.
 *
 * Truth and index.  Committed blocks are the truth: events, channels,
 * registrations, and the few header fields marked so.  Every list, table and
 * count is an index that repair_arena() rebuilds from them.  A block says what
 * it is by its kind, which is stored last when it comes to be and first when it
 * goes.  An event moreover counts only once header.last_id has reached its id:
 * that one store commits a whole batch.  An event for several channels is a block
 * for each of them, with one id; these copies follow each other in the list of
 * all events.
 *
 *	          fill in            kind = EVENT          last_id >= id
 *	  FREE -----------> FREE -----------------> written -------------> committed
 *	   ^                                            |  a crash here:      |
 *	   +--------------------------------------------+  repair frees it    |
 *	   +------------------------------------------------------------------+
 *	                         forgotten >= id, then kind = FREE
 *
 * A block is 256 bytes.  With 180 bytes of data an event takes two, with 140
 * one; blocks of 512 would waste more than half of the most frequent ones, and
 * blocks of 128 chain nearly every event.
 */
#ifndef PEAL_LAYOUT_H
#define PEAL_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "base/siphash.h"

#define LAYOUT_MAGIC "peal-arn"
#define LAYOUT_FORMAT 7u

#define LAYOUT_HEADER_SIZE 4096u
#define LAYOUT_BLOCK_SIZE 256u
#define LAYOUT_NONE 0u

/* Numbers one is unlikely to meet in garbled bytes; FREE is 0 so that fresh
 * segments are free blocks. */
enum layout_kind {
	LAYOUT_FREE = 0,
	LAYOUT_EVENT = 0x45764e54,
	LAYOUT_MORE = 0x4d6f5265,
	LAYOUT_CHANNEL = 0x43684e6c,
	LAYOUT_REGISTRATION = 0x4c73546e,
};

/* What a worker counts; kept in its slot, added up when it goes. */
enum layout_total {
	LAYOUT_PUBLISHED, /* events this worker took in */
	LAYOUT_DELIVERED, /* events written to streams */
	LAYOUT_GAPS,	  /* gap events sent */
	LAYOUT_STALLED,	  /* streams ended for not reading */
	LAYOUT_REFUSED,	  /* streams refused politely */
	LAYOUT_TOTALS,	  /* how many there are */
};

/* The locks have their cache lines for themselves, so that there is padding.
 * NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding) */
struct layout_header {
	/* Set when the file is made, never changed. */
	char magic[8];
	uint32_t format;
	uint32_t block_size;
	uint32_t block_count; /* with block 0 */
	uint32_t bucket_count;
	uint32_t worker_count;
	uint32_t reserved;
	uint64_t file_size;
	struct siphash_key hash_key; /* of the buckets */
	uint64_t made_ms;	     /* wall clock */

	/* Set by whoever opens the file first after nobody had it open. */
	unsigned char boot_id[16];

	/* Truth. */
	_Atomic uint64_t last_id;  /* the newest committed event */
	_Atomic uint64_t stamp_ms; /* the newest event's stamp, boot clock */
	uint64_t max_age_ms;	   /* limits of the history */
	uint32_t max_events;
	uint32_t pad;

	/* Index. */
	uint32_t free_head;
	uint32_t fresh;	 /* blocks from here on were never used */
	uint32_t used;	 /* blocks that are not free */
	uint32_t peak;	 /* the most that used ever was */
	uint32_t oldest; /* of all events, by id */
	uint32_t newest;
	uint32_t events;
	uint32_t channels;
	uint32_t wake_all; /* a repair wants every worker woken */
	uint32_t pinned; /* blocks of registrations and of channels with them */
	_Atomic uint32_t changes; /* notes in the journal; see journal.h */

	/* Who waits for the lock; a process that dies while it does is counted on
	 * until the next opener comes. */
	_Atomic uint32_t waiting;

	/* Statistics: best effort, never relied on. */
	uint64_t expired; /* events that grew too old */
	uint64_t trimmed; /* events beyond their channel's limit */
	uint64_t evicted; /* events that went early: the arena was full */
	uint64_t purged;
	_Atomic uint64_t repairs;
	uint64_t totals[LAYOUT_TOTALS]; /* of workers that are gone */

	/* Index, and each its own cache line. */
	_Alignas(64) pthread_mutex_t mutex;
	_Alignas(64) pthread_mutex_t append_mutex;
};

/*
 * A change that the section which runs has made, in the journal behind the header.
 * 64 KiB of an event are some 280 blocks, of each of which two words change.
 */
#define LAYOUT_CHANGES 1024u
struct layout_change {
	uint64_t at; /* the word's place in the file; 1 more: of 8 bytes */
	uint64_t before;
};

/*
 * A worker's slot.  The process that owns it holds a file lock on it for life.
 * session rises with every owner, so what an earlier one left is told apart.
 */
struct layout_worker {
	uint32_t session; /* truth; 0: never owned */
	int32_t pid;	  /* truth; 0: not owned */
	uint64_t since_ms;
	uint32_t registrations; /* index: its registrations */
	uint32_t dirty;		/* index: those with news */
	_Atomic uint32_t streams;

	/*
	 * The wake protocol, without the lock.  The worker adds one to drained
	 * before it takes its news; who wrote a byte into its FIFO then stores
	 * in woken the drained it had seen before.  So woken == drained means a
	 * byte is on its way and none more is needed, and a publisher that dies
	 * before its write leaves no promise behind.
	 */
	_Atomic uint32_t drained;
	_Atomic uint32_t woken;
	uint32_t pad;
	_Atomic uint64_t woken_ms; /* boot clock */

	_Atomic uint64_t totals[LAYOUT_TOTALS];
	uint64_t pad2[10 - LAYOUT_TOTALS]; /* room for more totals */
};

/*
 * What is gone, of which a subscriber that comes back may have to be told: events
 * up to id.  Truth.  own_id is the hash of the own id that the event with this id
 * had, so that who has seen that event, and none after it, is known to have missed
 * nothing; 0: it had none, or that is not known.
 */
struct layout_mark {
	_Atomic uint64_t id;
	_Atomic uint64_t own_id;
};

/*
 * A bucket of two hash tables, of the channels by their names and of the events
 * that have an id of their own by that.  forgotten is truth: the highest
 * forgotten of all channels that hashed here and gave their block back.
 * One mark for each bucket instead of one for the arena, so that a gap is hardly
 * ever told for a channel that lost nothing.
 */
struct layout_bucket {
	uint32_t channels; /* index */
	uint32_t own_ids;  /* index: of copies, the first one's */
	struct layout_mark forgotten;
};

#define LAYOUT_EVENT_BYTES 188
#define LAYOUT_MORE_BYTES 240
#define LAYOUT_NAME_BYTES 200

struct layout_event {
	uint64_t id;
	uint64_t stamp_ms; /* boot clock when it was appended */
	uint32_t channel;
	uint32_t len;	/* bytes as they go on the wire, in all blocks */
	uint32_t newer; /* index: within the channel */
	uint32_t older;
	uint32_t later; /* index: within the arena */
	uint32_t earlier;
	uint32_t next_own_id; /* index: in its bucket */
	uint8_t own_id_len; /* the publisher's id in the first line; 0: ours */
	uint8_t pad[3];
	uint32_t subscribers; /* its channel had when it was appended */
	uint32_t number;      /* index: in its channel, rising by one */
	uint32_t jump;	      /* index: an older one; see seek.h */
	char bytes[LAYOUT_EVENT_BYTES];
};

/* The rest of an event or of a channel's name. */
struct layout_more {
	uint32_t owner; /* the chain's first block */
	uint32_t pad;
	char bytes[LAYOUT_MORE_BYTES];
};

struct layout_channel {
	uint32_t hash;
	uint32_t name_len;
	uint32_t next;	 /* index: in its bucket */
	uint32_t newest; /* index: events */
	uint32_t oldest;
	uint32_t events;
	uint32_t registrations;	      /* index: registrations */
	uint32_t subscribers;	      /* index: the sum of their counts */
	struct layout_mark forgotten; /* the highest id it has let go */
	char name[LAYOUT_NAME_BYTES];
};

/* A registration: a worker listens to a channel for count streams. */
struct layout_registration {
	uint32_t channel;
	uint32_t worker;
	uint32_t session; /* the worker's, when it was made */
	uint32_t count;
	uint32_t cookie;     /* the worker's own name for it */
	uint32_t is_dirty;   /* index */
	uint32_t next_dirty; /* index: in the worker's list of news */
	uint32_t previous_dirty;
	uint32_t next; /* index: in the channel's list */
	uint32_t previous;
	uint32_t next_own; /* index: in the worker's list */
	uint32_t previous_own;
};

struct layout_block {
	_Atomic uint32_t kind; /* enum layout_kind */
	uint32_t more;	       /* the chain's next block; the next free one */
	union {
		struct layout_event event;
		struct layout_more rest;
		struct layout_channel channel;
		struct layout_registration registration;
	};
};

_Static_assert(sizeof(struct layout_block) == LAYOUT_BLOCK_SIZE, "block");
_Static_assert(sizeof(struct layout_worker) == 128, "worker slot");
_Static_assert(sizeof(struct layout_change) == 16, "change");
_Static_assert(sizeof(struct layout_bucket) == 24, "bucket");
_Static_assert(sizeof(struct layout_header) <= LAYOUT_HEADER_SIZE, "header");
_Static_assert(offsetof(struct layout_event, id) % 8 == 0, "event");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2 && ATOMIC_LLONG_LOCK_FREE == 2,
    "atomics in shared memory must be lock-free");

#endif
