/*
 * A clock of its own for every process that preloads this: LD_PRELOAD=shim.so FLEET_CLOCK=/path/of/control.
 *
 * Every clock is computed from the kernel's CLOCK_MONOTONIC_RAW and the record in the control file, which the
 * test rewrites while the process runs:  reading + (raw - origin) + floor((raw - origin) * rate / 10^12).
 * clocks.py evaluates the same integers, so the truth is known to the nanosecond. A sequence lock around both
 * the record and the read of RAW sees to it that no reading mixes two records, and that every reading taken
 * under the new record is at or after its origin.
 *
 * It asks nothing of the C library that glibc 2.17 does not have, so that it loads in the chroot of an older
 * release too; the kernel's clocks come from the vDSO, which is as quick as what it replaces.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "kernel.h"

#define NS_PER_S 1000000000LL
#define RATE_ONE 1000000000000LL /* rates are in parts per 10^12 */

enum { REAL, MONO, RAW, BOOT, CLOCKS };

struct segment {
	int64_t origin_ns; /* the kernel's RAW where this segment begins */
	int64_t reading_ns[CLOCKS];
	int64_t rate[CLOCKS];
};

struct control {
	uint64_t sequence; /* odd while the test writes */
	uint64_t shift_stamps;
	int64_t tai_ns; /* TAI minus REALTIME */
	struct segment now, before;
};

static const struct control *control;

static int64_t as_ns(const struct timespec *ts)
{
	return ts->tv_sec * NS_PER_S + ts->tv_nsec;
}

static struct timespec as_timespec(int64_t ns)
{
	struct timespec ts = {ns / NS_PER_S, ns % NS_PER_S};
	if (ts.tv_nsec < 0) {
		ts.tv_sec--;
		ts.tv_nsec += NS_PER_S;
	}
	return ts;
}

static int64_t kernel_ns(clockid_t id)
{
	struct timespec ts;
	kernel_gettime(id, &ts);
	return as_ns(&ts);
}

static int64_t evaluate(const struct segment *segment, int clock, int64_t raw_ns)
{
	int64_t elapsed_ns = raw_ns - segment->origin_ns;
	__int128 gained = (__int128)elapsed_ns * segment->rate[clock];
	int64_t whole = (int64_t)(gained / RATE_ONE);
	if (gained % RATE_ONE < 0) /* C rounds towards zero, the truth rounds down */
		whole--;
	return segment->reading_ns[clock] + elapsed_ns + whole;
}

