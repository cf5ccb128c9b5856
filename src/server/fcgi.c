#include "server/fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Longest wait in a write to a stream, though none is written without POLLOUT. */
#define WRITE_TIMEOUT_MS 300

struct fcgi {
	FCGX_Request request;
	bool open;     /* request holds libfcgi's streams */
	int file;      /* where libfcgi reads requests from */
	size_t filled; /* the most that was in it since it was made small */
	bool carrier;  /* request is the one that carries writes */
};

/* Memory kept for the file between requests. */
#define FILE_KEPT 65536

/* What an idle socket takes in any case: less than libfcgi's one write. */
#define SHORT_REPLY 8192
/* Of libfcgi's records, which hold more than this much each, and the end. */
#define RECORD_PART 4096
#define RECORD_ROOM 64

/* What libfcgi allocates for a request, most of it the buffers of three streams. */
#define REQUEST_NEEDS 32768

/* The least request there is: BEGIN, no variables, no body. */
static const char least_request[] = {
	1, 1, 0, 1, 0, 8, 0, 0, /* FCGI_BEGIN_REQUEST */
	0, 1, 1, 0, 0, 0, 0, 0, /* FCGI_RESPONDER, FCGI_KEEP_CONN */
	1, 4, 0, 1, 0, 0, 0, 0, /* FCGI_PARAMS, its end */
	1, 5, 0, 1, 0, 0, 0, 0, /* FCGI_STDIN, its end */
};

void
fcgi_init_library(void)
{
	(void)FCGX_Init();
	/* libfcgi takes SIGPIPE, SIGUSR1 and SIGTERM over, even where they were
	 * ignored; its handlers are of no use to us. */
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)signal(SIGTERM, SIG_DFL);
}

struct fcgi *
fcgi_new(void)
{
	struct fcgi *g = calloc(1, sizeof(*g));

	if (g == NULL)
		return NULL;
	g->file = memfd_create("peal-request", MFD_CLOEXEC);
	if (g->file < 0) {
		free(g);
		return NULL;
	}
	return g;
}

/* Free libfcgi's part of the request.  Closes nothing. */
static void
close_request(struct fcgi *g)
{
	if (!g->open)
		return;
	g->request.ipcFd = -1;
	FCGX_Free(&g->request, 0);
	g->open = false;
	g->carrier = false;
}

void
fcgi_free(struct fcgi *g)
{
	if (g == NULL)
		return;
	close_request(g);
	if (g->file >= 0)
		close(g->file);
	free(g);
}

static int
fill_file(struct fcgi *g, struct span records)
{
	size_t done = 0;

	if (g->filled < records.len)
		g->filled = records.len;
	/* It was lost with a request that libfcgi refused. */
	if (g->file < 0)
		g->file = memfd_create("peal-request", MFD_CLOEXEC);
	while (done < records.len) {
		ssize_t len = pwrite(g->file, records.ptr + done,
		    records.len - done, (off_t)done);
		if (len < 0)
			return -errno;
		done += (size_t)len;
	}
	return lseek(g->file, 0, SEEK_SET) == 0 ? 0 : -errno;
}

/*
 * libfcgi aborts the process where its malloc() fails, and all streams with it:
 * see first whether there is what it takes.  The other thread may still be faster.
 */
static int
check_memory(size_t variables)
{
	/* Or the compiler would take it for granted. */
	void *volatile room = malloc(REQUEST_NEEDS + 4 * variables);
	bool there = room != NULL;

	free(room);
	return there ? 0 : -ENOMEM;
}

