/*
 * Corrections of the clock are accepted and change nothing. OpenNTPD serves the time only after the kernel has
 * accepted one, and in a test no process may touch the machine's clock.
 */
#include <string.h>
#include <sys/time.h>

int adjtime(const struct timeval *delta, struct timeval *left)
{
	(void)delta;
	if (left)
		memset(left, 0, sizeof *left);
	return 0;
}
