#include "ctl/history.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "arena/browse.h"
#include "arena/follow.h"
#include "base/buf.h"
#include "base/json_writer.h"
#include "base/terminal.h"
#include "wire/sse_reader.h"

#define MARKS 256

struct past {
	const struct table_output *l;
	struct store *store;
	struct browse_reader reader;
	struct follow_segment segment;
	struct follow_mark marks[MARKS];
	uint64_t skip; /* events still to be passed over */
	struct json_writer json;
	struct buf bytes; /* of the JSON */
	uint64_t id; /* of the event that is printed, whatever its own is */
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
	time_t seconds = (time_t)(event_id_ms(p->id) / 1000);
	struct tm tm;
	char when[32] = "?";

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

/* Print the JSON that there is, and remember where memory ran out. */
static void
print_json(struct past *p)
{
	if (buf_error(&p->bytes) != 0)
		return;
	(void)fwrite(p->bytes.ptr, 1, p->bytes.len, p->l->out);
	buf_clear(&p->bytes);
}

static void
print_object(struct past *p, const struct sse_reader_event *event)
{
	json_writer_line(&p->json);
	json_writer_begin(&p->json, NULL, '{');
	json_writer_string(&p->json, "id", event->id);
	if (event->type.len > 0)
		json_writer_string(&p->json, "topic", event->type);
	else
		json_writer_null(&p->json, "topic");
	json_writer_string(&p->json, "data", event->data);
	json_writer_end(&p->json, '}');
	print_json(p);
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
		p->id = p->segment.marks[i].id;
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

/* Whether events after a point have left the history; the channel may have, too. */
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
	p.json.out = &p.bytes;
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
		json_writer_begin(&p.json, NULL, '[');
	if (rc == 0)
		rc = read_pages(&p, since.id, true, &count);
	if (l->form == TABLE_OUTPUT_JSON) {
		json_writer_end(&p.json, ']');
		buf_put_char(&p.bytes, '\n');
		print_json(&p);
		rc = rc == 0 ? buf_error(&p.bytes) : rc;
	}
	free(p.segment.bytes);
	buf_fini(&p.bytes);
	return rc;
}
