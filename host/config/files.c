/* Sorts the files of a deployment into shared ones and those of single workers. */
#include "config/files.h"

#include "config/yaml.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SUFFIX ".yaml"

static bool has_keys(const struct gg_node *top, const char *a, const char *b)
{
    return gg_node_get(top, a) != NULL && gg_node_get(top, b) != NULL;
}

/* Lies beside configuration files without being one: a log_config, or the registration of an application service. */
static bool is_stranger(const struct gg_node *top)
{
    return gg_node_get(top, "server_name") == NULL && gg_node_get(top, "worker_app") == NULL &&
           (has_keys(top, "version", "handlers") || has_keys(top, "version", "root") ||
            has_keys(top, "as_token", "hs_token"));
}

static int add_file(struct gg_arena *arena, const char *path, bool named, struct gg_config_files *out,
                    struct gg_error *err)
{
    struct gg_node *top;
    int rc = gg_yaml_parse_file(arena, path, NULL, NULL, &top, err);
    if (rc < 0)
        return rc;
    if (gg_node_kind(top) != GG_NODE_MAP || (!named && is_stranger(top)))
        return 0;
    if (out->n_shared + out->n_workers == GG_MAX_CONFIG_FILES)
        return gg_fail(err, GG_E_LIMIT, "more than %d configuration files", GG_MAX_CONFIG_FILES);
    const char *app = gg_node_text(gg_node_get(top, "worker_app"));
    if (app == NULL)
        out->shared[out->n_shared++] = path;
    else if (strcmp(app, "synapse.app.homeserver") != 0) /* synctl's mark of the main process: says nothing new */
        out->workers[out->n_workers++] = path;
    return 0;
}

static int is_yaml(const struct dirent *entry)
{
    size_t n = strlen(entry->d_name);
    return n > sizeof(SUFFIX) - 1 && strcmp(entry->d_name + n - (sizeof(SUFFIX) - 1), SUFFIX) == 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int add_folder(struct gg_arena *arena, const char *folder, struct gg_config_files *out, struct gg_error *err)
{
    struct dirent **list;
    int n = scandir(folder, &list, is_yaml, by_name), rc = 0;
    for (int i = 0; i < n; i++) {
        if (rc == 0)
            rc = add_file(arena, gg_arena_printf(arena, "%s/%s", folder, list[i]->d_name), false, out, err);
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    return rc;
}

static int add_path(struct gg_arena *arena, const char *path, struct gg_config_files *out, struct gg_error *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return gg_fail(err, GG_E_NOT_FOUND, "there is no file or folder %s", path);
    if (!S_ISDIR(st.st_mode))
        return add_file(arena, path, true, out, err);
    int rc = add_folder(arena, path, out, err);
    if (rc == 0)
        rc = add_folder(arena, gg_arena_printf(arena, "%s/conf.d", path), out, err);
    return rc == 0 ? add_folder(arena, gg_arena_printf(arena, "%s/workers", path), out, err) : rc;
}

int gg_config_files_find(struct gg_arena *arena, const char *const *paths, size_t n_paths, struct gg_config_files *out,
                         struct gg_error *err)
{
    int rc = 0;
    *out = (struct gg_config_files){.shared = GG_NEW_ARRAY(arena, const char *, GG_MAX_CONFIG_FILES + 1),
                                    .workers = GG_NEW_ARRAY(arena, const char *, GG_MAX_CONFIG_FILES + 1)};
    for (size_t i = 0; rc == 0 && i < n_paths; i++)
        rc = add_path(arena, paths[i], out, err);
    if (rc == 0 && out->n_shared == 0)
        rc = gg_fail(err, GG_E_INVALID, "none of the files is shared by all processes (homeserver.yaml is missing)");
    return rc;
}
