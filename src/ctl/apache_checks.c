#include "ctl/apache_checks.h"

#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "ctl/processes.h"

/* Apache's own defaults, where MaxRequestWorkers is not set. */
#define WORKERS_OF_PREFORK 256
#define WORKERS_OF_THREADS 400
/* mod_fcgid's, of FcgidMaxProcessesPerClass. */
#define PROCESSES_OF_CLASS 100
#define HTACCESS_MAX 65536

static const char *const mpms[] = { "prefork", "worker", "event" };

/* Of its modules, which are files that it has mapped. */
static const char *
find_mpm(pid_t pid)
{
	for (size_t i = 0; i < sizeof(mpms) / sizeof(mpms[0]); i++) {
		struct buf path = { 0 };
		char name[32];
		(void)snprintf(name, sizeof(name), "/mod_mpm_%s.so", mpms[i]);
		bool found = processes_mapped(pid, name, false, &path);
		buf_fini(&path);
		if (found)
			return mpms[i];
	}
	return NULL;
}

/*
 * What holds for this MPM: the text without what stands in <IfModule> of another MPM, or
 * of "!" and this one.
 */
static void
keep_mpm(const struct server_config *config, const char *mpm,
    struct server_config *kept)
{
	struct span rest = buf_span(&config->text);
	struct span line;
	char name[64];
	unsigned depth = 0; /* of blocks within the one that is left out */

	(void)snprintf(name, sizeof(name), "mpm_%s_module>", mpm);
	*kept = (struct server_config){ 0 };
	buf_put(&kept->environment, buf_span(&config->environment));
	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		bool opens = span_starts_nocase(line, SPAN("<IfModule"));
		struct span which = opens
		    ? span_trim((struct span){ line.ptr + 9, line.len - 9 })
		    : SPAN("");
		bool is_not = which.len > 0 && which.ptr[0] == '!';
		if (is_not)
			which = (struct span){ which.ptr + 1, which.len - 1 };
		bool is_this = span_equal_nocase(which, span_of(name));
		bool out = span_starts_nocase(which, SPAN("mpm_")) &&
		    is_this == is_not;
		if (depth > 0 || out)
			depth += opens;
		else
			buf_put(&kept->text, line);
		if (depth > 0 && span_starts_nocase(line, SPAN("</IfModule")))
			depth--;
		buf_put_char(&kept->text, '\n');
	}
}

/* Which module leads to FastCGI programs, where only one does. */
static const char *
find_module(const struct server_config *config)
{
	bool spawned = server_config_has(config, "FcgidWrapper");
	bool proxied = server_config_has(config, "fcgi://");

	if (spawned == proxied)
		return NULL;
	return spawned ? "mod_fcgid" : "mod_proxy_fcgi";
}

/* An option on the command line of peal.fcgi, "--max-streams N" or with "=". */
static bool
find_option(struct span arguments, const char *name, struct span *value)
{
	struct span word;
	size_t len = strlen(name);
	bool next = false;

	while (arguments.len > 0 && span_cut(&arguments, '\0', &word)) {
		if (next) {
			*value = word;
			return true;
		}
		if (word.len < len + 2 || memcmp(word.ptr, "--", 2) != 0 ||
		    memcmp(word.ptr + 2, name, len) != 0)
			continue;
		next = word.len == len + 2;
		if (!next && word.ptr[len + 2] == '=') {
			*value = (struct span){ word.ptr + len + 3,
				word.len - len - 3 };
			return true;
		}
	}
	return false;
}

/* The same, or a line of the file that --config names.  usual: where it is not set. */
static uint64_t
find_number(struct span arguments, const char *name, uint64_t usual)
{
	struct span value;
	uint64_t number = usual;

	if (find_option(arguments, name, &value)) {
		(void)span_to_u64(value, &number);
		return number;
	}
	if (!find_option(arguments, "config", &value))
		return usual;
	struct buf words = { 0 };
	buf_put(&words, SPAN("-c"));
	buf_put_char(&words, '\0');
	buf_put(&words, value);
	struct server_config file;
	server_config_read(&file, "", buf_span(&words),
	    (struct span){ NULL, 0 });
	(void)server_config_number(&file, name, &number);
	server_config_fini(&file);
	buf_fini(&words);
	return number;
}

/*
 * How many streams those take who listen at this socket: the supervisor's command line
 * says it, and its workers'.  Returns false where no peal is there.
 */