/* The node's clock `ago_ns` ago, and the TAI offset and flags that held. */
static int64_t node_ns(int clock, int64_t ago_ns, struct control *seen)
{
	uint64_t sequence;
	int64_t raw_ns;
	do {
		sequence = __atomic_load_n(&control->sequence, __ATOMIC_ACQUIRE);
		*seen = *control;
		raw_ns = kernel_ns(CLOCK_MONOTONIC_RAW) - ago_ns;
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while ((sequence & 1) || sequence != __atomic_load_n(&control->sequence, __ATOMIC_RELAXED));
	return evaluate(raw_ns < seen->now.origin_ns ? &seen->before : &seen->now, clock, raw_ns);
}

/* How far the kernel's coarse clock, which moves once a tick, lies behind the fine one. */
static int64_t coarse_lag_ns(clockid_t fine, clockid_t coarse)
{
	int64_t coarse_ns = kernel_ns(coarse);
	return kernel_ns(fine) - coarse_ns;
}

/* Read the node's clock into `ns`; return 0 where the kernel has to answer. */
static int read_node(clockid_t id, int64_t *ns)
{
	struct control seen;
	if (!control)
		return 0;
	switch (id) {
	case CLOCK_REALTIME:
		*ns = node_ns(REAL, 0, &seen);
		return 1;
	case CLOCK_REALTIME_COARSE:
		*ns = node_ns(REAL, coarse_lag_ns(CLOCK_REALTIME, id), &seen);
		return 1;
	case CLOCK_TAI:
		*ns = node_ns(REAL, 0, &seen) + seen.tai_ns;
		return 1;
	case CLOCK_MONOTONIC:
		*ns = node_ns(MONO, 0, &seen);
		return 1;
	case CLOCK_MONOTONIC_COARSE:
		*ns = node_ns(MONO, coarse_lag_ns(CLOCK_MONOTONIC, id), &seen);
		return 1;
	case CLOCK_MONOTONIC_RAW:
		*ns = node_ns(RAW, 0, &seen);
		return 1;
	case CLOCK_BOOTTIME:
		*ns = node_ns(BOOT, 0, &seen);
		return 1;
	default:
		return 0;
	}
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ns;
	if (!kernel_gettime)
		find_kernel_gettime();
	if (!read_node(id, &ns)) {
		int result = kernel_gettime(id, ts);
		return (int)as_libc(result);
	}
	*ts = as_timespec(ns);
	return 0;
}

int gettimeofday(struct timeval *restrict tv, void *restrict zone)
{
	struct timespec ts;
	(void)zone;
	clock_gettime(CLOCK_REALTIME, &ts);
	tv->tv_sec = ts.tv_sec;
	tv->tv_usec = ts.tv_nsec / 1000;
	return 0;
}

/* The kernel's time() reads the coarse clock; so does this one. */
time_t time(time_t *seconds)
{
	struct timespec ts;
	clock_gettime(CLOCK_REALTIME_COARSE, &ts);
	if (seconds)
		*seconds = ts.tv_sec;
	return ts.tv_sec;
}

int timespec_get(struct timespec *ts, int base)
{
	return base == TIME_UTC && clock_gettime(CLOCK_REALTIME, ts) == 0 ? base : 0;
}

/* A deadline on a clock of the node's is waited for in the node's time, in steps of what is left of it. */
int clock_nanosleep(clockid_t id, int flags, const struct timespec *wanted, struct timespec *left)
{
	int64_t now_ns;
	while ((flags & TIMER_ABSTIME) && read_node(id, &now_ns)) {
		int64_t left_ns = as_ns(wanted) - now_ns;
		if (left_ns <= 0)
			return 0;
		struct timespec pause = as_timespec(left_ns);
		long result = kernel_call(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&pause, 0, 0, 0);
		if (result)
			return (int)-result;
	}
	return (int)-kernel_call(SYS_clock_nanosleep, id, flags, (long)wanted, (long)left, 0, 0);
}

/* A stamp of the kernel's as a kernel with the node's clock would have given it, or at most a little later:
 * REALTIME is read before RAW inside node_ns. */
static void shift_stamp(struct timespec *stamp)
{
	struct control seen;
	int64_t ago_ns = kernel_ns(CLOCK_REALTIME) - as_ns(stamp);
	*stamp = as_timespec(node_ns(REAL, ago_ns, &seen));
}

static void shift_coarse_stamp(struct timeval *stamp)
{
	struct timespec ts = {stamp->tv_sec, stamp->tv_usec * 1000};
	shift_stamp(&ts);
	stamp->tv_sec = ts.tv_sec;
	stamp->tv_usec = ts.tv_nsec / 1000;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t size = as_libc(kernel_call(SYS_recvmsg, fd, (long)message, flags, 0, 0, 0));
	if (size < 0 || !control || !__atomic_load_n(&control->shift_stamps, __ATOMIC_RELAXED))
		return size;
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part))
		if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS)
			shift_stamp((struct timespec *)CMSG_DATA(part));
		else if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMP)
			shift_coarse_stamp((struct timeval *)CMSG_DATA(part));
	return size;
}

/* busybox and old Perl ask for the clock by number. */
long syscall(long number, ...)
{
	long a[6];
	va_list list;
	va_start(list, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(list, long);
	va_end(list);
	if (number == SYS_clock_gettime)
		return clock_gettime((clockid_t)a[0], (struct timespec *)a[1]);
	return as_libc(kernel_call(number, a[0], a[1], a[2], a[3], a[4], a[5]));
}

__attribute__((constructor)) static void attach(void)
{
	const char *path = told("FLEET_CLOCK");
	find_kernel_gettime();
	int fd = path ? (int)as_libc(kernel_call(SYS_openat, AT_FDCWD, (long)path, O_RDONLY | O_CLOEXEC, 0, 0, 0)) : -1;
	if (fd < 0)
		return;
	void *page = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (page != MAP_FAILED)
		control = page;
}
