#include "unit.h"

#include "wire/negotiate.h"

static const char *const types[] = { "application/json", "text/html",
	"text/event-stream" };

START_TEST(type_of_the_highest_quality_is_chosen)
{
	static const struct {
		const char *accept;
		size_t chosen;
	} rows[] = {
		/* Who says nothing, or anything goes, gets the first. */
		{ "", 0 },
		{ "*/*", 0 },
		{ "*/*;q=0.1", 0 },
		{ "application/*", 0 },
		{ "application/json", 0 },
		{ "application/json, text/html", 0 },
		{ "text/html, application/json", 0 },
		{ "text/html, */*", 0 },
		/* Nor does it end here where nothing fits. */
		{ "image/png", 0 },
		{ "text/plain", 0 },
		{ "text/html;q=0", 0 },
		{ "text/html;q=0, */*", 0 },
		{ "*/*;q=0", 0 },
		/* What browsers send. */
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,"
		  "image/avif,image/webp,image/apng,*/*;q=0.8,"
		  "application/signed-exchange;v=b3;q=0.7",
		    1 },
		{ "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;"
		  "q=0.8",
		    1 },
		{ "text/event-stream", 2 },
		/* Qualities. */
		{ "text/html", 1 },
		{ "TEXT/Html", 1 },
		{ "text/html;q=1, application/json;q=0.999", 1 },
		{ "text/html;q=0.999, application/json", 0 },
		{ "text/html;q=0.5, application/json;q=0.5", 0 },
		{ "text/html;q=0.501, application/json;q=0.5", 1 },
		{ "text/html ; q=0.2 , application/json ; q=0.1", 1 },
		{ "text/html;Q=1,application/json;Q=0.1", 1 },
		{ "text/html;q=0.001", 1 },
		{ "application/json;q=0, text/html;q=0.1", 1 },
		{ "text/event-stream, text/html;q=0.9", 2 },
		{ "text/event-stream;q=0.8, text/html;q=0.9", 1 },
		/* The closest range decides, wherever it stands. */
		{ "text/*", 1 },
		{ "text/*, text/html;q=0.1", 2 },
		{ "text/html;q=0.1, text/*, */*", 0 },
		{ "text/html;q=0.1, text/*, application/*;q=0.9", 2 },
		{ "*/*;q=0.5, text/*;q=0.4, application/json;q=0.3", 1 },
		{ "text/html;q=0.1, text/html;q=0.9, application/json;q=0.5",
		    1 },
		/* Other parameters, and quoted strings. */
		{ "text/html;charset=utf-8", 1 },
		{ "text/html;level=1;q=0, application/json;q=0.1", 0 },
		{ "text/html;a=\"x;q=0,y\";q=1, application/json;q=0.1", 1 },
		{ "text/html;a=\"\\\"\\\\,\";q=0.1, application/json;q=0.2",
		    0 },
		{ "text/html;a=\"open, application/json", 1 },
		{ "text/html;a=\"open\\", 1 },
		/* What is no quality does not count. */
		{ "text/html;q=", 0 },
		{ "text/html;q=x", 0 },
		{ "text/html;q=2", 0 },
		{ "text/html;q=1.001", 0 },
		{ "text/html;q=0.1234", 0 },
		{ "text/html;q=.5", 0 },
		{ "text/html;q=-1", 0 },
		{ "text/html;q=1.000, */*;q=0.9", 1 },
		{ "text/html;q=1., */*;q=0.9", 1 },
		/* Not quite a type. */
		{ "text/htm, */*", 0 },
		{ "text/html5", 0 },
		{ "text", 0 },
		{ "text/", 0 },
		{ "/*", 0 },
		{ "tex/*", 0 },
		{ "*", 0 },
		{ ",,;,;q=1,", 0 },
		{ ",text/html,", 1 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		size_t chosen =
		    negotiate_choose(span_of(rows[i].accept), types, 3);
		ck_assert_msg(chosen == rows[i].chosen, "%s: %zu",
		    rows[i].accept, chosen);
	}
}
END_TEST

START_TEST(header_that_is_missing_leaves_the_first)
{
	ck_assert_uint_eq(negotiate_choose((struct span){ NULL, 0 }, types, 3),
	    0);
}
END_TEST

UNIT_MAIN("accept", type_of_the_highest_quality_is_chosen,
    header_that_is_missing_leaves_the_first)
