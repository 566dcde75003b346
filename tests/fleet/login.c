/*
 * Preloaded into an SSH server: every login has the shell FLEET_SHELL and the home FLEET_HOME, so that a test
 * needs neither root nor a user of its own in /etc/passwd to try a login shell. The user FLEET_ALIAS is another
 * name of the server's own. Preloaded into ssh and skewmon: they read the ssh configuration of that home.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct passwd *as_told(struct passwd *entry)
{
	char *shell = getenv("FLEET_SHELL");
	char *home = getenv("FLEET_HOME");
	if (!entry || entry->pw_uid != getuid()) /* the server's own unprivileged user stays as it is */
		return entry;
	if (shell)
		entry->pw_shell = shell;
	if (home)
		entry->pw_dir = home;
	return entry;
}

struct passwd *getpwnam(const char *name)
{
	struct passwd *(*next)(const char *) = (struct passwd * (*)(const char *)) dlsym(RTLD_NEXT, "getpwnam");
	const char *alias = getenv("FLEET_ALIAS");
	return alias && !strcmp(name, alias) ? getpwuid(getuid()) : as_told(next(name));
}

struct passwd *getpwuid(uid_t uid)
{
	struct passwd *(*next)(uid_t) = (struct passwd * (*)(uid_t)) dlsym(RTLD_NEXT, "getpwuid");
	return as_told(next(uid));
}

int getpwuid_r(uid_t uid, struct passwd *entry, char *buffer, size_t size, struct passwd **result)
{
	int (*next)(uid_t, struct passwd *, char *, size_t, struct passwd **) =
		(int (*)(uid_t, struct passwd *, char *, size_t, struct passwd **)) dlsym(RTLD_NEXT, "getpwuid_r");
	int error = next(uid, entry, buffer, size, result);
	as_told(*result);
	return error;
}

/* Dropbear refuses a shell that /etc/shells does not list; this list has the one that was asked for. */
static int listed;

void setusershell(void)
{
	listed = 0;
}

char *getusershell(void)
{
	return listed++ ? NULL : getenv("FLEET_SHELL");
}
