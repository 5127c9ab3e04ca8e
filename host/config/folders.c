/* Where the files of a deployment's other processes lie, as far as one's own tell. */
#include "config/internal.h"

#include <string.h>

static const char *folder_of(struct gg_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (slash == NULL)
        return ".";
    return gg_arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path));
}

/* Is it listed already, or "workers" of one that is? Reading a folder reads that one too (files.h). */
static bool is_covered(const char *const *list, size_t n, const char *folder)
{
    static const char below[] = "/workers";
    size_t size = strlen(folder), tail = sizeof(below) - 1;
    bool workers = size > tail && strcmp(folder + size - tail, below) == 0;
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i], folder) == 0 ||
            (workers && strlen(list[i]) == size - tail && strncmp(list[i], folder, size - tail) == 0))
            return true;
    return false;
}

const char *const *gg_config_folders(const struct gg_config *config)
{
    size_t n_files = 0, n = 0;
    while (config->files != NULL && config->files[n_files] != NULL)
        n_files++;
    const char **list = GG_NEW_ARRAY(config->arena, const char *, n_files + 1);
    for (size_t i = 0; i < n_files; i++) {
        const char *folder = folder_of(config->arena, config->files[i]);
        if (!is_covered(list, n, folder))
            list[n++] = folder;
    }
    list[n] = NULL;
    return list;
}
