/*
 * A fuzz target without libFuzzer: runs it over files, and over random changes
 * of them, so that "make check" holds its properties with any compiler.
 *
 * usage: replay_TARGET [FILE | FOLDER] ...
 *        replay_TARGET --seeds FOLDER
 *
 * Without arguments the corpus is $srcdir/tests/fuzz/corpus/TARGET and the
 * target's own seeds.  --seeds writes those into a folder, for libFuzzer.
 * PEAL_TEST_SEED repeats a run, PEAL_FUZZ_RUNS says how many changed inputs.
 */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define RUNS 2000
#define INPUT_MAX 65536

/* Targets without seeds of their own need not say so. */
__attribute__((weak)) bool
fuzz_seed(size_t n, struct buf *out)
{
	(void)n;
	(void)out;
	return false;
}

static struct buf *inputs;
static size_t input_count;

/* What is being run, for the message when it aborts. */
static struct buf current;
static char culprit[64];

static void
add_input(const struct buf *input)
{
	struct buf *more =
	    realloc(inputs, (input_count + 1) * sizeof(inputs[0]));

	FUZZ_REQUIRE(more != NULL);
	inputs = more;
	inputs[input_count++] = *input;
}

static void
add_file(const char *path)
{
	struct buf input = { 0 };
	FILE *file = fopen(path, "rb");
	size_t len;

	if (file == NULL) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	do {
		char *to = buf_room(&input, 4096);
		FUZZ_REQUIRE(to != NULL);
		len = fread(to, 1, 4096, file);
		input.len += len;
	} while (len > 0);
	fclose(file);
	add_input(&input);
}

static int
is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void
add_path(const char *path)
{
	struct dirent **entries;
	struct stat st;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		add_file(path);
		return;
	}
	int count = scandir(path, &entries, is_visible, alphasort);
	if (count < 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
	for (int i = 0; i < count; i++) {
		char *file = NULL;
		FUZZ_REQUIRE(
		    asprintf(&file, "%s/%s", path, entries[i]->d_name) > 0);
		add_file(file);
		free(file);
		free(entries[i]);
	}
	free(entries);
}

static void
add_seeds(void)
{
	struct buf seed = { 0 };

	for (size_t n = 0; fuzz_seed(n, &seed); n++) {
		add_input(&seed);
		buf_init(&seed);
	}
	buf_fini(&seed);
}

static int
write_seeds(const char *folder)
{
	struct buf seed = { 0 };

	for (size_t n = 0; fuzz_seed(n, &seed); n++) {
		char *path = NULL;
		FUZZ_REQUIRE(asprintf(&path, "%s/seed%zu", folder, n) > 0);
		FILE *file = fopen(path, "wb");
		if (file == NULL ||
		    fwrite(seed.ptr, 1, seed.len, file) != seed.len ||
		    fclose(file) != 0) {
			fprintf(stderr, "%s: %s\n", path, strerror(errno));
			exit(1);
		}
		free(path);
		buf_clear(&seed);
	}
	buf_fini(&seed);
	return 0;
}

/* Leave the input behind, and let the signal do its work. */
static void
keep_culprit(int signal_number)
{
	FILE *file = fopen(culprit, "wb");

	(void)signal_number;
	if (file != NULL) {
		(void)fwrite(current.ptr, 1, current.len, file);
		(void)fclose(file);
		fprintf(stderr, "the input is in %s\n", culprit);
	}
}

static uint64_t state;

static size_t
roll(size_t below)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (size_t)((state >> 11) % below);
}

static void
take_in(const struct buf *input)
{
	buf_clear(&current);
	buf_put(&current, buf_span(input));
}

/* Change current a little: a byte, a cut, or a piece of another input. */
static void
change_once(void)
{
	const struct buf *other = &inputs[roll(input_count)];
	size_t at = current.len == 0 ? 0 : roll(current.len);
	size_t left = current.len - at;

	switch (roll(6)) {
	case 0:
		if (left > 0)
			current.ptr[at] = (char)roll(256);
		break;
	case 1:
		if (left > 0)
			current.ptr[at] ^= (char)(1 << roll(8));
		break;
	case 2:
		current.len = at;
		break;
	case 3:
		if (left > 0) {
			size_t gone = 1 + roll(left);
			memmove(current.ptr + at, current.ptr + at + gone,
			    left - gone);
			current.len -= gone;
		}
		break;
	case 4:
		if (other->len > 0 && current.len < INPUT_MAX) {
			size_t from = roll(other->len);
			buf_put(&current,
			    (struct span){ other->ptr + from,
				1 + roll(other->len - from) });
		}
		break;
	case 5:
		if (left > 0 && other->len > 0) {
			size_t from = roll(other->len);
			size_t len = 1 + roll(other->len - from);
			memcpy(current.ptr + at, other->ptr + from,
			    len < left ? len : left);
		}
		break;
	}
}

static void
run(void)
{
	static const char none[1];
	const char *ptr = current.len == 0 ? none : current.ptr;

	(void)LLVMFuzzerTestOneInput((const uint8_t *)ptr, current.len);
}

static unsigned long
number_from(const char *variable, unsigned long otherwise)
{
	const char *text = getenv(variable);

	return text == NULL ? otherwise : strtoul(text, NULL, 10);
}

static void
find_inputs(int argc, char **argv)
{
	const char *srcdir = getenv("srcdir");
	char *corpus = NULL;

	for (int i = 1; i < argc; i++)
		add_path(argv[i]);
	if (argc > 1)
		return;
	add_seeds();
	FUZZ_REQUIRE(asprintf(&corpus, "%s/tests/fuzz/corpus/%s",
			 srcdir == NULL ? "." : srcdir, fuzz_name) > 0);
	/* A target with seeds of its own needs no folder. */
	if (input_count == 0 || access(corpus, F_OK) == 0)
		add_path(corpus);
	free(corpus);
}

int
main(int argc, char **argv)
{
	const struct sigaction once = { .sa_handler = keep_culprit,
		.sa_flags = (int)SA_RESETHAND };
	unsigned long seed =
	    number_from("PEAL_TEST_SEED", (unsigned long)time(NULL));
	unsigned long runs = number_from("PEAL_FUZZ_RUNS", RUNS);

	if (argc == 3 && strcmp(argv[1], "--seeds") == 0)
		return write_seeds(argv[2]);
	find_inputs(argc, argv);
	printf("replay_%s: %zu inputs, %lu changed ones, PEAL_TEST_SEED=%lu\n",
	    fuzz_name, input_count, runs, seed);
	(void)fflush(stdout);
	(void)snprintf(culprit, sizeof(culprit), "crash-%s-%ld", fuzz_name,
	    (long)getpid());
	(void)sigaction(SIGABRT, &once, NULL);
	(void)sigaction(SIGALRM, &once, NULL);
	state = seed * 2 + 1;
	for (size_t i = 0; i < input_count; i++) {
		take_in(&inputs[i]);
		(void)alarm(60);
		run();
	}
	for (unsigned long i = 0; i < runs && input_count > 0; i++) {
		take_in(&inputs[roll(input_count)]);
		for (size_t changes = 1 + roll(4); changes > 0; changes--)
			change_once();
		(void)alarm(60);
		run();
	}
	for (size_t i = 0; i < input_count; i++)
		buf_fini(&inputs[i]);
	free(inputs);
	buf_fini(&current);
	return 0;
}
