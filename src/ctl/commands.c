#include "ctl/commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "arena/browse.h"
#include "arena/follow.h"
#include "arena/status.h"
#include "arena/verify.h"
#include "arena/wake.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/event.h"
#include "base/file.h"
#include "ctl/doctor.h"
#include "ctl/history.h"
#include "ctl/table_output.h"
#include "ctl/tail.h"
#include "ctl/top.h"
#include "wire/sse.h"

/* What is read from standard input for one event, at most. */
#define DATA_MAX ((size_t)16 << 20)

int
commands_complain(int status, const char *what, const char *why)
{
	(void)fprintf(stderr, "pealctl: %s%s%s\n", what,
	    why[0] != '\0' ? ": " : "", why);
	return status;
}

static int
complain_of(const char *what, int rc)
{
	return commands_complain(1, what, strerror(-rc));
}

/* The channel that the verb names first.  Returns 0 or EX_USAGE. */
static int
read_channel(const struct ctl *ctl, struct span *channel)
{
	*channel = span_of(ctl->argv[0]);
	const char *fault = event_channel_fault(*channel);
	return fault == NULL
	    ? 0
	    : commands_complain(EX_USAGE, "the channel name", fault);
}

static int
no_such_channel(const struct ctl *ctl)
{
	(void)fprintf(stderr,
	    "pealctl: there is no channel \"%s\"; \"pealctl channels\" lists "
	    "them\n",
	    ctl->argv[0]);
	return 1;
}

typedef int print_status(const struct table_output *l,
    const struct status *status, struct clock_now now);

static int
show_status(struct ctl *ctl, print_status *print)
{
	struct clock_now now = clock_read();
	struct table_output l;
	struct status status;

	table_output_init(&l, stdout, ctl->json);
	int rc = status_take(&ctl->store, now, &status);
	if (rc == 0)
		rc = print(&l, &status, now);
	free(status.workers);
	return rc == 0 ? 0 : complain_of("the status", rc);
}

static int
do_status(struct ctl *ctl)
{
	return show_status(ctl, table_output_status);
}

static int
do_workers(struct ctl *ctl)
{
	return show_status(ctl, table_output_workers);
}

static int
do_channels(struct ctl *ctl)
{
	struct clock_now now = clock_read();
	struct browse_list list = { 0 };
	struct table_output l;

	table_output_init(&l, stdout, ctl->json);
	int rc = store_expire(&ctl->store, now, STORE_EXPIRE_ALL);
	if (rc == 0)
		rc = browse_all(&ctl->store, UINT64_MAX, &list);
	if (rc == 0)
		rc = table_output_channels(&l, list.channels, list.count, now);
	browse_list_fini(&list);
	return rc == 0 ? 0 : complain_of("the channels", rc);
}

static int
do_top(struct ctl *ctl)
{
	int rc = top_run(&ctl->store, ctl->interval_ms, ctl->rounds);

	if (rc == -ESTALE)
		return commands_complain(EX_UNAVAILABLE,
		    "the arena was removed, or made anew", "");
	return rc == 0 ? 0 : complain_of("top", rc);
}

static int
do_check(struct ctl *ctl)
{
	struct buf faults = { 0 };
	size_t count = 0;
	int rc = verify_store(&ctl->store, &faults, &count);

	if (faults.len > 0)
		(void)fwrite(faults.ptr, 1, faults.len, stdout);
	buf_fini(&faults);
	if (rc != 0)
		return complain_of("check", rc);
	/* Nobody had it open, so it was repaired before it could be looked at. */
	if (ctl->store.damaged != 0)
		(void)printf("%u damaged blocks, dropped just now\n",
		    ctl->store.damaged);
	if (count == 0)
		(void)printf(ctl->store.damaged == 0 ? "all well\n"
						     : "the rest is well\n");
	else
		(void)printf("%zu faults\n", count);
	return count == 0 && ctl->store.damaged == 0 ? 0 : 1;
}

/*
 * What --since says, where an event's own id becomes its id.  Returns 0 or the
 * exit status.
 */
