/*
 * A seam in the allocator: the linker turns our calls of malloc() and its like
 * into those below (--wrap in Makefile.am), which count them and let one fail.
 * Only what is linked statically is turned: libfcgi, which aborts on NULL,
 * json-c and libc itself have what they want.
 */
#ifndef PEAL_TESTS_SEAM_H
#define PEAL_TESTS_SEAM_H

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t count, size_t size);
char *__real_strdup(const char *string);
char *__real_strndup(const char *string, size_t len);
int __real_vasprintf(char **out, const char *format, va_list arguments);
void __real_free(void *memory);

void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t count, size_t size);
char *__wrap_strdup(const char *string);
char *__wrap_strndup(const char *string, size_t len);
int __wrap_vasprintf(char **out, const char *format, va_list arguments);
int __wrap_asprintf(char **out, const char *format, ...);
int __wrap___vasprintf_chk(char **out, int flag, const char *format,
    va_list arguments);
int __wrap___asprintf_chk(char **out, int flag, const char *format, ...);
void __wrap_free(void *memory);

/* Threads that are started under it are counted too. */
static struct {
	long nth;     /* the allocation that is to fail; 0: none */
	bool lasting; /* and all after it */
	_Atomic bool armed;
	_Atomic long count;
	_Atomic bool hit; /* one failed */
	_Atomic long live;
} seam;

/* True if the allocation that is asked for now must fail. */
static bool
seam_fails(void)
{
	if (!atomic_load(&seam.armed))
		return false;
	long at = atomic_fetch_add(&seam.count, 1) + 1;
	if (seam.nth == 0 || at < seam.nth || (at > seam.nth && !seam.lasting))
		return false;
	atomic_store(&seam.hit, true);
	errno = ENOMEM;
	return true;
}

static void *
seam_count(void *memory)
{
	if (memory != NULL)
		atomic_fetch_add(&seam.live, 1);
	return memory;
}

void *
__wrap_malloc(size_t size)
{
	return seam_fails() ? NULL : seam_count(__real_malloc(size));
}

void *
__wrap_calloc(size_t count, size_t size)
{
	return seam_fails() ? NULL : seam_count(__real_calloc(count, size));
}

void *
__wrap_realloc(void *old, size_t size)
{
	if (seam_fails())
		return NULL;
	return old == NULL ? seam_count(__real_malloc(size))
			   : __real_realloc(old, size);
}

void *
__wrap_reallocarray(void *old, size_t count, size_t size)
{
	if (seam_fails())
		return NULL;
	void *memory = __real_reallocarray(old, count, size);
	return old == NULL ? seam_count(memory) : memory;
}

char *
__wrap_strdup(const char *string)
{
	return seam_fails() ? NULL : seam_count(__real_strdup(string));
}

char *
__wrap_strndup(const char *string, size_t len)
{
	return seam_fails() ? NULL : seam_count(__real_strndup(string, len));
}

__attribute__((format(printf, 2, 0))) int
__wrap_vasprintf(char **out, const char *format, va_list arguments)
{
	if (seam_fails())
		return -1;
	int len = __real_vasprintf(out, format, arguments);
	if (len >= 0)
		(void)seam_count(*out);
	return len;
}

__attribute__((format(printf, 2, 3))) int
__wrap_asprintf(char **out, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int len = __wrap_vasprintf(out, format, arguments);
	va_end(arguments);
	return len;
}

/* What the two become under _FORTIFY_SOURCE. */
__attribute__((format(printf, 3, 0))) int
__wrap___vasprintf_chk(char **out, int flag, const char *format,
    va_list arguments)
{
	(void)flag;
	return __wrap_vasprintf(out, format, arguments);
}

__attribute__((format(printf, 3, 4))) int
__wrap___asprintf_chk(char **out, int flag, const char *format, ...)
{
	va_list arguments;

	(void)flag;
	va_start(arguments, format);
	int len = __wrap_vasprintf(out, format, arguments);
	va_end(arguments);
	return len;
}

void
__wrap_free(void *memory)
{
	if (memory != NULL)
		atomic_fetch_sub(&seam.live, 1);
	__real_free(memory);
}

static void
seam_arm(void)
{
	atomic_store(&seam.count, 0);
	atomic_store(&seam.hit, false);
	atomic_store(&seam.armed, true);
}

static void
seam_disarm(void)
{
	atomic_store(&seam.armed, false);
}

/* Make one call with the allocation failing whose turn it is. */
#define SEAM_STARVE(call)      \
	do {                   \
		seam_arm();    \
		call;          \
		seam_disarm(); \
	} while (0)

/* The descriptors that are open. */
static inline int
seam_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

static inline void
seam_try(void (*trial)(void *), void *setup)
{
	long live = atomic_load(&seam.live);
	int descriptors = seam_descriptors();

	atomic_store(&seam.hit, false);
	trial(setup);
	ck_assert_msg(atomic_load(&seam.live) == live,
	    "%ld allocations left behind; the one that failed: %ld",
	    atomic_load(&seam.live) - live, seam.nth);
	ck_assert_msg(seam_descriptors() == descriptors,
	    "%d descriptors left behind; the allocation that failed: %ld",
	    seam_descriptors() - descriptors, seam.nth);
}

/*
 * Make a trial, which has one SEAM_STARVE() in it and leaves nothing behind, with
 * its first allocation failing, then its second, and so on until it runs through;
 * after each once more with memory.  Then all that again with every allocation
 * failing from there on.
 */
static inline void
seam_starve(void (*trial)(void *), void *setup)
{
	for (int lasting = 0; lasting < 2; lasting++) {
		bool hit = true;
		for (long n = 1; hit; n++) {
			seam.nth = n;
			seam.lasting = lasting != 0;
			seam_try(trial, setup);
			hit = atomic_load(&seam.hit);
			ck_assert_msg(hit || n > 1, "nothing is allocated");
			seam.nth = 0;
			seam_try(trial, setup);
		}
	}
}

#endif
