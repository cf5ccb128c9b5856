#include "ctl/server_config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/file.h"

#define FILE_MAX ((size_t)1 << 20)
#define TEXT_MAX ((size_t)8 << 20)

/* Where Debian has them; what is merely available is not read. */
static const struct {
	const char *program;
	const char *path;
} usual[] = {
	{ "nginx", "/etc/nginx" },
	{ "apache2", "/etc/apache2" },
	{ "lighttpd", "/etc/lighttpd" },
	{ "caddy", "/etc/caddy" },
	{ "haproxy", "/etc/haproxy" },
	{ "h2o", "/etc/h2o" },
};

static bool
ends_with(const char *text, const char *end)
{
	size_t len = strlen(text);
	size_t end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* Take a file over, without lines that are comments. */
static void
read_file(struct server_config *c, const char *path)
{
	struct buf text = { 0 };
	struct span line;

	if (file_read(path, FILE_MAX, &text) == 0 && text.len > 0 &&
	    memchr(text.ptr, '\0', text.len) == NULL) {
		struct span rest = buf_span(&text);
		while (c->text.len < TEXT_MAX && span_cut(&rest, '\n', &line)) {
			struct span said = span_trim(line);
			if (said.len == 0 || said.ptr[0] == '#')
				continue;
			buf_put(&c->text, said);
			buf_put_char(&c->text, '\n');
		}
	}
	buf_fini(&text);
}

/* As Debian's Apache includes them, for which the last one counts: its modules' files
 * first, and else by name. */
static int
in_order(const struct dirent **a, const struct dirent **b)
{
	int first = strcmp((*b)->d_name, "mods-enabled") == 0;
	int second = strcmp((*a)->d_name, "mods-enabled") == 0;

	return first != second ? first - second : alphasort(a, b);
}

/* Call take() for each entry of a folder, in order. */
static void
each_entry(struct server_config *c, const char *folder,
    void (*take)(struct server_config *c, const char *path))
{
	struct dirent **entries;
	int count = scandir(folder, &entries, NULL, in_order);

	for (int i = 0; i < count; i++) {
		const char *name = entries[i]->d_name;
		char path[4096];
		if (name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", folder, name) <
			(int)sizeof(path))
			take(c, path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
}

/* A folder within one: its files, and nothing that is merely available. */
static void
read_entry(struct server_config *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return;
	if (S_ISREG(st.st_mode))
		read_file(c, path);
	else if (S_ISDIR(st.st_mode) && !ends_with(path, "-available"))
		each_entry(c, path, read_file);
}

static void
read_path(struct server_config *c, const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		each_entry(c, path, read_entry);
	else
		read_file(c, path);
}

/*
 * The file or folder that the command line names.  nginx writes its own over with one
 * string, so words are parted by spaces, too.
 */
static bool
find_named(struct span arguments, struct buf *path)
{
	static const char *const options[] = { "-c", "-f", "--config", "-d" };
	bool is_value = false;
	bool found = false;

	for (size_t at = 0; !found && at < arguments.len;) {
		size_t len = 0;
		while (at + len < arguments.len &&
		    arguments.ptr[at + len] != '\0' &&
		    arguments.ptr[at + len] != ' ')
			len++;
		struct span word = { arguments.ptr + at, len };
		found = is_value && len > 0 && word.ptr[0] == '/';
		if (found)
			buf_put(path, word);
		is_value = false;
		for (size_t i = 0; i < sizeof(options) / sizeof(options[0]);
		     i++)
			is_value |= span_equal(word, span_of(options[i]));
		at += len + 1;
	}
	buf_put_char(path, '\0');
	return found && buf_error(path) == 0;
}

void
server_config_read(struct server_config *c, const char *program,
    struct span arguments, struct span environment)
{
	struct buf named = { 0 };

	*c = (struct server_config){ 0 };
	buf_put(&c->environment, environment);
	if (find_named(arguments, &named)) {
		read_path(c, named.ptr);
	} else {
		for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
			if (strcmp(usual[i].program, program) == 0)
				read_path(c, usual[i].path);
		}
	}
	buf_fini(&named);
}

void
server_config_fini(struct server_config *c)
{
	buf_fini(&c->text);
	buf_fini(&c->environment);
}

/* A name in the process's environment. */
static bool
find_environment(const struct server_config *c, struct span name,
    struct span *value)
{
	struct span rest = buf_span(&c->environment);
	struct span entry;

	while (rest.len > 0 && span_cut(&rest, '\0', &entry)) {
		if (entry.len <= name.len || entry.ptr[name.len] != '=' ||
		    memcmp(entry.ptr, name.ptr, name.len) != 0)
			continue;
		*value = (struct span){ entry.ptr + name.len + 1,
			entry.len - name.len - 1 };
		return true;
	}
	return false;
}

/* Apache's "Define NAME value", HAProxy's "presetenv NAME value". */
static bool
find_definition(const struct server_config *c, struct span name,
    struct span *value)
{
	struct span rest = buf_span(&c->text);
	struct span line;
	struct span word;

	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		if (!span_word(&line, &word) ||
		    !(span_equal_nocase(word, SPAN("Define")) ||
			span_equal(word, SPAN("presetenv")) ||
			span_equal(word, SPAN("setenv"))))
			continue;
		if (span_word(&line, &word) && span_equal(word, name) &&
		    span_word(&line, value))
			return true;
	}
	return false;
}

/*
 * Fill in ${NAME}, as Apache and HAProxy write it, and {$NAME:default}, as Caddy does.
 * Returns false where one is not known.
 */
static bool
fill_in(const struct server_config *c, struct span raw, struct buf *out)
{
	while (raw.len > 0) {
		bool begins = raw.len > 2 &&
		    (memcmp(raw.ptr, "${", 2) == 0 ||
			memcmp(raw.ptr, "{$", 2) == 0);
		const char *end = begins ? memchr(raw.ptr, '}', raw.len) : NULL;
		if (end == NULL) {
			buf_put_char(out, raw.ptr[0]);
			raw.ptr++;
			raw.len--;
			continue;
		}
		struct span usual_value = { raw.ptr + 2,
			(size_t)(end - raw.ptr) - 2 };
		struct span name;
		struct span value;
		bool has_usual =
		    memchr(usual_value.ptr, ':', usual_value.len) != NULL;
		(void)span_cut(&usual_value, ':', &name);
		if (find_environment(c, name, &value) ||
		    find_definition(c, name, &value))
			buf_put(out, value);
		else if (has_usual)
			buf_put(out, usual_value);
		else
			return false;
		raw.len -= (size_t)(end + 1 - raw.ptr);
		raw.ptr = end + 1;
	}
	return true;
}

/* Where the word begins that ends at end: no quote, blank or bracket is in it. */
static size_t
word_begin(struct span text, size_t end)
{
	while (end > 0 && strchr(" \t\n\"'(,;=|", text.ptr[end - 1]) == NULL)
		end--;
	return end;
}

/* lighttpd's NAME = "text", or NAME = env.OTHER. */
static bool
find_assigned(const struct server_config *c, struct span name,
    struct span *value)
{
	struct span rest = buf_span(&c->text);
	struct span line;
	struct span word;

	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		if (!span_word(&line, &word) || !span_equal(word, name) ||
		    !span_word(&line, &word) || !span_equal(word, SPAN("=")) ||
		    !span_word(&line, &word))
			continue;
		if (span_starts_nocase(word, SPAN("env.")))
			return find_environment(c,
			    (struct span){ word.ptr + 4, word.len - 4 }, value);
		if (word.len < 2 || word.ptr[0] != '"' ||
		    word.ptr[word.len - 1] != '"')
			continue;
		*value = (struct span){ word.ptr + 1, word.len - 2 };
		return true;
	}
	return false;
}

