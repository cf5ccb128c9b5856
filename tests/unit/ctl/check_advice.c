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
	ck_assert_int_eq(advice_server_of(SPAN("my-nginx")), ADVICE_UNKNOWN);
	ck_assert_int_eq(advice_server_of((struct span){ NULL, 0 }),
	    ADVICE_UNKNOWN);
}
END_TEST

START_TEST(remedy_is_for_the_server_that_is_there)
{
	struct buf text = { 0 };

	advice_put(&text, ADVICE_BUFFERED, ADVICE_LIGHTTPD, "  ");

	ck_assert(says(&text, "\n  lighttpd: server.stream-response-body"));
	ck_assert(!says(&text, "nginx"));
	buf_fini(&text);
}
END_TEST

START_TEST(unknown_server_is_told_of_all_each_line_by_name)
{
	struct buf text = { 0 };

	advice_put(&text, ADVICE_BUFFERED, ADVICE_UNKNOWN, "  ");

	ck_assert(says(&text, "\n  lighttpd: "));
	ck_assert(says(&text, "\n  nginx: "));
	ck_assert(says(&text, "\n  Apache: mod_fcgid: "));
	ck_assert(says(&text, "\n  Apache: mod_proxy_fcgi: "));
	ck_assert(says(&text, "\n  Caddy: "));
	buf_fini(&text);
}
END_TEST

START_TEST(every_ailment_has_a_code_of_its_own_and_a_meaning)
{
	for (int i = 0; i <= ADVICE_NO_CORS; i++) {
		struct buf text = { 0 };
		const char *code = advice_code((enum advice_fault)i);
		ck_assert_ptr_nonnull(code);
		ck_assert_uint_eq(strspn(code, "abcdefghijklmnopqrstuvwxyz-"),
		    strlen(code));
		for (int j = 0; j < i; j++)
			ck_assert_str_ne(code,
			    advice_code((enum advice_fault)j));
		advice_put(&text, (enum advice_fault)i, ADVICE_CADDY, "");
		ck_assert_uint_gt(text.len, 20);
		buf_fini(&text);
	}
}
END_TEST

UNIT_MAIN("advice", server_is_known_by_how_its_name_begins,
    remedy_is_for_the_server_that_is_there,
    unknown_server_is_told_of_all_each_line_by_name,
    every_ailment_has_a_code_of_its_own_and_a_meaning)
