/* config/files.h: which files of a deployment are whose. */
#ifndef GG_CONFIG_FILES_H
#define GG_CONFIG_FILES_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

#define GG_MAX_CONFIG_FILES 1024

struct gg_config_files {
    const char **shared, **workers; /* NULL-ended */
    size_t n_shared, n_workers;
};

GG_CHECKED int gg_config_files_find(struct gg_arena *arena, const char *const *paths, size_t n_paths,
                                    struct gg_config_files *out, struct gg_error *err);

#endif
