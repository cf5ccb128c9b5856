/*
 * Set-up: libfcgi accepts the least possible request from a memory file and
 * closes its stream into it; the stream is opened again in the state it then
 * has. A write: header, content and end records are put into the stream's
 * buffer and flushed once.
 */
#include "server/fcgi.h"

#include <errno.h>
#include <fcgiapp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "wire/fcgi_record.h"

struct fcgi {
	FCGX_Request request;
	unsigned char *begin; /* of its stream's buffer */
	unsigned char *end;
};

/* What libfcgi allocates for a request, most of it the buffers of three streams. */
#define REQUEST_NEEDS 65536

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

/*
 * libfcgi aborts the process where its malloc() fails: see first whether there is
 * what it takes.
 */
static bool
has_memory(void)
{
	/* Or the compiler would take it for granted. */
	void *volatile room = malloc(REQUEST_NEEDS);
	bool there = room != NULL;

	free(room);
	return there;
}

/* Have libfcgi read the least request from a file. */
static bool
accept_request(FCGX_Request *request, int file)
{
	const ssize_t len = (ssize_t)sizeof(least_request);

	if (write(file, least_request, sizeof(least_request)) != len ||
	    lseek(file, 0, SEEK_SET) != 0 ||
	    FCGX_InitRequest(request, -1, FCGI_FAIL_ACCEPT_ON_INTR) != 0)
		return false;
	/* A preset descriptor is taken as a connection that is open already, but
	 * only a kept one is not closed first; detached, nobody lingers on it. */
	request->ipcFd = file;
	request->keepConnection = 1;
	request->detached = 1;
	return FCGX_Accept_r(request) == 0;
}

/* Make the stream as it was after the end of a request, and ready for more. */
static void
open_stream(struct fcgi *f)
{
	FCGX_Stream *out = f->request.out;

	out->isClosed = 0;
	out->wasFCloseCalled = 0;
	out->FCGI_errno = 0;
	out->wrNext = f->begin;
	out->rdNext = f->end;
	out->stop = f->end;
}

/* Write some bytes and see that no others arrive. */
static bool
passes_bytes_on(struct fcgi *f, int file)
{
	static const char sent[] = "bytes";
	char got[sizeof(sent) + 1];
	FCGX_Stream *out = f->request.out;

	if (ftruncate(file, 0) != 0 || lseek(file, 0, SEEK_SET) != 0 ||
	    FCGX_PutStr(sent, sizeof(sent), out) != sizeof(sent) ||
	    FCGX_FFlush(out) != 0)
		return false;
	return pread(file, got, sizeof(got), 0) == sizeof(sent) &&
	    memcmp(got, sent, sizeof(sent)) == 0;
}

static bool
set_up(struct fcgi *f, int file)
{
	FCGX_Stream *out = f->request.out;

	f->end = out->stop;
	f->request.nWriters = 1;
	if (FCGX_FClose(out) != 0)
		return false;
	f->begin = out->wrNext;
	open_stream(f);
	return passes_bytes_on(f, file);
}

struct fcgi *
fcgi_new(void)
{
	struct fcgi *f = calloc(1, sizeof(*f));
	int file = memfd_create("peal-request", MFD_CLOEXEC);

	if (f == NULL || file < 0 || !has_memory()) {
		free(f);
		if (file >= 0)
			close(file);
		return NULL;
	}
	bool accepted = accept_request(&f->request, file);
	bool good = accepted && set_up(f, file);
	/* libfcgi closes a file that it refuses. */
	if (accepted)
		close(file);
	f->request.ipcFd = -1;
	if (!good) {
		fcgi_free(f);
		return NULL;
	}
	return f;
}

void
fcgi_free(struct fcgi *f)
{
	if (f == NULL)
		return;
	f->request.ipcFd = -1;
	FCGX_Free(&f->request, 0);
	free(f);
}

static bool
put(FCGX_Stream *out, struct span bytes)
{
	return bytes.len == 0 ||
	    FCGX_PutStr(bytes.ptr, (int)bytes.len, out) == (int)bytes.len;
}

int
fcgi_write(struct fcgi *f, int fd, const struct fcgi_part *part)
{
	unsigned char header[FCGI_RECORD_HEADER];
	unsigned char ends[FCGI_RECORD_HEADER + FCGI_RECORD_END_LEN];
	size_t len = part->head.len + part->body.len;
	FCGX_Stream *out = f->request.out;
	bool good = true;

	f->request.ipcFd = fd;
	/* A record without content would be the end of STDOUT. */
	if (len > 0) {
		fcgi_record_stdout(header, part->id, len);
		good =
		    put(out, (struct span){ (char *)header, sizeof(header) }) &&
		    put(out, part->head) && put(out, part->body);
	}
	if (good && part->end) {
		fcgi_record_stdout(ends, part->id, 0);
		fcgi_record_end(ends + FCGI_RECORD_HEADER, part->id,
		    FCGI_RECORD_STATUS_COMPLETE);
		good = put(out, (struct span){ (char *)ends, sizeof(ends) });
	}
	/* Both: a put may flush by itself, and a flush fails only once. */
	good = FCGX_FFlush(out) == 0 && good;
	f->request.ipcFd = -1;
	if (good)
		return 0;
	open_stream(f);
	return -EPIPE;
}
