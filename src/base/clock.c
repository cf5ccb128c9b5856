#include "base/clock.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t
read_ms(clockid_t which)
{
	struct timespec now;

	if (clock_gettime(which, &now) != 0 || now.tv_sec < 0)
		return 0;
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

struct clock_now
clock_read(void)
{
	return (struct clock_now){
		.wall_ms = read_ms(CLOCK_REALTIME),
		.boot_ms = read_ms(CLOCK_BOOTTIME) + 1,
	};
}

uint64_t
clock_measure_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) +
	    (uint64_t)now.tv_nsec;
}

void
clock_boot_id(unsigned char id[16])
{
	char text[64];
	int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text));
	size_t nibble = 0;

	if (fd >= 0)
		close(fd);
	memset(id, 0, 16);
	for (ssize_t i = 0; i < len && nibble < 32; i++) {
		char c = text[i];
		int digit = c >= '0' && c <= '9' ? c - '0'
		    : c >= 'a' && c <= 'f'	 ? c - 'a' + 10
						 : -1;
		if (digit < 0)
			continue;
		id[nibble / 2] = (unsigned char)(id[nibble / 2] * 16 + digit);
		nibble++;
	}
}