static int
read_since(struct ctl *ctl, struct event_resume *since)
{
	struct span text = span_of(ctl->since);
	const char *hint = event_resume_hint(text);
	uint64_t id;
	int rc = -ENOENT;

	*since = event_resume_parse(text);
	if (since->own_id.len > 0)
		rc = store_find(&ctl->store, since->own_id, &id);
	if (rc == 0)
		*since = (struct event_resume){
			.kind = EVENT_RESUME_AFTER,
			.id = id,
		};
	else if (rc != -ENOENT)
		return complain_of("--since", rc);
	return since->kind != EVENT_RESUME_UNREADABLE
	    ? 0
	    : commands_complain(EX_USAGE, "--since",
		  hint != NULL ? hint
			       : "neither the ID of an event that is kept nor "
				 "milliseconds since 1970, nor \"earliest\"");
}

static int
append(struct ctl *ctl, const struct store_event *event)
{
	struct store_appended appended;
	struct wake wake = { 0 };
	char bytes[EVENT_ID_CHARS];
	struct span id = event->own_id;
	int rc = wake_init(&wake, &ctl->store, 0);

	if (rc == 0)
		rc = wake_append(&wake, clock_read(), event, 1, &appended);
	if (wake.store != NULL)
		wake_fini(&wake);
	if (rc != 0)
		return complain_of("publish", rc);
	if (id.len == 0)
		id = (struct span){ bytes, event_id_print(appended.id, bytes) };
	(void)printf("%.*s %u%s\n", (int)id.len, id.ptr, appended.subscribers,
	    appended.duplicate ? " duplicate" : "");
	return 0;
}

/* The channel, the topic and the id.  Returns 0 or EX_USAGE. */
static int
check_publish(const struct ctl *ctl, struct span topic,
    struct store_event *event)
{
	if (read_channel(ctl, &event->channel) != 0)
		return EX_USAGE;
	const char *fault = event_topic_fault(topic);
	if (fault != NULL)
		return commands_complain(EX_USAGE, "the topic", fault);
	if (ctl->id == NULL)
		return 0;
	event->own_id = span_of(ctl->id);
	fault = event_own_id_fault(event->own_id);
	return fault == NULL ? 0 : commands_complain(EX_USAGE, "the ID", fault);
}

static int
do_publish(struct ctl *ctl)
{
	struct store_event event = { 0 };
	struct span topic = span_of(ctl->argc > 1 ? ctl->argv[1] : "");
	struct buf data = { 0 };
	struct buf body = { 0 };
	int rc = 0;

	if (check_publish(ctl, topic, &event) != 0)
		return EX_USAGE;
	if (ctl->argc > 2)
		buf_put_cstr(&data, ctl->argv[2]);
	else
		rc = file_read_open(STDIN_FILENO, DATA_MAX, &data);
	if (rc == 0 && !span_is_utf8(buf_span(&data))) {
		buf_fini(&data);
		return commands_complain(1, "the data", "is not UTF-8");
	}
	sse_event(&body, topic, buf_span(&data));
	if (rc == 0)
		rc = buf_error(&body);
	event.body = buf_span(&body);
	int status =
	    rc != 0 ? complain_of("the data", rc) : append(ctl, &event);
	buf_fini(&data);
	buf_fini(&body);
	return status;
}

static int
do_tail(struct ctl *ctl)
{
	struct span names[FOLLOW_READER_MAX];
	struct event_resume since;
	struct buf why = { 0 };
	size_t count = 0;

	int status = read_since(ctl, &since);
	if (status != 0)
		return status;
	if (ctl->argc > FOLLOW_READER_MAX)
		return commands_complain(EX_USAGE, "tail",
		    "takes 64 channels at most");
	for (int i = 0; i < ctl->argc; i++) {
		struct span name = span_of(ctl->argv[i]);
		const char *fault = event_channel_fault(name);
		if (fault != NULL)
			return commands_complain(EX_USAGE, "a channel name",
			    fault);
		size_t same = 0;
		while (same < count && !span_equal(names[same], name))
			same++;
		/* A channel that is joined twice would be read twice. */
		if (same == count)
			names[count++] = name;
	}
	int rc = tail_run(&ctl->store, names, count, since, stdout, &why);
	buf_put_char(&why, '\0');
	status = rc == 0 || buf_error(&why) != 0
	    ? (rc == 0 ? 0 : 1)
	    : commands_complain(1, why.ptr, "");
	buf_fini(&why);
	return status;
}

