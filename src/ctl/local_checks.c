#include "ctl/local_checks.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/apache_checks.h"
#include "ctl/own_address.h"
#include "ctl/processes.h"
#include "ctl/server_config.h"
#include "ctl/unit_check.h"

/* Sockets that one configuration names; more are not looked at. */
#define SOCKETS_MAX 8
#define NAME_OF_PEAL "peal.fcgi"

static const struct {
	const char *program;
	enum advice_server server;
} programs[] = {
	{ "lighttpd", ADVICE_LIGHTTPD },
	{ "nginx", ADVICE_NGINX },
	{ "apache2", ADVICE_APACHE },
	{ "httpd", ADVICE_APACHE },
	{ "caddy", ADVICE_CADDY },
	{ "haproxy", ADVICE_HAPROXY },
	{ "h2o", ADVICE_H2O },
	{ "varnishd", ADVICE_VARNISH },
	{ "cache-main", ADVICE_VARNISH },
	{ "squid", ADVICE_SQUID },
	{ "traffic_server", ADVICE_TRAFFIC_SERVER },
	{ "[TS_MAIN]", ADVICE_TRAFFIC_SERVER },
};

/* The web server at the port. */
struct local_server {
	struct processes all;
	pid_t first;  /* the one that the others come from */
	pid_t worker; /* which connects to peal: not root where there is one */
	char name[PROCESSES_NAME_MAX];
	enum advice_server server;
	struct server_config config;
};

static enum advice_server
server_called(const char *name)
{
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		if (strcmp(programs[i].program, name) == 0)
			return programs[i].server;
	}
	return ADVICE_UNKNOWN;
}

/* Find who listens there.  Returns false where that is nobody we know. */
static bool
find_server(struct local_server *s, const struct probe_mount *mount)
{
	struct buf arguments = { 0 };
	struct buf environment = { 0 };
	uint64_t port;
	uid_t uid;

	*s = (struct local_server){ .first = -1 };
	if (span_to_u64(mount->url.port, &port) != 0)
		return false;
	processes_at_port((uint16_t)port, &s->all);
	for (size_t i = 0; i < s->all.count; i++) {
		pid_t pid = s->all.pids[i];
		char name[PROCESSES_NAME_MAX];
		processes_name(pid, name);
		/* systemd may hold the port as well, and passes it on. */
		if (server_called(name) == ADVICE_UNKNOWN)
			continue;
		if (s->first < 0) {
			s->first = s->worker = pid;
			memcpy(s->name, name, sizeof(name));
		}
		if (processes_user(pid, &uid) && uid != 0)
			s->worker = pid;
	}
	if (s->first < 0)
		return false;
	s->server = server_called(s->name);
	processes_arguments(s->first, &arguments);
	processes_environment(s->first, &environment);
	server_config_read(&s->config, s->name, buf_span(&arguments),
	    buf_span(&environment));
	buf_fini(&arguments);
	buf_fini(&environment);
	return true;
}

/* Who may do what with it: "srw-rw---- peal www-data", as ls -l has it. */
static void
print_mode(const struct local_server *s, const char *path, char *out,
    size_t room)
{
	char below[4200];
	struct stat st;

	(void)snprintf(below, sizeof(below), "/proc/%d/root%s", (int)s->worker,
	    path);
	if (stat(below, &st) != 0)
		(void)snprintf(out, room, "unknown");
	else
		(void)snprintf(out, room, "mode 0%o, user %u, group %u",
		    (unsigned)(st.st_mode & 07777), (unsigned)st.st_uid,
		    (unsigned)st.st_gid);
}

/* lighttpd adds "-0" to the socket of a program that it starts itself. */
static bool
is_spawned(const struct local_server *s, const char *path)
{
	char spawned[300];
	struct stat st;

	(void)snprintf(spawned, sizeof(spawned), "%.280s-0", path);
	return s->server == ADVICE_LIGHTTPD && stat(spawned, &st) == 0;
}

