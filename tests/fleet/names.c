/*
 * Preloaded beside the clock of a node: no name server answers for the names that begin with "hanging.", and
 * those that begin with "inside." have the address FLEET_INSIDE.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found)
{
	int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **)) dlsym(
			RTLD_NEXT, "getaddrinfo");
	if (name && !strncmp(name, "hanging.", 8) && !(hints && hints->ai_flags & AI_NUMERICHOST))
		pause();
	if (name && !strncmp(name, "inside.", 7) && getenv("FLEET_INSIDE") && !(hints && hints->ai_flags & AI_NUMERICHOST))
		name = getenv("FLEET_INSIDE");
	return next(name, service, hints, found);
}
