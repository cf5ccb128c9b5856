#include "clock.h"

#include <time.h>

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
