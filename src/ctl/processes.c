#include "ctl/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/span.h"

/* Of one file below /proc. */
#define TEXT_MAX ((size_t)4 << 20)
#define INODES_MAX 32
#define GROUPS_MAX 256

/* Of the kernel, which has no header of them for programs. */
#define TCP_LISTEN_STATE 0x0a
#define ACCEPTS_CONNECTIONS 0x10000

struct inodes {
	uint64_t of[INODES_MAX];
	size_t count;
};

static void
add_inode(struct inodes *all, uint64_t inode)
{
	if (all->count < INODES_MAX)
		all->of[all->count++] = inode;
}

/* Append /proc/PID/NAME to out; what cannot be read is empty. */
static void
read_about(pid_t pid, const char *name, struct buf *out)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, name);
	if (file_read(path, TEXT_MAX, out) != 0)
		buf_clear(out);
}

/* The word of that number, counted from 0, in a line. */
static struct span
word_of(const char *line, unsigned number)
{
	struct span rest = span_of(line);
	struct span word = SPAN("");

	for (unsigned i = 0; i <= number; i++) {
		if (!span_word(&rest, &word))
			return SPAN("");
	}
	return word;
}

/* All of it hexadecimal digits, or -1. */
static long
read_hex(struct span text)
{
	static const char digits[] = "0123456789ABCDEF";
	long value = 0;

	if (text.len == 0 || text.len > 8)
		return -1;
	for (size_t i = 0; i < text.len; i++) {
		const char *digit = memchr(digits, text.ptr[i], 16);
		if (digit == NULL)
			return -1;
		value = value << 4 | (long)(digit - digits);
	}
	return value;
}

/* proc(5): /proc/net/tcp and tcp6 have number, local address and port, remote ones,
 * and state; the inode is their tenth word. */
static void
find_port(const char *path, uint16_t port, struct inodes *found)
{
	char line[512];
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		struct span local = word_of(line, 1);
		struct span address;
		uint64_t inode;
		if (span_cut(&local, ':', &address) &&
		    read_hex(local) == port &&
		    read_hex(word_of(line, 3)) == TCP_LISTEN_STATE &&
		    span_to_u64(word_of(line, 9), &inode) == 0)
			add_inode(found, inode);
	}
	(void)fclose(file);
}

/* proc(5): the fourth word of /proc/net/unix are flags, the seventh is the inode, and the
 * last the path. */
static void
find_socket(const char *path, struct inodes *found)
{
	char line[512];
	FILE *file = fopen("/proc/net/unix", "re");

	if (file == NULL)
		return;
	while (fgets(line, sizeof(line), file) != NULL) {
		uint64_t inode;
		line[strcspn(line, "\n")] = '\0';
		const char *name = strchr(line, '/');
		if (name != NULL && strcmp(name, path) == 0 &&
		    read_hex(word_of(line, 3)) == ACCEPTS_CONNECTIONS &&
		    span_to_u64(word_of(line, 6), &inode) == 0)
			add_inode(found, inode);
	}
	(void)fclose(file);
}

static bool
has_inode(pid_t pid, const struct inodes *inodes)
{
	char path[64];
	char target[64];
	bool has = false;

	(void)snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *folder = opendir(path);
	if (folder == NULL)
		return false;
	const struct dirent *entry;
	while (!has && (entry = readdir(folder)) != NULL) {
		uint64_t inode;
		ssize_t len = readlinkat(dirfd(folder), entry->d_name, target,
		    sizeof(target));
		/* socket:[12345] */
		struct span link = { target, len > 0 ? (size_t)len : 0 };
		if (link.len < 10 ||
		    !span_starts_nocase(link, SPAN("socket:[")) ||
		    span_to_u64((struct span){ target + 8, link.len - 9 },
			&inode) != 0)
			continue;
		for (size_t i = 0; i < inodes->count; i++)
			has |= inodes->of[i] == inode;
	}
	(void)closedir(folder);
	return has;
}

static int
compare(const void *a, const void *b)
{
	pid_t x = *(const pid_t *)a;
	pid_t y = *(const pid_t *)b;

	return (x > y) - (x < y);
}

/* Those of whom is() holds. */
static void
find(bool (*is)(pid_t pid, const void *context), const void *context,
    struct processes *found)
{
	DIR *folder = opendir("/proc");
	const struct dirent *entry;

	found->count = 0;
	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 0 && found->count < PROCESSES_MAX && is(pid, context))
			found->pids[found->count++] = pid;
	}
	(void)closedir(folder);
	qsort(found->pids, found->count, sizeof(found->pids[0]), compare);
}

static bool
holds_inode(pid_t pid, const void *context)
{
	return has_inode(pid, context);
}

void
processes_at_port(uint16_t port, struct processes *found)
{
	struct inodes inodes = { .count = 0 };

	find_port("/proc/net/tcp", port, &inodes);
	find_port("/proc/net/tcp6", port, &inodes);
	found->count = 0;
	if (inodes.count > 0)
		find(holds_inode, &inodes, found);
}

void
processes_at_socket(const char *path, struct processes *found)
{
	struct inodes inodes = { .count = 0 };

	find_socket(path, &inodes);
	found->count = 0;
	if (inodes.count > 0)
		find(holds_inode, &inodes, found);
}

