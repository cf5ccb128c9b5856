# The fuzz targets by libFuzzer, for "make fuzz": everything is compiled anew by
# clang, with sanitizers, into the folder fuzz/ of the build folder.
#
# From Makefile: srcdir, SOURCES (of the library), LDLIBS, INCLUDES.
# From people: FUZZ_TARGETS, FUZZ_SECONDS or FUZZ_RUNS, FUZZ_CC.

FUZZ_CC = clang
FUZZ_TARGETS = json query resume message request options keys record arena \
	url response eventsource
sanitize = -fsanitize=address,undefined -fno-sanitize-recover=all
compile = @echo "  FUZZ    " $@ && $(FUZZ_CC) -std=c17 -O2 -g \
	-fno-omit-frame-pointer $(sanitize) -fsanitize=fuzzer-no-link $(coverage) \
	-D_GNU_SOURCE -DHAVE_CONFIG_H $(INCLUDES) -MMD -MP -c -o $@ $<
objects = $(patsubst src/%.c,fuzz/%.o,$(filter %.c,$(SOURCES)))
folders = $(sort $(dir $(objects)))
programs = $(FUZZ_TARGETS:%=fuzz/fuzz_%)
replays = $(FUZZ_TARGETS:%=fuzz/replay_%)

# Half of the time of fuzz_arena went into noting what is compared with what.
fuzz/target_arena.o $(filter fuzz/arena/%,$(objects)): coverage = -fno-sanitize-coverage=trace-cmp

run: $(programs) $(replays)
	@FUZZ_TARGETS="$(FUZZ_TARGETS)" sh $(srcdir)/tests/fuzz/run

fuzz/fuzz_%: fuzz/target_%.o $(objects)
	@$(FUZZ_CC) $(sanitize) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

fuzz/replay_%: fuzz/target_%.o fuzz/replay.o $(objects)
	@$(FUZZ_CC) $(sanitize) -o $@ $^ $(LDLIBS)

fuzz/%.o: $(srcdir)/src/%.c | $(folders)
	$(compile)

fuzz/target_%.o: $(srcdir)/tests/fuzz/fuzz_%.c | fuzz
	$(compile)

fuzz/replay.o: $(srcdir)/tests/fuzz/replay.c | fuzz
	$(compile)

fuzz $(folders):
	mkdir -p $@

.PHONY: run
.SECONDARY:
-include $(wildcard fuzz/*.d fuzz/*/*.d)
