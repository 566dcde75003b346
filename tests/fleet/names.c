/*
 * Preloaded beside the clock of a node: no name server answers for the names that begin with "hanging.".
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **)) dlsym(
			RTLD_NEXT, "getaddrinfo");
	if (name && !strncmp(name, "hanging.", 8) && !(hints && hints->ai_flags & AI_NUMERICHOST))
		pause();
	return next(name, service, hints, found);
}
