#include "unit.h"

#include <string.h>

#include "ctl/advice.h"

static bool
says(const struct buf *text, const char *word)
{
	return memmem(text->ptr, text->len, word, strlen(word)) != NULL;
}

START_TEST(server_is_known_by_how_its_name_begins)
{
	ck_assert_int_eq(advice_server_of(SPAN("lighttpd/1.4.69")),
	    ADVICE_LIGHTTPD);
	ck_assert_int_eq(advice_server_of(SPAN("nginx")), ADVICE_NGINX);
	ck_assert_int_eq(advice_server_of(SPAN("Apache/2.4.62 (Debian)")),
	    ADVICE_APACHE);
	ck_assert_int_eq(advice_server_of(SPAN("Caddy")), ADVICE_CADDY);
	ck_assert_int_eq(advice_server_of(SPAN("h2o/2.2.5")), ADVICE_H2O);
	ck_assert_int_eq(advice_server_of(SPAN("squid/5.7")), ADVICE_SQUID);
	ck_assert_int_eq(advice_server_of(SPAN("ATS/9.2.5")),
	    ADVICE_TRAFFIC_SERVER);
	ck_assert_int_eq(advice_server_of(SPAN("my-nginx")), ADVICE_UNKNOWN);
	ck_assert_int_eq(advice_server_of((struct span){ NULL, 0 }),
	    ADVICE_UNKNOWN);
}
END_TEST

START_TEST(servers_are_found_in_via)
{
	static const struct {
		const char *via;
		unsigned servers;
	} rows[] = {
		{ "1.1 varnish (Varnish/7.1)", 1U << ADVICE_VARNISH },
		{ "1.1 localhost (squid/5.7)", 1U << ADVICE_SQUID },
		{ "http/1.1 host (ApacheTrafficServer/9.2.5 [uScMsSf pSeN:t "
		  "cCMp sS])",
		    1U << ADVICE_TRAFFIC_SERVER },
		{ "1.1 Caddy,1.1 x (squid/6)",
		    1U << ADVICE_CADDY | 1U << ADVICE_SQUID },
		{ "1.1 my-squid, 2 vegur", 0 },
		{ "", 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++)
		ck_assert_uint_eq(advice_servers_of_via(span_of(rows[i].via)),
		    rows[i].servers);
}
END_TEST

START_TEST(remedy_is_for_the_servers_that_are_there)
{
	const struct advice_hops hops = { .servers = 1U << ADVICE_LIGHTTPD |
		    1U << ADVICE_VARNISH };
	struct buf text = { 0 };

	advice_put(&text, ADVICE_BUFFERED, &hops, "  ");

	ck_assert(says(&text, "\n  lighttpd: server.stream-response-body"));
	ck_assert(says(&text, "\n  Varnish: return (pipe)"));
	ck_assert(!says(&text, "nginx"));
	buf_fini(&text);
}
END_TEST

START_TEST(unknown_server_gets_the_meaning_alone)
{
	const struct advice_hops hops = { .servers = 0 };
	struct buf text = { 0 };

	advice_put(&text, ADVICE_BUFFERED, &hops, "  ");

	ck_assert(says(&text, "The web server keeps"));
	ck_assert(!says(&text, "\n  "));
	buf_fini(&text);
}
END_TEST

START_TEST(remedy_is_for_the_module_that_is_there)
{
	struct advice_hops hops = { .servers = 1U << ADVICE_APACHE };
	struct buf text = { 0 };

	advice_put(&text, ADVICE_BUFFERED, &hops, "");
	ck_assert(says(&text, "\nApache: mod_fcgid: "));
	ck_assert(says(&text, "\nApache: mod_proxy_fcgi: "));
	buf_clear(&text);
	hops.module = "mod_fcgid";
	advice_put(&text, ADVICE_CEILING, &hops, "");

	ck_assert(says(&text, "\nApache: mod_fcgid"));
	/* What is for any module stays. */
	ck_assert(says(&text, "\nApache: MaxRequestWorkers"));
	buf_clear(&text);
	hops.module = "mod_proxy_fcgi";
	advice_put(&text, ADVICE_CEILING, &hops, "");
	ck_assert(!says(&text, "mod_fcgid"));
	buf_fini(&text);
}
END_TEST

START_TEST(every_ailment_has_a_code_of_its_own_and_a_meaning)
{
	const struct advice_hops hops = { .servers = 1U << ADVICE_CADDY };

	for (int i = 0; i < ADVICE_FAULTS; i++) {
		struct buf text = { 0 };
		const char *code = advice_code((enum advice_fault)i);
		ck_assert_ptr_nonnull(code);
		ck_assert_uint_eq(strspn(code, "abcdefghijklmnopqrstuvwxyz2-"),
		    strlen(code));
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(code,
			    advice_code((enum advice_fault)j));
		advice_put(&text, (enum advice_fault)i, &hops, "");
		ck_assert_uint_gt(text.len, 20);
		buf_fini(&text);
	}
}
END_TEST

UNIT_MAIN("advice", server_is_known_by_how_its_name_begins,
    servers_are_found_in_via, remedy_is_for_the_servers_that_are_there,
    unknown_server_gets_the_meaning_alone,
    remedy_is_for_the_module_that_is_there,
    every_ailment_has_a_code_of_its_own_and_a_meaning)
