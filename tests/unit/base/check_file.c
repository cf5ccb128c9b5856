#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

/* A folder of the test's own, and a file in it. */
struct place {
	char folder[64];
	char path[80];
	char link[80];
};

static struct place
place_make(const char *content, size_t len, mode_t mode)
{
	struct place p;

	strcpy(p.folder, "/tmp/peal-check-file-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(p.folder));
	(void)snprintf(p.path, sizeof(p.path), "%s/file", p.folder);
	(void)snprintf(p.link, sizeof(p.link), "%s/link", p.folder);
	int fd = open(p.path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, content, len), (ssize_t)len);
	ck_assert_int_eq(fchmod(fd, mode), 0);
	close(fd);
	return p;
}

static void
place_remove(const struct place *p)
{
	(void)unlink(p->path);
	(void)unlink(p->link);
	ck_assert_int_eq(rmdir(p->folder), 0);
}

/* Read a secret, see that the fault is told, and forget what was read. */
static int
read_secret(const char *path, const char *expected)
{
	struct buf out;
	const char *fault;

	buf_init(&out);
	int error = file_read_secret(path, 100, &out, &fault);
	ck_assert_int_eq(fault == NULL, error == 0);
	if (expected != NULL)
		ck_assert_str_eq(fault, expected);
	buf_fini(&out);
	return error;
}

START_TEST(a_file_is_appended_whole)
{
	char content[10000];
	struct buf out;
	memset(content, 'x', sizeof(content));
	content[0] = '\0';
	struct place p = place_make(content, sizeof(content), 0644);
	buf_init(&out);
	buf_put_char(&out, 'y');

	int error = file_read(p.path, 20000, &out);

	ck_assert_int_eq(error, 0);
	ck_assert_uint_eq(out.len, 1 + sizeof(content));
	ck_assert_mem_eq(out.ptr + 1, content, sizeof(content));
	buf_fini(&out);
	place_remove(&p);
}
END_TEST

START_TEST(a_file_may_be_as_long_as_the_limit)
{
	struct place p = place_make("12345", 5, 0600);
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(file_read(p.path, 5, &out), 0);
	ck_assert_int_eq(file_read(p.path, 5, &out), 0);
	buf_clear(&out);
	ck_assert_int_eq(file_read(p.path, 4, &out), -EFBIG);
	buf_fini(&out);
	place_remove(&p);
}
END_TEST

START_TEST(what_cannot_be_read_is_told)
{
	struct buf out;

	buf_init(&out);
	ck_assert_int_eq(file_read("/nonexistent/x", 9, &out), -ENOENT);
	ck_assert_int_eq(file_read("/tmp", 9, &out), -EISDIR);
	ck_assert_int_eq(read_secret("/nonexistent/x", strerror(ENOENT)),
	    -ENOENT);
	buf_fini(&out);
}
END_TEST

START_TEST(a_secret_is_read_where_others_have_no_access)
{
	static const struct {
		mode_t mode;
		int error;
	} cases[] = { { 0600, 0 }, { 0640, 0 }, { 0660, 0 }, { 0644, -EACCES },
		{ 0602, -EACCES }, { 0601, -EACCES } };

	for (size_t i = 0; i < UNIT_COUNT(cases); i++) {
		struct place p = place_make("x", 1, cases[i].mode);

		int error = read_secret(p.path, NULL);

		ck_assert_int_eq(error, cases[i].error);
		place_remove(&p);
	}
}
END_TEST

START_TEST(a_link_to_a_secret_is_followed)
{
	struct place p = place_make("x", 1, 0600);
	ck_assert_int_eq(symlink(p.path, p.link), 0);

	int error = read_secret(p.link, NULL);

	ck_assert_int_eq(error, 0);
	place_remove(&p);
}
END_TEST

/* Opening a FIFO for reading would wait for a writer. */
START_TEST(a_secret_is_no_fifo_and_no_folder)
{
	struct place p = place_make("", 0, 0600);
	ck_assert_int_eq(mkfifo(p.link, 0600), 0);

	ck_assert_int_eq(read_secret(p.link, "not a regular file"), -EINVAL);
	ck_assert_int_eq(read_secret(p.folder, "not a regular file"), -EINVAL);
	place_remove(&p);
}
END_TEST

START_TEST(a_secret_has_a_limit_too)
{
	char content[101];
	memset(content, 'x', sizeof(content));
	struct place fits = place_make(content, 100, 0600);
	struct place over = place_make(content, 101, 0600);

	ck_assert_int_eq(read_secret(fits.path, NULL), 0);
	ck_assert_int_eq(read_secret(over.path, NULL), -EFBIG);
	place_remove(&fits);
	place_remove(&over);
}
END_TEST

UNIT_MAIN("file", a_file_is_appended_whole, a_file_may_be_as_long_as_the_limit,
    what_cannot_be_read_is_told, a_secret_is_read_where_others_have_no_access,
    a_link_to_a_secret_is_followed, a_secret_is_no_fifo_and_no_folder,
    a_secret_has_a_limit_too)