/*
 * lighttpd's var.run + "/peal.sock": put down what the variable before the string that
 * begins at begin holds.  Returns false where that is not known.
 */
static bool
put_addend(const struct server_config *c, size_t begin, struct buf *out)
{
	const char *text = c->text.ptr;
	struct span value;

	if (begin < 4 || memcmp(text + begin - 3, "+ \"", 3) != 0)
		return true;
	size_t end = begin - 3;
	while (end > 0 && text[end - 1] == ' ')
		end--;
	size_t at = word_begin(buf_span(&c->text), end);
	if (!find_assigned(c, (struct span){ text + at, end - at }, &value))
		return false;
	buf_put(out, value);
	return true;
}

/* Whether the file's own name is one that somebody gives to peal's socket. */
static bool
is_of_peal(const char *path)
{
	const char *name = strrchr(path, '/');

	return path[0] == '/' && strstr(name, "peal") != NULL;
}

bool
server_config_socket(const struct server_config *c, size_t *at,
    struct buf *path)
{
	static const char *const schemes[] = { "unix:", "unix@", "unix/" };
	struct span text = buf_span(&c->text);

	while (*at < text.len) {
		const char *dot =
		    memmem(text.ptr + *at, text.len - *at, ".sock", 5);
		if (dot == NULL)
			return false;
		size_t end = (size_t)(dot - text.ptr) + 5;
		size_t begin = word_begin(text, end);
		*at = end;
		struct span raw = { text.ptr + begin, end - begin };
		for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]);
		     i++) {
			if (span_starts_nocase(raw, span_of(schemes[i])))
				raw = (struct span){ raw.ptr + 5, raw.len - 5 };
		}
		buf_clear(path);
		if (!put_addend(c, begin, path) || !fill_in(c, raw, path))
			continue;
		buf_put_char(path, '\0');
		if (buf_error(path) == 0 && is_of_peal(path->ptr))
			return true;
	}
	return false;
}

bool
server_config_value(const struct server_config *c, const char *directive,
    struct buf *value)
{
	struct span rest = buf_span(&c->text);
	struct span line;
	struct span word;
	bool found = false;

	while (rest.len > 0 && span_cut(&rest, '\n', &line)) {
		if (!span_word(&line, &word) ||
		    !span_equal_nocase(word, span_of(directive)) ||
		    !span_word(&line, &word))
			continue;
		if (word.len > 1 && word.ptr[0] == '"' &&
		    word.ptr[word.len - 1] == '"')
			word = (struct span){ word.ptr + 1, word.len - 2 };
		buf_clear(value);
		found = fill_in(c, word, value);
	}
	return found;
}

bool
server_config_number(const struct server_config *c, const char *directive,
    uint64_t *number)
{
	struct buf value = { 0 };
	bool found = server_config_value(c, directive, &value) &&
	    span_to_u64(buf_span(&value), number) == 0;

	buf_fini(&value);
	return found;
}

bool
server_config_has(const struct server_config *c, const char *words)
{
	struct span text = buf_span(&c->text);
	size_t len = strlen(words);

	for (size_t at = 0; at + len <= text.len; at++) {
		if (strncasecmp(text.ptr + at, words, len) == 0)
			return true;
	}
	return false;
}
