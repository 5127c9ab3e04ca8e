/* Gathers the routes of all opened plugins, one entry for each method and spelling. */
#include "proxy/catalog.h"

#include "main/host.h"
#include "plugin/spelling.h"

#include <ganglion/map.h>
#include <stdlib.h>

struct maker {
    struct gg_arena *arena;
    const struct gg_plugins *plugins;
    struct gg_map *by_shape; /* "GET /a/{}" -> index + 1 */
    struct gg_catalog *out;
    size_t cap;
};

static struct gg_catalog_entry *add_entry(struct maker *m, const struct gg_route *route, const char *path)
{
    const char *key = gg_arena_printf(m->arena, "%s %s", route->method, gg_path_shape(m->arena, path));
    size_t known = (size_t)(uintptr_t)gg_map_get(m->by_shape, gg_str(key));
    if (known > 0)
        return &m->out->entries[known - 1];
    if (m->out->n == m->cap) {
        size_t cap = m->cap > 0 ? m->cap * 2 : 256;
        struct gg_catalog_entry *more = GG_NEW_ARRAY(m->arena, struct gg_catalog_entry, cap);
        if (m->cap > 0)
            memcpy(more, m->out->entries, m->out->n * sizeof(*more));
        m->out->entries = more;
        m->cap = cap;
    }
    struct gg_catalog_entry *entry = &m->out->entries[m->out->n++];
    *entry = (struct gg_catalog_entry){.method = route->method, .path = path, .route = route};
    entry->roles = GG_NEW_ARRAY(m->arena, const struct gg_role *, m->plugins->n);
    gg_map_put(m->by_shape, gg_str(key), (void *)(uintptr_t)m->out->n);
    return entry;
}

static void add_role(struct gg_catalog_entry *entry, const struct gg_role *role)
{
    for (size_t i = 0; i < entry->n_roles; i++)
        if (entry->roles[i] == role)
            return;
    entry->roles[entry->n_roles++] = role;
}

static bool is_main(const struct gg_role *role)
{
    for (const char *const *app = role->desc.worker_apps; app != NULL && *app != NULL; app++)
        if (strcmp(*app, GG_MAIN_APP) == 0)
            return true;
    return false;
}

/* A route that a role only knows (no handler, or it is main's alone) is served by another one. */
static bool only_knows(const struct gg_role *role, const struct gg_route *route)
{
    return route->handler == NULL ||
           (route->writer != NULL && strcmp(route->writer, GG_WRITER_MAIN) == 0 && !is_main(role));
}

static int add_role_routes(struct maker *m, const struct gg_role *role, struct gg_error *err)
{
    for (const struct gg_route *route = role->routes; route->method != NULL; route++) {
        const char **spellings;
        size_t n;
        if ((route->flags & GG_ROUTE_UNLISTED) != 0)
            continue;
        int rc = gg_path_spellings(m->arena, route->path, &spellings, &n, err);
        if (rc < 0) {
            gg_error_prefix(err, "%s", role->file);
            return rc;
        }
        for (size_t i = 0; i < n; i++) {
            struct gg_catalog_entry *entry = add_entry(m, route, spellings[i]);
            if (only_knows(role, route))
                continue;
            add_role(entry, role);
            for (size_t k = 0; k < m->plugins->n; k++)
                if (gg_role_includes(m->plugins, m->plugins->roles[k], role))
                    add_role(entry, m->plugins->roles[k]);
        }
    }
    return 0;
}

static void list_apps(struct gg_arena *arena, struct gg_catalog_entry *entry)
{
    size_t n = 0;
    for (size_t i = 0; i < entry->n_roles; i++)
        for (const char *const *app = entry->roles[i]->desc.worker_apps; *app != NULL; app++)
            n++;
    const char **apps = GG_NEW_ARRAY(arena, const char *, n + 1);
    n = 0;
    for (size_t i = 0; i < entry->n_roles; i++)
        for (const char *const *app = entry->roles[i]->desc.worker_apps; *app != NULL; app++)
            apps[n++] = *app;
    entry->worker_apps = apps;
}

