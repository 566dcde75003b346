/*
 * A boot of its own for every process that has a clock of its own: the kernel's boot_id is read from the file
 * beside the control file instead, so that nodes on one kernel are not taken for one machine.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kernel.h"

static int open_instead(int directory, const char *path, int flags, mode_t mode)
{
	char own[PATH_MAX];
	const char *clock = told("FLEET_CLOCK");
	if (clock && !strcmp(path, "/proc/sys/kernel/random/boot_id")) {
		snprintf(own, sizeof own, "%s.boot_id", clock);
		path = own;
	}
	return (int)as_libc(kernel_call(SYS_openat, directory, (long)path, flags, mode, 0, 0));
}

/* The mode is there only where a file may be made. */
#define MODE(after) \
	mode_t mode = 0; \
	if (flags & (O_CREAT | O_TMPFILE)) { \
		va_list list; \
		va_start(list, after); \
		mode = va_arg(list, mode_t); \
		va_end(list); \
	}

int open(const char *path, int flags, ...)
{
	MODE(flags)
	return open_instead(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	MODE(flags)
	return open_instead(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...)
{
	MODE(flags)
	return open_instead(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...)
{
	MODE(flags)
	return open_instead(directory, path, flags, mode);
}

/* What _FORTIFY_SOURCE makes of calls without a mode. */
int __open_2(const char *path, int flags)
{
	return open_instead(AT_FDCWD, path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
	return open_instead(AT_FDCWD, path, flags, 0);
}
