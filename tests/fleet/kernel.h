/*
 * The kernel as it is, past every function that the shim replaces, and without dlsym, whose symbol version
 * changed in glibc 2.34.
 */
#include <elf.h>
#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int (*kernel_gettime)(clockid_t, struct timespec *);

static long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
#if defined(__x86_64__)
	long result;
	register long r10 __asm__("r10") = d;
	register long r8 __asm__("r8") = e;
	register long r9 __asm__("r9") = f;
	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return result;
#elif defined(__aarch64__)
	register long x8 __asm__("x8") = number;
	register long x0 __asm__("x0") = a;
	register long x1 __asm__("x1") = b;
	register long x2 __asm__("x2") = c;
	register long x3 __asm__("x3") = d;
	register long x4 __asm__("x4") = e;
	register long x5 __asm__("x5") = f;
	__asm__ volatile("svc 0"
			 : "+r"(x0)
			 : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
			 : "memory");
	return x0;
#else
#error "the shim knows x86-64 and aarch64"
#endif
}

/* bash has a getenv of its own that knows nothing yet when libraries are loaded. */
__attribute__((unused)) static const char *told(const char *name)
{
	size_t length = strlen(name);
	for (char **entry = environ; entry && *entry; entry++)
		if (!strncmp(*entry, name, length) && (*entry)[length] == '=')
			return *entry + length + 1;
	return NULL;
}

__attribute__((unused)) static long as_libc(long result)
{
	if (result < 0 && result > -4096) {
		errno = (int)-result;
		return -1;
	}
	return result;
}

static int gettime_by_call(clockid_t id, struct timespec *ts)
{
	return (int)kernel_call(SYS_clock_gettime, id, (long)ts, 0, 0, 0, 0);
}

/* The vDSO's clock_gettime, found in its dynamic section; a system call where the kernel has no vDSO. */
__attribute__((unused)) static void find_kernel_gettime(void)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const ElfW(Ehdr) *header = (const void *)base;
	const ElfW(Sym) *symbols = NULL;
	const char *strings = NULL;
	const uint32_t *hash = NULL;

	kernel_gettime = gettime_by_call;
	if (!base)
		return;
	const ElfW(Phdr) *part = (const void *)(base + header->e_phoff);
	for (int i = 0; i < header->e_phnum; i++) {
		if (part[i].p_type != PT_DYNAMIC)
			continue;
		for (const ElfW(Dyn) *entry = (const void *)(base + part[i].p_offset); entry->d_tag; entry++) {
			const char *place = base + entry->d_un.d_ptr;
			if (entry->d_tag == DT_SYMTAB)
				symbols = (const void *)place;
			else if (entry->d_tag == DT_STRTAB)
				strings = place;
			else if (entry->d_tag == DT_HASH)
				hash = (const void *)place;
		}
	}
	for (uint32_t i = 0; symbols && strings && hash && i < hash[1]; i++) {
		const char *name = strings + symbols[i].st_name;
		if (!strcmp(name, "__vdso_clock_gettime") || !strcmp(name, "__kernel_clock_gettime"))
			kernel_gettime = (int (*)(clockid_t, struct timespec *))(base + symbols[i].st_value);
	}
}
