/* Which files are read, and how they become one map: each -c is a file, or a folder
 * whose *.yaml count in order of name; a later file replaces top-level keys whole;
 * the command line comes last. */
#include "config/internal.h"
#include "config/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

static void hear_note(void *arg, const char *text)
{
    gg_config_find((struct gg_config *)arg, GG_FINDING_WARNING, "%s", text);
}

static void merge(struct gg_config *config, const struct gg_node *document)
{
    if (document->kind != GG_NODE_MAP) {
        gg_config_find(config, GG_FINDING_WARNING, "%s: %s; the file is ignored", document->where,
                       document->kind == GG_NODE_NULL ? "nothing in it" : "its top is not a map");
        return;
    }
    for (size_t i = 0; i < document->n; i++) {
        const struct gg_entry *entry = &document->entries[i];

        gg_node_put(config->arena, config->root, entry->key, entry->where, entry->value);
    }
}

static int read_one(struct gg_config *config, const char *path, struct gg_error *err)
{
    struct gg_node *document;
    int status = gg_yaml_parse_file(config->arena, path, hear_note, config, &document, err);

    if (!status)
        merge(config, document);
    return status;
}

static bool ends_in_yaml(const char *name)
{
    size_t n = strlen(name);

    return n > 5 && strcmp(name + n - 5, ".yaml") == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* One entry of a folder: its path if it counts, NULL (with a note) if not. */
static const char *folder_file(struct gg_config *config, const char *folder, const char *name)
{
    const char *path = gg_arena_printf(config->arena, "%s/%s", folder, name);
    struct stat st;

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return NULL;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode)) {
        gg_config_find(config, GG_FINDING_NOTE, "%s: skipped, not a file", path);
        return NULL;
    }
    if (!ends_in_yaml(name)) {
        gg_config_find(config, GG_FINDING_NOTE, "%s: skipped, its name does not end in .yaml", path);
        return NULL;
    }
    return path;
}

enum { MAX_FILES = 1024 };

struct listing {
    const char **paths;
    size_t n;
};

static int list_folder(struct gg_config *config, const char *folder, struct listing *files, struct gg_error *err)
{
    DIR *dir = opendir(folder);
    size_t first = files->n;

    if (!dir)
        return gg_fail(err, GG_E_IO, "cannot open the folder %s: %s", folder, strerror(errno));
    for (struct dirent *entry; files->n < MAX_FILES && (entry = readdir(dir)) != NULL;) {
        files->paths[files->n] = folder_file(config, folder, entry->d_name);
        files->n += files->paths[files->n] ? 1 : 0;
    }
    closedir(dir);
    if (files->n == MAX_FILES)
        return gg_fail(err, GG_E_LIMIT, "more than %d files", MAX_FILES - 1);
    qsort(files->paths + first, files->n - first, sizeof(*files->paths), by_name);
    return 0;
}

static const char *folder_of(struct gg_arena *arena, const char *path, bool is_folder)
{
    const char *slash = strrchr(path, '/');

    if (is_folder)
        return gg_arena_strdup(arena, path);
    return slash ? gg_arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path)) : ".";
}

static int list_path(struct gg_config *config, const char *path, struct listing *files, struct gg_error *err)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return gg_fail(err, errno == ENOENT ? GG_E_NOT_FOUND : GG_E_IO, "cannot open %s: %s", path, strerror(errno));
    config->directory = folder_of(config->arena, path, S_ISDIR(st.st_mode));
    if (S_ISDIR(st.st_mode))
        return list_folder(config, path, files, err);
    if (files->n + 1 >= MAX_FILES)
        return gg_fail(err, GG_E_LIMIT, "more than %d files", MAX_FILES - 1);
    files->paths[files->n++] = gg_arena_strdup(config->arena, path);
    return 0;
}

int gg_config_list_files(struct gg_config *config, const struct gg_config_source *source, const char *const **out,
                         struct gg_error *err)
{
    struct listing files = {GG_NEW_ARRAY(config->arena, const char *, MAX_FILES + 1), 0};
    int status = 0;

    for (size_t i = 0; i < source->n_paths && !status; i++)
        status = list_path(config, source->paths[i], &files, err);
    files.paths[files.n] = NULL;
    *out = (const char *const *)files.paths;
    return status;
}

/* Sets "a.b" as if the file had it; maps on the way are copied, for aliases share them. */
static void put_path(struct gg_config *config, const char *path, const char *where, struct gg_node *value)
{
    struct gg_node *map = config->root;

    for (const char *dot; (dot = strchr(path, '.')) != NULL; path = dot + 1) {
        const char *key = gg_arena_strndup(config->arena, path, (size_t)(dot - path));
        const struct gg_node *old = gg_node_get(map, key);
        struct gg_node *copy = gg_node_new(config->arena, GG_NODE_MAP, where);

        for (size_t i = 0; old && old->kind == GG_NODE_MAP && i < old->n; i++)
            gg_node_put(config->arena, copy, old->entries[i].key, old->entries[i].where, old->entries[i].value);
        gg_node_put(config->arena, map, key, where, copy);
        map = copy;
    }
    gg_node_put(config->arena, map, gg_arena_strdup(config->arena, path), where, value);
}

static int apply_override(struct gg_config *config, const struct gg_config_override *override, struct gg_error *err)
{
    struct gg_node *value;
    const char *where = gg_arena_strdup(config->arena, override->flag ? override->flag : "command line");
    int status = gg_yaml_parse(config->arena, where, gg_str(override->yaml), NULL, NULL, &value, err);

    if (!status)
        put_path(config, override->path, where, value);
    return status;
}

int gg_config_collect(struct gg_config *config, const struct gg_config_source *source, struct gg_error *err)
{
    const char *const *files;
    int status = gg_config_list_files(config, source, &files, err);

    if (!status && source->text) {
        struct gg_node *document;

        status = gg_yaml_parse(config->arena, "text", gg_str(source->text), hear_note, config, &document, err);
        if (!status)
            merge(config, document);
    }
    config->files = source->text ? NULL : files;
    for (; !status && *files; files++)
        status = read_one(config, *files, err);
    for (size_t i = 0; i < source->n_overrides && !status; i++)
        status = apply_override(config, &source->overrides[i], err);
    if (source->config_directory)
        config->directory = gg_arena_strdup(config->arena, source->config_directory);
    return status;
}
