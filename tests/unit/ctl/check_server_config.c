#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/server_config.h"

static void
make(struct server_config *c, const char *text)
{
	*c = (struct server_config){ 0 };
	buf_put_cstr(&c->text, text);
	buf_put(&c->environment, SPAN("RUN=/srv/run\0OTHER=x\0"));
}

START_TEST(sockets_are_found_as_each_server_writes_them)
{
	static const struct {
		const char *text;
		const char *path; /* NULL: none */
	} rows[] = {
		{ "server unix:/run/peal/peal.sock;\n", "/run/peal/peal.sock" },
		{ "fastcgi_pass unix:/run/peal.sock;\n", "/run/peal.sock" },
		{ "ProxyPass \"/e\" \"unix:/run/peal.sock|fcgi://x/\"\n",
		    "/run/peal.sock" },
		{ "Define R /run/p\nProxyPass / \"unix:${R}/peal.sock|fcgi:\"\n",
		    "/run/p/peal.sock" },
		{ "\"socket\" => \"/run/peal.sock\",\n", "/run/peal.sock" },
		{ "var.r = \"/run/l\"\n\"socket\" => var.r + \"/peal.sock\"\n",
		    "/run/l/peal.sock" },
		{ "var.r = env.RUN\nvar.s = var.r + \"/peal.sock\"\n",
		    "/srv/run/peal.sock" },
		{ "reverse_proxy unix/{$NO:/run/peal}/peal.sock {\n",
		    "/run/peal/peal.sock" },
		{ "reverse_proxy unix/{$RUN:/run/peal}/peal.sock {\n",
		    "/srv/run/peal.sock" },
		{ "reverse_proxy unix//run/peal.sock {\n", "/run/peal.sock" },
		{ "presetenv R /run/h\nserver p unix@\"${R}/peal.sock\" proto\n",
		    "/run/h/peal.sock" },
		{ "port: /run/peal/peal.sock\n", "/run/peal/peal.sock" },
		/* Another program's, one that is not known, and none. */
		{ "server unix:/run/peal/php.sock;\n", NULL },
		{ "x unix:${UNKNOWN}/peal.sock\n", NULL },
		{ "\"socket\" => var.no + \"/peal.sock\"\n", NULL },
		{ "peal.sock\n", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		struct server_config c;
		struct buf path = { 0 };
		size_t at = 0;
		make(&c, rows[i].text);

		bool found = server_config_socket(&c, &at, &path);

		ck_assert_msg(found == (rows[i].path != NULL) &&
			(!found || strcmp(path.ptr, rows[i].path) == 0),
		    "row %zu: %s", i, found ? path.ptr : "none");
		ck_assert(!found || !server_config_socket(&c, &at, &path));
		buf_fini(&path);
		server_config_fini(&c);
	}
}
END_TEST

START_TEST(directive_counts_the_last_time_it_is_there)
{
	struct server_config c;
	struct buf value = { 0 };
	uint64_t number = 7;
	make(&c,
	    "MaxRequestWorkers 150\nXMaxRequestWorkers 9\n"
	    "maxrequestworkers   ${OTHER}\nMaxRequestWorkers\t200 # x\n"
	    "DocumentRoot \"/var/www\"\nListen x80\n");

	ck_assert(server_config_number(&c, "MaxRequestWorkers", &number));
	ck_assert_uint_eq(number, 200);
	ck_assert(server_config_value(&c, "DocumentRoot", &value));
	unit_assert_span(buf_span(&value), "/var/www");
	ck_assert(!server_config_number(&c, "Listen", &number));
	ck_assert(!server_config_number(&c, "ServerLimit", &number));
	ck_assert_uint_eq(number, 200);
	ck_assert(server_config_has(&c, "documentroot"));
	ck_assert(!server_config_has(&c, "FcgidWrapper"));
	buf_fini(&value);
	server_config_fini(&c);
}
END_TEST

START_TEST(file_that_the_command_line_names_is_read_without_comments)
{
	char name[] = "/tmp/peal-config-XXXXXX";
	char words[200];
	struct server_config c;
	int fd = mkstemp(name);
	FILE *file = fdopen(fd, "w");
	(void)fputs("# a comment\n\n  key value\n\t#another\nlast", file);
	(void)fclose(file);
	static const struct {
		const char *before;
		char between;
	} lines[] = {
		{ "haproxy -W -f", '\0' },
		{ "caddy run --config", '\0' },
		/* nginx writes its own over with one string. */
		{ "nginx: master process /usr/sbin/nginx -e x -c", ' ' },
	};

	for (size_t i = 0; i < UNIT_COUNT(lines); i++) {
		int len = snprintf(words, sizeof(words), "%s%c%s",
		    lines[i].before, lines[i].between, name);
		server_config_read(&c, "", (struct span){ words, (size_t)len },
		    SPAN("A=b\0"));

		unit_assert_span(buf_span(&c.text), "key value\nlast\n");
		server_config_fini(&c);
	}
	(void)unlink(name);
}
END_TEST

UNIT_MAIN("server_config", sockets_are_found_as_each_server_writes_them,
    directive_counts_the_last_time_it_is_there,
    file_that_the_command_line_names_is_read_without_comments)
