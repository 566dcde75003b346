/*
 * Preloaded into an SSH server: whoever logs in has the shell FLEET_SHELL and the home FLEET_HOME, so that a
 * test needs neither root nor a user of its own in /etc/passwd to try a login shell.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pwd.h>
#include <stdlib.h>
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
	return as_told(next(name));
}

struct passwd *getpwuid(uid_t uid)
{
	struct passwd *(*next)(uid_t) = (struct passwd * (*)(uid_t)) dlsym(RTLD_NEXT, "getpwuid");
	return as_told(next(uid));
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