static void
judge_socket(struct findings *g, const struct local_server *s, const char *path)
{
	const char *server = advice_server_name(s->server);
	int rc = processes_try_socket(s->worker, path);
	uid_t uid = 0;
	char mode[100];

	if (is_spawned(s, path))
		return;
	if (rc == -ENOENT || rc == -ENOTDIR) {
		findings_find(g, ADVICE_SOCKET_MISSING,
		    "%s's configuration names %s, which is not there", server,
		    path);
	} else if (rc == -ECONNREFUSED) {
		findings_find(g, ADVICE_SOCKET_REFUSED,
		    "%s's configuration names %s, at which nobody listens",
		    server, path);
	} else if (rc == -EACCES || rc == -EPERM) {
		(void)processes_user(s->worker, &uid);
		const struct passwd *user = getpwuid(uid);
		print_mode(s, path, mode, sizeof(mode));
		findings_find(g, ADVICE_SOCKET_FORBIDDEN,
		    "%s, as the user %s (%u), may not connect to %s: %s",
		    server, user != NULL ? user->pw_name : "?", (unsigned)uid,
		    path, mode);
	} else {
		return;
	}
	/* Whatever the web server answers for that, it is explained. */
	g->is_explained = true;
}

/* Say which arena a process of peal has.  Returns false where it has none. */
static bool
note_arena(struct findings *g, pid_t pid, const char *where)
{
	struct buf path = { 0 };
	bool found = processes_mapped(pid, "/", true, &path);

	if (found)
		findings_note(g,
		    "the arena of peal.fcgi %d, %s: pealctl --arena %.*s",
		    (int)pid, where, (int)path.len, path.ptr);
	buf_fini(&path);
	return found;
}

/* Among those who hold the socket, the first worker with an arena. */
static void
note_socket(struct findings *g, const struct local_server *s, const char *path)
{
	struct processes all;
	char where[300];

	(void)s;
	processes_at_socket(path, &all);
	(void)snprintf(where, sizeof(where), "at %.280s", path);
	for (size_t i = 0; i < all.count; i++) {
		char name[PROCESSES_NAME_MAX];
		processes_name(all.pids[i], name);
		if (strcmp(name, NAME_OF_PEAL) == 0 &&
		    note_arena(g, all.pids[i], where))
			return;
	}
}

/* Those that the web server has started itself. */
static void
note_children(struct findings *g, const struct local_server *s)
{
	struct processes all;
	struct buf last = { 0 };

	processes_called(NAME_OF_PEAL, &all);
	for (size_t i = 0; i < all.count; i++) {
		struct buf path = { 0 };
		if (processes_is_below(all.pids[i], s->first) &&
		    processes_mapped(all.pids[i], "/", true, &path) &&
		    !span_equal(buf_span(&path), buf_span(&last))) {
			(void)note_arena(g, all.pids[i],
			    "started by the web server");
			buf_clear(&last);
			buf_put(&last, buf_span(&path));
		}
		buf_fini(&path);
	}
	buf_fini(&last);
}

/* Call do_it() for each socket that the configuration names. */
static void
each_socket(struct findings *g, const struct local_server *s,
    void (*do_it)(struct findings *g, const struct local_server *s,
	const char *path))
{
	char seen[SOCKETS_MAX][256];
	size_t count = 0;
	size_t at = 0;
	struct buf path = { 0 };

	while (count < SOCKETS_MAX &&
	    server_config_socket(&s->config, &at, &path)) {
		size_t same = 0;
		while (same < count && strcmp(seen[same], path.ptr) != 0)
			same++;
		if (same < count || path.len > sizeof(seen[0]))
			continue;
		memcpy(seen[count++], path.ptr, path.len);
		do_it(g, s, path.ptr);
	}
	buf_fini(&path);
}

/* Whether there is anything to see here. */
static bool
is_here(const struct probe *p)
{
	const struct http_client_target *target = &p->subscribe.target;

	return geteuid() == 0 &&
	    own_address_is((const struct sockaddr *)&target->address);
}

void
local_checks(struct probe *p)
{
	struct findings *g = &p->diagnosis;
	struct local_server s;

	if (!is_here(p))
		return;
	findings_step(g, "looking at this machine");
	if (find_server(&s, &p->subscribe)) {
		g->hops.servers |= 1U << s.server;
		if (s.server == ADVICE_APACHE)
			apache_checks(g, s.first, &s.config);
		each_socket(g, &s, judge_socket);
		server_config_fini(&s.config);
	}
	unit_check(g);
}

void
local_checks_arenas(struct probe *p)
{
	struct local_server s;

	if (!is_here(p) || !find_server(&s, &p->subscribe))
		return;
	each_socket(&p->diagnosis, &s, note_socket);
	note_children(&p->diagnosis, &s);
	server_config_fini(&s.config);
}