int
fcgi_read(struct fcgi *g, struct span records, size_t variables)
{
	close_request(g);
	int rc = check_memory(variables);
	if (rc == 0)
		rc = fill_file(g, records);
	if (rc != 0)
		return rc;
	if (FCGX_InitRequest(&g->request, -1, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
		return -EPROTO;
	/* A preset descriptor is taken as a connection that is open already, but
	 * only a kept one is not closed first; detached, nobody lingers on it. */
	g->request.ipcFd = g->file;
	g->request.keepConnection = 1;
	g->request.detached = 1;
	rc = FCGX_Accept_r(&g->request);
	if (rc != 0) {
		/* It has closed the file, as it would a connection. */
		g->file = memfd_create("peal-request", MFD_CLOEXEC);
		return g->file < 0 ? -errno : -EPROTO;
	}
	g->open = true;
	if (FCGX_GetError(g->request.in) != 0) {
		close_request(g);
		return -EPROTO;
	}
	return 0;
}

const char *
fcgi_look(const void *fcgi, const char *name)
{
	const struct fcgi *g = fcgi;

	return FCGX_GetParam(name, g->request.envp);
}

int
fcgi_read_body(struct fcgi *g, struct buf *out)
{
	for (;;) {
		char *to = buf_room(out, 8192);
		if (to == NULL)
			return -ENOMEM;
		int len = FCGX_GetStr(to, 8192, g->request.in);
		if (len > 0)
			out->len += (size_t)len;
		if (len < 8192)
			break;
	}
	return FCGX_GetError(g->request.in) == 0 ? 0 : -EPROTO;
}

/* Give back the memory of a large request. */
static void
shrink_file(struct fcgi *g)
{
	if (g->filled <= FILE_KEPT)
		return;
	/* Kept, it does no harm. */
	int rc = ftruncate(g->file, 0);
	(void)rc;
	g->filled = 0;
}

static bool
put(FCGX_Stream *out, struct span bytes)
{
	bool good = true;

	while (good && bytes.len > 0) {
		int part = bytes.len > INT32_MAX ? INT32_MAX : (int)bytes.len;
		good = FCGX_PutStr(bytes.ptr, part, out) == part;
		bytes.ptr += part;
		bytes.len -= (size_t)part;
	}
	return good;
}

/*
 * Put bytes and close: libfcgi adds the end of STDOUT, and FCGI_END_REQUEST once
 * this is the last writer.  The request is used up.
 */
static int
put_and_close(struct fcgi *g, const struct fcgi_peer *peer, struct span head,
    struct span body)
{
	FCGX_Stream *out = g->request.out;

	g->request.ipcFd = peer->fd;
	g->request.requestId = peer->id;
	g->request.nWriters = 1;
	bool good = put(out, head) && put(out, body);
	good = FCGX_FClose(out) == 0 && good;
	close_request(g);
	return good ? 0 : -EPIPE;
}

static void
bound_writes(const struct fcgi_peer *peer)
{
	const struct timeval timeout = { .tv_usec = WRITE_TIMEOUT_MS * 1000 };

	(void)setsockopt(peer->fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
	    sizeof(timeout));
}

/* Have libfcgi write the answer to a file, and take it from there. */
static int
reply_later(struct fcgi *g, const struct fcgi_peer *peer, struct span head,
    struct span body, struct buf *later)
{
	struct fcgi_peer file = *peer;
	size_t len = head.len + body.len;
	size_t room = len + (len / RECORD_PART + 4) * RECORD_ROOM;
	char *to = buf_room(later, room);

	file.fd = to != NULL ? memfd_create("peal-reply", MFD_CLOEXEC) : -1;
	/* What was stored must be answered, even if others have to wait. */
	if (file.fd < 0) {
		bound_writes(peer);
		return put_and_close(g, peer, head, body);
	}
	int rc = put_and_close(g, &file, head, body);
	ssize_t done = rc == 0 ? pread(file.fd, to, room, 0) : -1;
	close(file.fd);
	if (done < 0)
		return -EPIPE;
	later->len += (size_t)done;
	return 0;
}

int
fcgi_reply(struct fcgi *g, const struct fcgi_peer *peer, struct span head,
    struct span body, struct buf *later)
{
	int rc = peer->is_read && head.len + body.len <= SHORT_REPLY
	    ? put_and_close(g, peer, head, body)
	    : reply_later(g, peer, head, body, later);

	shrink_file(g);
	return rc;
}

void
fcgi_park(struct fcgi *g, const struct fcgi_peer *peer)
{
	bound_writes(peer);
	close_request(g);
}

/* See that the request that carries writes is there. */
static int
need_carrier(struct fcgi *g)
{
	if (g->open && g->carrier)
		return 0;
	int rc = fcgi_read(g,
	    (struct span){ least_request, sizeof(least_request) }, 0);
	g->carrier = rc == 0;
	return rc;
}

int
fcgi_write(struct fcgi *g, const struct fcgi_peer *peer, struct span bytes)
{
	if (need_carrier(g) != 0)
		return -EPIPE;
	FCGX_Stream *out = g->request.out;
	int len = (int)bytes.len;
	g->request.ipcFd = peer->fd;
	g->request.requestId = peer->id;
	/* Both: a put may flush by itself, and a flush fails only once. */
	bool good = FCGX_PutStr(bytes.ptr, len, out) == len;
	good = FCGX_FFlush(out) == 0 && good;
	g->request.ipcFd = -1;
	if (!good)
		close_request(g);
	return good ? 0 : -EPIPE;
}

int
fcgi_end(struct fcgi *g, const struct fcgi_peer *peer, struct span bytes)
{
	if (need_carrier(g) != 0)
		return -EPIPE;
	return put_and_close(g, peer, bytes, (struct span){ NULL, 0 });
}
