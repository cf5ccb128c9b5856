#include "ctl/arena_path.h"

#include <errno.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arena/path.h"
#include "base/option_type.h"

/* RuntimeDirectory= of peal.service. */
#define SERVICE_ARENA "/run/peal/arena"
#define USUAL_ARENAS "/dev/shm/peal-*/arena"

static bool
is_there(const char *path, struct stat *st)
{
	return lstat(path, st) == 0 && S_ISREG(st->st_mode);
}

int
arena_path_arena(char *path, size_t room)
{
	struct stat st;
	int rc = path_default(path, room);

	if (rc == 0 && getenv("RUNTIME_DIRECTORY") == NULL &&
	    sizeof(SERVICE_ARENA) <= room && !is_there(path, &st) &&
	    is_there(SERVICE_ARENA, &st))
		memcpy(path, SERVICE_ARENA, sizeof(SERVICE_ARENA));
	return rc;
}

int
arena_path_become_owner(const char *path)
{
	struct stat st;

	if (geteuid() != 0 || lstat(path, &st) != 0 || st.st_uid == 0)
		return 0;
	return setgroups(0, NULL) == 0 && setgid(st.st_gid) == 0 &&
		setuid(st.st_uid) == 0
	    ? 0
	    : -errno;
}

static void
put_arena(struct buf *text, const char *before, const char *path)
{
	struct stat st;

	if (!is_there(path, &st))
		return;
	const struct passwd *owner = getpwuid(st.st_uid);
	option_print(text, "%s%s (%s)", text->len > 0 ? ", " : before, path,
	    owner != NULL ? owner->pw_name : "of an unknown user");
}

void
arena_path_put_others(struct buf *text, const char *before)
{
	glob_t found;

	put_arena(text, before, SERVICE_ARENA);
	if (glob(USUAL_ARENAS, 0, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			put_arena(text, before, found.gl_pathv[i]);
		globfree(&found);
	}
}
