/* Finds plugin files. The search is ours, not libltdl's: that would look along
 * LD_LIBRARY_PATH and LTDL_LIBRARY_PATH too, and could not say where it looked. */
#include "plugin/path.h"

#include "plugin/name.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX ".so"
#define MAX_FOLDERS 32
#define MAX_FILES 512 /* of all folders together; more is a mistake in the path */

struct folders {
    struct gg_arena *arena;
    const char **list;
    size_t n;
};

static void add_folder(struct folders *f, const char *path)
{
    char resolved[PATH_MAX];
    const char *name = realpath(path, resolved) != NULL ? resolved : path;
    for (size_t i = 0; i < f->n; i++)
        if (strcmp(f->list[i], name) == 0)
            return;
    if (f->n < MAX_FOLDERS)
        f->list[f->n++] = gg_arena_strdup(f->arena, name);
}

static void add_build_folder(struct folders *f)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n <= 0)
        return;
    exe[n] = '\0';
    char *slash = strrchr(exe, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    const char *path = gg_arena_printf(f->arena, "%s/../plugins", exe);
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) /* an installed tree has none: not worth naming */
        add_folder(f, path);
    /* An installed tree that was moved as a whole (DESTDIR, a package test) keeps working. */
    path = gg_arena_printf(f->arena, "%s/%s", exe, GANGLION_PLUGIN_RELATIVE_DIR);
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        add_folder(f, path);
}

const char *const *gg_plugin_folders(struct gg_arena *arena, const char *const *options, const char *environment)
{
    struct folders f = {arena, GG_NEW_ARRAY(arena, const char *, MAX_FOLDERS + 1), 0};
    for (; options != NULL && *options != NULL; options++)
        add_folder(&f, *options);
    while (environment != NULL && *environment != '\0') {
        size_t n = strcspn(environment, ":");
        if (n > 0)
            add_folder(&f, gg_arena_strndup(arena, environment, n));
        environment += n + (environment[n] == ':');
    }
    add_build_folder(&f);
    add_folder(&f, GANGLION_PLUGIN_DIR);
    return f.list;
}

const char *gg_plugin_find(struct gg_arena *arena, const char *const *folders, const char *base)
{
    for (; *folders != NULL; folders++) {
        const char *path = gg_arena_printf(arena, "%s/%s" SUFFIX, *folders, base);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return path;
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static size_t list_folder(struct gg_arena *arena, const char *folder, const char **names, size_t n)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return n;
    for (struct dirent *entry; n < MAX_FILES && (entry = readdir(dir)) != NULL;) {
        size_t length = strlen(entry->d_name);
        if (length <= sizeof(SUFFIX) - 1 || strcmp(entry->d_name + length - (sizeof(SUFFIX) - 1), SUFFIX) != 0)
            continue;
        const char *base = gg_arena_strndup(arena, entry->d_name, length - (sizeof(SUFFIX) - 1));
        if (gg_role_name_valid(base))
            names[n++] = base;
    }
    closedir(dir);
    return n;
}

const char *const *gg_plugin_installed(struct gg_arena *arena, const char *const *folders, size_t *n_out)
{
    const char **names = GG_NEW_ARRAY(arena, const char *, MAX_FILES + 1);
    size_t n = 0, kept = 0;
    for (; *folders != NULL; folders++)
        n = list_folder(arena, *folders, names, n);
    qsort(names, n, sizeof(*names), by_name);
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    names[kept] = NULL;
    *n_out = kept;
    return names;
}

void gg_plugin_list_text(struct gg_buf *out, const char *const *names)
{
    if (*names == NULL)
        gg_buf_lit(out, "none");
    for (bool first = true; *names != NULL; names++, first = false) {
        if (!first)
            gg_buf_lit(out, ", ");
        gg_buf_text(out, *names);
    }
}