static bool
is_called(pid_t pid, const void *context)
{
	char name[PROCESSES_NAME_MAX];

	processes_name(pid, name);
	return strcmp(name, context) == 0;
}

void
processes_called(const char *name, struct processes *found)
{
	find(is_called, name, found);
}

void
processes_name(pid_t pid, char name[PROCESSES_NAME_MAX])
{
	struct buf text = { 0 };

	read_about(pid, "comm", &text);
	struct span trimmed = span_trim(buf_span(&text));
	size_t len = trimmed.len < PROCESSES_NAME_MAX ? trimmed.len
						      : PROCESSES_NAME_MAX - 1;
	if (len > 0)
		memcpy(name, trimmed.ptr, len);
	name[len] = '\0';
	buf_fini(&text);
}

void
processes_arguments(pid_t pid, struct buf *out)
{
	read_about(pid, "cmdline", out);
}

void
processes_environment(pid_t pid, struct buf *out)
{
	read_about(pid, "environ", out);
}

/* A line of /proc/PID/status, "Uid:", without its name. */
static bool
find_status(const struct buf *status, const char *name, struct span *value)
{
	struct span rest = buf_span(status);
	struct span line;

	while (span_cut(&rest, '\n', &line)) {
		if (!span_starts_nocase(line, span_of(name)))
			continue;
		value->ptr = line.ptr + strlen(name);
		value->len = line.len - strlen(name);
		return true;
	}
	return false;
}

/* The numbers of a line; returns how many there are. */
static size_t
read_numbers(struct span value, uint64_t *numbers, size_t room)
{
	struct span word;
	size_t count = 0;

	while (count < room && span_word(&value, &word)) {
		if (span_to_u64(word, &numbers[count]) == 0)
			count++;
	}
	return count;
}

/* The second of the four user or group IDs, which is the effective one. */
static bool
read_id(const struct buf *status, const char *name, uint32_t *id)
{
	struct span value;
	uint64_t numbers[4];

	if (!find_status(status, name, &value) ||
	    read_numbers(value, numbers, 4) < 2)
		return false;
	*id = (uint32_t)numbers[1];
	return true;
}

bool
processes_user(pid_t pid, uid_t *uid)
{
	struct buf status = { 0 };

	read_about(pid, "status", &status);
	bool found = read_id(&status, "Uid:", uid);
	buf_fini(&status);
	return found;
}

bool
processes_is_below(pid_t pid, pid_t parent)
{
	/* Deeper than any service is. */
	for (int i = 0; i < 32 && pid > 1; i++) {
		struct buf status = { 0 };
		struct span value;
		uint64_t above = 0;
		read_about(pid, "status", &status);
		if (find_status(&status, "PPid:", &value))
			(void)read_numbers(value, &above, 1);
		buf_fini(&status);
		pid = (pid_t)above;
		if (pid == parent)
			return true;
	}
	return false;
}

bool
processes_mapped(pid_t pid, const char *part, bool shared, struct buf *path)
{
	struct buf maps = { 0 };
	struct span line;
	bool found = false;

	read_about(pid, "maps", &maps);
	struct span rest = buf_span(&maps);
	while (!found && maps.len > 0 && span_cut(&rest, '\n', &line)) {
		/* proc(5): address, permissions, offset, device, inode, path. */
		const char *at = memchr(line.ptr, '/', line.len);
		const char *blank = memchr(line.ptr, ' ', line.len);
		if (at == NULL || blank == NULL ||
		    (shared && blank + 4 < at && blank[4] != 's'))
			continue;
		size_t len = line.len - (size_t)(at - line.ptr);
		found = memmem(at, len, part, strlen(part)) != NULL &&
		    memmem(at, len, " (deleted)", 10) == NULL;
		if (found)
			buf_put(path, (struct span){ at, len });
	}
	buf_fini(&maps);
	return found;
}

/* In a child: become who that process is.  Returns 0 or -errno. */
static int
become(pid_t pid)
{
	struct buf status = { 0 };
	uint64_t numbers[GROUPS_MAX];
	gid_t groups[GROUPS_MAX];
	struct span value;
	size_t count = 0;
	uint32_t uid;
	uint32_t gid;
	char root[64];

	read_about(pid, "status", &status);
	if (!read_id(&status, "Uid:", &uid) || !read_id(&status, "Gid:", &gid))
		return -ECHILD;
	if (find_status(&status, "Groups:", &value))
		count = read_numbers(value, numbers, GROUPS_MAX);
	for (size_t i = 0; i < count; i++)
		groups[i] = (gid_t)numbers[i];
	buf_fini(&status);
	(void)snprintf(root, sizeof(root), "/proc/%d/root", (int)pid);
	return chroot(root) == 0 && chdir("/") == 0 &&
		setgroups(count, groups) == 0 && setgid(gid) == 0 &&
		setuid(uid) == 0
	    ? 0
	    : -ECHILD;
}

static int
connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t len = strlen(path);

	if (len >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, len + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -ECHILD;
	/* EAGAIN: its queue is full, and it is there. */
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) ==
		0 ||
	    errno == EAGAIN)
		return 0;
	return -errno;
}

int
processes_try_socket(pid_t pid, const char *path)
{
	int status;
	pid_t child = fork();

	if (child < 0)
		return -ECHILD;
	if (child == 0) {
		int rc = become(pid);
		_exit(-(rc == 0 ? connect_to(path) : rc));
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return -ECHILD;
	}
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}