static bool
streams_at_socket(const char *path, uint64_t *most)
{
	struct processes all;
	bool found = false;

	processes_at_socket(path, &all);
	for (size_t i = 0; i < all.count; i++) {
		struct buf arguments = { 0 };
		char name[PROCESSES_NAME_MAX];
		processes_name(all.pids[i], name);
		if (strcmp(name, "peal.fcgi") != 0)
			continue;
		processes_arguments(all.pids[i], &arguments);
		struct span words = buf_span(&arguments);
		uint64_t streams = find_number(words, "max-streams", 0) *
		    find_number(words, "workers", 1);
		if (streams > *most)
			*most = streams;
		found = true;
		buf_fini(&arguments);
	}
	return found;
}

/* The same of all sockets that the configuration names; 0: nobody has set it. */
static bool
streams_of_peal(const struct server_config *config, uint64_t *streams)
{
	struct buf path = { 0 };
	size_t at = 0;
	bool found = false;

	*streams = 0;
	while (server_config_socket(config, &at, &path))
		found |= streams_at_socket(path.ptr, streams);
	buf_fini(&path);
	return found;
}

/* Can viewers take all that Apache has? */
static void
judge_places(struct findings *g, const struct server_config *config,
    uint64_t workers)
{
	if (g->hops.module == NULL)
		return;
	if (strcmp(g->hops.module, "mod_fcgid") == 0) {
		uint64_t processes = PROCESSES_OF_CLASS;
		(void)server_config_number(config, "FcgidMaxProcessesPerClass",
		    &processes);
		if (processes >= workers)
			findings_find(g, ADVICE_WHOLE_SITE,
			    "FcgidMaxProcessesPerClass is %llu, and "
			    "MaxRequestWorkers %llu",
			    (unsigned long long)processes,
			    (unsigned long long)workers);
		return;
	}
	uint64_t streams;
	if (!streams_of_peal(config, &streams))
		return;
	if (streams == 0)
		findings_find(g, ADVICE_WHOLE_SITE,
		    "peal has no max-streams, and Apache MaxRequestWorkers "
		    "%llu",
		    (unsigned long long)workers);
	else if (streams >= workers)
		findings_find(g, ADVICE_WHOLE_SITE,
		    "peal takes %llu streams, and Apache MaxRequestWorkers "
		    "%llu",
		    (unsigned long long)streams, (unsigned long long)workers);
}

/* mod_fcgid's handler is asked after .htaccess has rewritten the address. */
static void
note_htaccess(struct findings *g, const struct server_config *config)
{
	struct buf path = { 0 };
	struct buf text = { 0 };

	if (server_config_has(config, "RewriteEngine Off") ||
	    !(server_config_has(config, "AllowOverride All") ||
		server_config_has(config, "AllowOverride FileInfo")) ||
	    !server_config_value(config, "DocumentRoot", &path))
		goto out;
	buf_put_cstr(&path, "/.htaccess");
	buf_put_char(&path, '\0');
	if (buf_error(&path) != 0 ||
	    file_read(path.ptr, HTACCESS_MAX, &text) != 0 || text.len == 0 ||
	    memmem(text.ptr, text.len, "RewriteRule", 11) == NULL)
		goto out;
	findings_note(g,
	    "%s rewrites addresses, peal's too where mod_fcgid leads to it: "
	    "RewriteEngine Off, in each <Location> of peal",
	    path.ptr);
out:
	buf_fini(&path);
	buf_fini(&text);
}

/* How many requests Apache works on at a time. */
static uint64_t
count_workers(const struct server_config *config, const char *mpm)
{
	uint64_t workers = strcmp(mpm, "prefork") == 0 ? WORKERS_OF_PREFORK
						       : WORKERS_OF_THREADS;
	struct server_config kept;

	keep_mpm(config, mpm, &kept);
	(void)server_config_number(&kept, "MaxRequestWorkers", &workers);
	server_config_fini(&kept);
	return workers;
}

void
apache_checks(struct findings *g, pid_t pid, const struct server_config *config)
{
	const char *mpm = find_mpm(pid);

	g->hops.module = find_module(config);
	note_htaccess(g, config);
	/* One that is built in shows nowhere. */
	if (mpm == NULL)
		return;
	uint64_t workers = count_workers(config, mpm);
	findings_note(g,
	    "Apache has the %s MPM and MaxRequestWorkers %llu: each stream takes "
	    "one %s",
	    mpm, (unsigned long long)workers,
	    strcmp(mpm, "prefork") == 0 ? "process" : "thread");
	judge_places(g, config, workers);
}
