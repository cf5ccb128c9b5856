#include "unit.h"

#include <errno.h>

#include "wire/http2_settings.h"

#define BYTES(text) text, sizeof(text) - 1

START_TEST(limit_is_read_from_the_first_frame)
{
	static const struct {
		const char *bytes;
		size_t len;
		int rc;
		uint32_t streams;
	} rows[] = {
		/* Nothing set; window size and streams; what comes behind. */
		{ BYTES("\0\0\0\4\0\0\0\0\0"), 0, HTTP2_SETTINGS_UNLIMITED },
		{ BYTES("\0\0\14\4\0\0\0\0\0\0\4\0\1\0\0\0\3\0\0\0\200"), 0,
		    128 },
		{ BYTES("\0\0\6\4\0\0\0\0\0\0\3\1\2\3\4\0\0\0\4\1"), 0,
		    0x01020304 },
		/* Twice: the last counts. */
		{ BYTES("\0\0\14\4\0\0\0\0\0\0\3\0\0\0\5\0\3\0\0\0\6"), 0, 6 },
		/* An acknowledgement, another frame, half a setting, too long. */
		{ BYTES("\0\0\0\4\1\0\0\0\0"), -EPROTO, 0 },
		{ BYTES("\0\0\0\7\0\0\0\0\0"), -EPROTO, 0 },
		{ BYTES("\0\0\5\4\0\0\0\0\0\0\3\0\0\0"), -EPROTO, 0 },
		{ BYTES("\1\0\2\4\0\0\0\0\0"), -EPROTO, 0 },
		{ BYTES("HTTP/1.1 400 Bad Request"), -EPROTO, 0 },
	};

	for (size_t i = 0; i < UNIT_COUNT(rows); i++) {
		uint32_t streams = 0;
		ck_assert_msg(http2_settings_streams(
				  (struct span){ rows[i].bytes, rows[i].len },
				  &streams) == rows[i].rc &&
			streams == rows[i].streams,
		    "row %zu: %u", i, streams);
	}
}
END_TEST

START_TEST(frame_that_is_not_whole_waits_for_more)
{
	const struct span frame = SPAN("\0\0\6\4\0\0\0\0\0\0\3\0\0\0\144");
	uint32_t streams = 0;

	for (size_t len = 0; len < frame.len; len++)
		ck_assert_int_eq(http2_settings_streams(
				     (struct span){ frame.ptr, len }, &streams),
		    -EAGAIN);
	ck_assert_int_eq(http2_settings_streams(frame, &streams), 0);
	ck_assert_uint_eq(streams, 100);
}
END_TEST

START_TEST(client_says_who_it_is_and_sets_nothing)
{
	/* RFC 9113, section 3.4. */
	const struct span wanted = SPAN("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
					"\0\0\0\4\0\0\0\0\0");

	ck_assert(span_equal(http2_settings_preface(), wanted));
}
END_TEST

UNIT_MAIN("http2_settings", limit_is_read_from_the_first_frame,
    frame_that_is_not_whole_waits_for_more,
    client_says_who_it_is_and_sets_nothing)
