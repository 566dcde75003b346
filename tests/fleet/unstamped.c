/*
 * No kernel receive stamps for a time server that preloads this beside the shim: they would be of the machine's
 * clock and not of the one that the shim gives it. The server then stamps arrivals itself, as on an old kernel.
 */
#define _GNU_SOURCE
#include <sys/socket.h>

#include "kernel.h"

#define SO_TIMESTAMPING_NEW_ 65
#define SO_TIMESTAMP_NEW_ 63
#define SO_TIMESTAMPNS_NEW_ 64

int setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	if (level == SOL_SOCKET)
		switch (name) {
		case SO_TIMESTAMP:
		case SO_TIMESTAMPNS:
		case SO_TIMESTAMPING:
		case SO_TIMESTAMP_NEW_:
		case SO_TIMESTAMPNS_NEW_:
		case SO_TIMESTAMPING_NEW_:
			errno = ENOPROTOOPT;
			return -1;
		}
	return (int)as_libc(kernel_call(SYS_setsockopt, fd, level, name, (long)value, length, 0));
}

/* The header is shared with libraries that replace the clocks. */
__attribute__((constructor)) static void attach(void)
{
	(void)kernel_gettime;
	(void)told;
	(void)find_kernel_gettime;
}