static int
do_history(struct ctl *ctl)
{
	struct event_resume since;
	struct span channel;
	struct table_output l;
	bool lost;

	int status = read_channel(ctl, &channel);
	if (status == 0)
		status = read_since(ctl, &since);
	if (status != 0)
		return status;
	table_output_init(&l, stdout, ctl->json);
	int rc = store_expire(&ctl->store, clock_read(), STORE_EXPIRE_ALL);
	if (rc == 0)
		rc = history_print(&l, &ctl->store, channel, since, ctl->limit,
		    &lost);
	if (rc != 0)
		return complain_of("history", rc);
	if (lost)
		(void)commands_complain(0, "not all events since then are kept",
		    "");
	return 0;
}

static int
do_purge(struct ctl *ctl)
{
	struct browse_channel before;
	struct span channel;

	if (read_channel(ctl, &channel) != 0)
		return EX_USAGE;
	int rc = browse_find(&ctl->store, channel, &before);
	if (rc == 0)
		rc = store_purge(&ctl->store, channel);
	if (rc == -ENOENT)
		return no_such_channel(ctl);
	if (rc != 0)
		return complain_of("purge", rc);
	(void)printf("%u events removed\n", before.events);
	return 0;
}

/* The first line of a file that holds more than white space. */
static int
read_key(const char *path, struct buf *text, struct span *key)
{
	const char *fault = NULL;

	*key = (struct span){ NULL, 0 };
	if (path == NULL)
		return 0;
	int rc = file_read_secret(path, 65536, text, &fault);
	if (rc != 0)
		return commands_complain(EX_NOINPUT, path,
		    fault != NULL ? fault : strerror(-rc));
	struct span rest = buf_span(text);
	while (key->len == 0 && span_cut(&rest, '\n', key))
		*key = span_trim(*key);
	if (key->len == 0 || span_has_control(*key))
		return commands_complain(EX_NOINPUT, path,
		    "there is no key in it");
	return 0;
}

static int
do_doctor(struct ctl *ctl)
{
	struct probe_plan plan = {
		.url = ctl->argv[0],
		.publish_url = ctl->publish_url,
		.headers = buf_span(&ctl->headers),
		.streams = ctl->streams,
		.patience_ms = ctl->patience_ms,
		.limit_ms = ctl->timeout_ms,
		.stalled_ms = ctl->stalled_ms,
	};
	struct buf text = { 0 };

	int status = read_key(ctl->key_file, &text, &plan.key);
	if (status == 0) {
		int rc = doctor_run(&plan, stdout);
		status = rc >= 0    ? rc
		    : rc == -EINVAL ? EX_USAGE
				    : complain_of("doctor", rc);
	}
	buf_fini(&text);
	return status;
}

const struct command verbs[] = {
	{ "status", "", "how the arena and its workers are", 0, 0, "json",
	    false, do_status },
	{ "channels", "", "the channels, their streams and events", 0, 0,
	    "json", false, do_channels },
	{ "workers", "", "the workers and their streams", 0, 0, "json", false,
	    do_workers },
	{ "top", "", "what goes on, again and again; q ends", 0, 0,
	    "interval rounds", false, do_top },
	{ "tail", "CHANNEL...", "print events as they come", 1, -1, "since",
	    false, do_tail },
	{ "history", "CHANNEL", "print the events that are kept", 1, 1,
	    "since limit json", false, do_history },
	{ "publish", "CHANNEL [TOPIC [DATA]]",
	    "publish an event; without DATA, standard input", 1, 3, "id", false,
	    do_publish },
	{ "purge", "CHANNEL", "remove the events that are kept", 1, 1, "",
	    false, do_purge },
	{ "check", "", "verify every invariant of the arena", 0, 0, "", false,
	    do_check },
	{ "doctor", "URL", "find what is wrong in front of peal", 1, 1,
	    "publish-url key-file header streams patience timeout stalled",
	    true, do_doctor },
};

const size_t verbs_count = sizeof(verbs) / sizeof(verbs[0]);