int gg_catalog_make(struct gg_arena *arena, const struct gg_plugins *plugins, struct gg_catalog *out,
                    struct gg_error *err)
{
    struct maker m = {.arena = arena, .plugins = plugins, .by_shape = gg_map_new(NULL), .out = out};
    int rc = 0;
    memset(out, 0, sizeof(*out));
    for (size_t i = 0; rc == 0 && i < plugins->n; i++)
        rc = add_role_routes(&m, plugins->roles[i], err);
    for (size_t i = 0; i < out->n; i++)
        list_apps(arena, &out->entries[i]);
    gg_map_free(m.by_shape);
    return rc;
}

const char *gg_auth_name(uint32_t auth)
{
    static const char *const names[GG_AUTH_KINDS] = {
        [GG_AUTH_NONE] = "none",         [GG_AUTH_USER] = "user",   [GG_AUTH_GUEST] = "guest",
        [GG_AUTH_OPTIONAL] = "optional", [GG_AUTH_ADMIN] = "admin", [GG_AUTH_SERVER] = "server",
        [GG_AUTH_SECRET] = "secret"};
    return auth < GG_AUTH_KINDS ? names[auth] : "unknown";
}

static void json_member(struct gg_buf *out, const char *name, const char *value)
{
    gg_buf_printf(out, "\"%s\": ", name);
    gg_buf_json_string(out, gg_str(value));
}

static void entry_json(const struct gg_catalog_entry *entry, struct gg_buf *out)
{
    gg_buf_lit(out, "  {");
    json_member(out, "method", entry->method);
    gg_buf_lit(out, ", ");
    json_member(out, "path", entry->path);
    gg_buf_lit(out, ", \"worker_apps\": [");
    for (const char *const *app = entry->worker_apps; *app != NULL; app++) {
        gg_buf_text(out, app == entry->worker_apps ? "" : ", ");
        gg_buf_json_string(out, gg_str(*app));
    }
    gg_buf_lit(out, "], ");
    json_member(out, "resource", entry->route->resource != NULL ? entry->route->resource : "");
    gg_buf_lit(out, ", ");
    json_member(out, "auth", gg_auth_name(entry->route->auth));
    gg_buf_char(out, '}');
}

void gg_catalog_json(const struct gg_catalog *catalog, struct gg_buf *out)
{
    gg_buf_lit(out, "[");
    for (size_t i = 0; i < catalog->n; i++) {
        gg_buf_text(out, i > 0 ? ",\n" : "\n");
        entry_json(&catalog->entries[i], out);
    }
    gg_buf_lit(out, "\n]\n");
}

static const char *short_app(const char *app)
{
    static const char prefix[] = "synapse.app.";
    return strncmp(app, prefix, sizeof(prefix) - 1) == 0 ? app + sizeof(prefix) - 1 : app;
}

void gg_catalog_table(const struct gg_catalog *catalog, struct gg_buf *out)
{
    gg_buf_printf(out, "%-6s %-90s %-11s %-8s %-13s %s\n", "METHOD", "PATH", "RESOURCE", "AUTH", "POOL", "ROLES");
    for (size_t i = 0; i < catalog->n; i++) {
        const struct gg_catalog_entry *entry = &catalog->entries[i];
        const struct gg_route *route = entry->route;
        gg_buf_printf(out, "%-6s %-90s %-11s %-8s %-13s", entry->method, entry->path,
                      route->resource != NULL ? route->resource : "", gg_auth_name(route->auth),
                      route->writer != NULL ? route->writer
                      : route->pool != NULL ? route->pool
                                            : "");
        for (const char *const *app = entry->worker_apps; *app != NULL; app++)
            gg_buf_printf(out, " %s", short_app(*app));
        gg_buf_char(out, '\n');
    }
}
