/* Judges a plugin's descriptor and copies it into the host's own structs. */
#include "plugin/role.h"

#include <string.h>

/* Sizes of ABI 1.0: what a descriptor of this major has at least. When the ABI
 * grows these stay as they are, and GG_ABI_MINOR rises. */
#define SIZE_1_0 (offsetof(struct gg_plugin, unload) + sizeof(void (*)(void)))
#define ROUTE_SIZE_1_0 (offsetof(struct gg_route, doc) + sizeof(char *))
#define KEY_SIZE_1_0 sizeof(struct gg_config_key)
#define METHOD_SIZE_1_0 (offsetof(struct gg_method, doc) + sizeof(char *))
#define MIGRATION_SIZE_1_0 (offsetof(struct gg_migration, sql) + sizeof(char *))
#define INCLUDE_SIZE_1_0 (offsetof(struct gg_include, resource) + sizeof(char *))

#define MAX_ENTRIES 4096 /* of one table: a table without its end is a bug that must not run on */

static bool size_ok(uint16_t size, size_t least)
{
    return size >= least && size % _Alignof(void *) == 0;
}

static int judge(const struct gg_plugin *p, const char *path, const char *base, struct gg_error *err)
{
    if (p == NULL || p->magic != GG_MAGIC)
        return gg_fail(err, GG_E_INVALID,
                       "%s is no Ganglion plugin: its descriptor does not begin with the magic number", path);
    if (p->abi_major != GG_ABI_MAJOR || p->abi_minor > GG_ABI_MINOR)
        return gg_fail(err, GG_E_INVALID, "%s was built for plugin ABI %u.%u, this host has %u.%u: %s", path,
                       p->abi_major, p->abi_minor, GG_ABI_MAJOR, GG_ABI_MINOR,
                       p->abi_major < GG_ABI_MAJOR ? "rebuild the plugin" : "upgrade Ganglion, or rebuild the plugin");
    if (!size_ok(p->size, SIZE_1_0) || !size_ok(p->route_size, ROUTE_SIZE_1_0) || !size_ok(p->key_size, KEY_SIZE_1_0) ||
        !size_ok(p->method_size, METHOD_SIZE_1_0) || !size_ok(p->migration_size, MIGRATION_SIZE_1_0) ||
        !size_ok(p->include_size, INCLUDE_SIZE_1_0))
        return gg_fail(err, GG_E_INVALID, "%s has a damaged descriptor: its structs are smaller than those of ABI %u.0",
                       path, GG_ABI_MAJOR);
    if (p->name == NULL || strcmp(p->name, base) != 0)
        return gg_fail(err, GG_E_INVALID, "%s holds the plugin '%s': the file must be called %s.so", path,
                       p->name != NULL ? p->name : "", p->name != NULL ? p->name : base);
    return 0;
}

/* A table of a plugin, or of a library that it shares with the host. */
struct source {
    const void *table;
    size_t stride; /* size of an entry as its owner was compiled */
};

/* The end of a table is an entry whose first pointer-sized member is zero (for
 * migrations: whose version is). */
static bool is_end(const char *entry, bool by_number)
{
    uint32_t number;
    const void *pointer;
    memcpy(&number, entry, sizeof(number));
    memcpy(&pointer, entry, sizeof(pointer));
    return by_number ? number == 0 : pointer == NULL;
}

static size_t count(struct source s, bool by_number)
{
    size_t n = 0;
    while (s.table != NULL && n < MAX_ENTRIES && !is_end((const char *)s.table + n * s.stride, by_number))
        n++;
    return n;
}

/* All entries of the sources after each other, each in `size` bytes of the host, and an end of zeroes. */
static void *merge(struct gg_arena *arena, const struct source *sources, size_t n_sources, size_t size, bool by_number,
                   size_t *n_out)
{
    size_t total = 0;
    for (size_t i = 0; i < n_sources; i++)
        total += count(sources[i], by_number);
    char *out = gg_arena_array(arena, total + 1, size), *to = out;
    for (size_t i = 0; i < n_sources; i++) {
        const char *from = sources[i].table;
        size_t n = count(sources[i], by_number), bytes = sources[i].stride < size ? sources[i].stride : size;
        for (size_t k = 0; k < n; k++, from += sources[i].stride, to += size)
            memcpy(to, from, bytes);
    }
    if (n_out != NULL)
        *n_out = total;
    return out;
}

/* The plugin's own table, then its groups. Groups belong to libraries that are
 * installed with the host, so their entries have the host's size. */
static struct source *sources_of(struct gg_arena *arena, const void *own, size_t own_stride, const void *const *groups,
                                 size_t group_stride, size_t *n_out)
{
    size_t n = 0;
    while (groups != NULL && n < MAX_ENTRIES && groups[n] != NULL)
        n++;
    struct source *s = GG_NEW_ARRAY(arena, struct source, n + 1);
    s[0] = (struct source){own, own_stride};
    for (size_t i = 0; i < n; i++)
        s[i + 1] = (struct source){groups[i], group_stride};
    *n_out = n + 1;
    return s;
}

static const struct gg_config_key *const *copy_keys(struct gg_arena *arena, const struct gg_plugin *p)
{
    size_t n = 0;
    while (p->key_groups != NULL && n < MAX_ENTRIES && p->key_groups[n] != NULL)
        n++;
    const struct gg_config_key **tables = GG_NEW_ARRAY(arena, const struct gg_config_key *, n + 2);
    struct source own = {p->keys, p->key_size};
    tables[0] = merge(arena, &own, 1, sizeof(struct gg_config_key), false, NULL);
    for (size_t i = 0; i < n; i++)
        tables[i + 1] = p->key_groups[i];
    return tables;
}

static void copy_tables(struct gg_arena *arena, struct gg_role *role)
{
    const struct gg_plugin *p = &role->desc;
    size_t n;
    const struct source *s =
        sources_of(arena, p->routes, p->route_size, (const void *const *)p->route_groups, sizeof(struct gg_route), &n);
    role->routes = merge(arena, s, n, sizeof(struct gg_route), false, &role->n_routes);
    s = sources_of(arena, p->methods, p->method_size, (const void *const *)p->method_groups, sizeof(struct gg_method),
                   &n);
    role->methods = merge(arena, s, n, sizeof(struct gg_method), false, NULL);
    struct source includes = {p->includes, p->include_size}, migrations = {p->migrations, p->migration_size};
    role->includes = merge(arena, &includes, 1, sizeof(struct gg_include), false, NULL);
    role->migrations = merge(arena, &migrations, 1, sizeof(struct gg_migration), true, NULL);
    role->keys = copy_keys(arena, p);
}

int gg_role_adopt(struct gg_arena *arena, const struct gg_plugin *desc, const char *path, const char *base,
                  struct gg_role **out, struct gg_error *err)
{
    int rc = judge(desc, path, base, err);
    if (rc < 0)
        return rc;
    struct gg_role *role = GG_NEW(arena, struct gg_role);
    memcpy(&role->desc, desc, desc->size < sizeof(role->desc) ? desc->size : sizeof(role->desc));
    if (role->desc.worker_apps == NULL) {
        static const char *const none[] = {NULL};
        role->desc.worker_apps = none;
    }
    role->file = gg_arena_strdup(arena, path);
    role->why = "";
    copy_tables(arena, role);
    *out = role;
    return 0;
}
