#include "ctl/history.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "arena/browse.h"
#include "arena/follow.h"
#include "base/buf.h"
#include "base/terminal.h"
#include "wire/sse_reader.h"

#define MARKS 256

struct past {
	const struct table_output *l;
	struct store *store;
	struct browse_reader reader;
	struct follow_segment segment;
	struct follow_mark marks[MARKS];
	uint64_t skip;	  /* events still to be passed over */
	uint64_t printed; /* so far */
	struct buf json;  /* one event */
};

/* Read the next segment; events are gone through only once more is needed. */
static int
next_segment(struct past *p)
{
	for (;;) {
		p->segment.len = 0;
		p->segment.marks_len = 0;
		int rc = browse_read(p->store, &p->reader, &p->segment);
		if (rc != -EMSGSIZE)
			return rc;
		char *bytes = realloc(p->segment.bytes, p->segment.wanted);
		if (bytes == NULL)
			return -ENOMEM;
		p->segment.bytes = bytes;
		p->segment.room = p->segment.wanted;
	}
}

static void
print_row(const struct past *p, const struct sse_reader_event *event)
{
	const struct table_output *l = p->l;
	const size_t before = 21 + 16 + 1;
	time_t seconds = 0;
	struct tm tm;
	char when[32] = "?";
	uint64_t id;

	if (event_id_parse(event->id, &id) == 0)
		seconds = (time_t)(event_id_ms(id) / 1000);
	if (localtime_r(&seconds, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
	(void)fprintf(l->out, "%-21s", when);
	size_t columns = terminal_print(l->out, event->type, 16);
	(void)fprintf(l->out, "%*s", (int)(17 - columns), "");
	size_t left = (size_t)l->columns;
	(void)terminal_print(l->out, event->data,
	    left > before + 8 ? left - before : 8);
	(void)fputc('\n', l->out);
}

static void
print_object(struct past *p, const struct sse_reader_event *event)
{
	struct buf *out = &p->json;

	buf_put_cstr(out, p->printed > 0 ? ",\n{\"id\":" : "{\"id\":");
	buf_put_json(out, event->id);
	buf_put(out, SPAN(",\"topic\":"));
	if (event->type.len > 0)
		buf_put_json(out, event->type);
	else
		buf_put(out, SPAN("null"));
	buf_put(out, SPAN(",\"data\":"));
	buf_put_json(out, event->data);
	buf_put_char(out, '}');
	if (buf_error(out) == 0)
		(void)fwrite(out->ptr, 1, out->len, p->l->out);
	buf_clear(out);
}

/* An event was taken apart as its subscribers do it. */
static void
got(void *context, const struct sse_reader_event *event)
{
	struct past *p = context;

	if (p->l->form == TABLE_OUTPUT_JSON)
		print_object(p, event);
	else
		print_row(p, event);
}

static int
print_event(struct past *p, struct span bytes)
{
	struct sse_reader reader = { .got = got, .context = p };
	int rc = 0;

	if (p->l->form == TABLE_OUTPUT_TEXT)
		(void)fwrite(bytes.ptr, 1, bytes.len, p->l->out);
	else
		rc = sse_reader_read(&reader, bytes);
	sse_reader_fini(&reader);
	p->printed++;
	return rc;
}

static int
print_segment(struct past *p)
{
	size_t begin = 0;

	for (size_t i = 0; i < p->segment.marks_len; i++) {
		struct span bytes = { p->segment.bytes + begin,
			p->segment.marks[i].end - begin };
		begin = p->segment.marks[i].end;
		if (p->skip > 0) {
			p->skip--;
			continue;
		}
		int rc = print_event(p, bytes);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Go through all segments, to count the events or to print them. */
static int
read_pages(struct past *p, uint64_t from, bool print, uint64_t *count)
{
	int rc;

	p->reader.cursor = from;
	p->reader.hint = 0;
	*count = 0;
	do {
		rc = next_segment(p);
		if (rc != 0)
			return rc;
		*count += p->segment.marks_len;
		if (print)
			rc = print_segment(p);
	} while (rc == 0 && p->segment.more && !ferror(p->l->out));
	return rc;
}

/* What the channel let go after a point; one that is not there did, too. */
static int
look_for_loss(struct past *p, uint64_t point, bool *lost)
{
	struct browse_channel channel;
	int rc = browse_find(p->store, p->reader.channel, &channel);

	if (rc != 0 && rc != -ENOENT)
		return rc;
	*lost = channel.forgotten > point;
	return 0;
}

int
history_print(const struct table_output *l, struct store *s,
    struct span channel, struct event_resume since, uint64_t limit, bool *lost)
{
	struct past p = {
		.l = l,
		.store = s,
		.reader.channel = channel,
		.segment.room = 65536,
		.segment.bytes = malloc(65536),
		.segment.marks_room = MARKS,
	};
	bool asked = since.kind == EVENT_RESUME_AFTER ||
	    since.kind == EVENT_RESUME_SINCE;
	uint64_t count = 0;
	int rc = p.segment.bytes == NULL ? -ENOMEM : 0;

	p.segment.marks = p.marks;
	*lost = false;
	if (rc == 0 && asked)
		rc = look_for_loss(&p, since.id, lost);
	if (rc == 0 && limit > 0)
		rc = read_pages(&p, since.id, false, &count);
	p.skip = limit > 0 && count > limit ? count - limit : 0;
	if (l->form == TABLE_OUTPUT_TABLE)
		table_output_head(l,
		    "TIME                 TOPIC            DATA");
	else if (l->form == TABLE_OUTPUT_JSON)
		(void)fputc('[', l->out);
	if (rc == 0)
		rc = read_pages(&p, since.id, true, &count);
	if (l->form == TABLE_OUTPUT_JSON)
		(void)fputs("]\n", l->out);
	free(p.segment.bytes);
	buf_fini(&p.json);
	return rc;
}
