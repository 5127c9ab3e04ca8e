/* `ganglion routes`: what is served where, by this installation or by a deployment. */
#include "config/config.h"
#include "main/commands.h"
#include "proxy/plan.h"

#include <stdio.h>

#define DEFAULT_LISTEN "127.0.0.1:8008"

struct routes {
    const struct gg_args *args;
    struct gg_arena *arena;
    struct gg_plugins *installed;
    struct gg_deployment deployment; /* with -c */
    struct gg_catalog catalog;
};

static void print_broken(void *arg, const char *base, const struct gg_error *err)
{
    fprintf(stderr, "warning: %s\n", err->message);
}

/* With -c only what the deployment's processes load is listed. */
static struct gg_plugins loaded_ones(const struct routes *r)
{
    struct gg_plugins loaded = *r->installed;
    loaded.n = 0;
    for (size_t i = 0; i < r->installed->n; i++)
        for (size_t k = 0; k < r->deployment.n; k++)
            if (gg_process_has_role(&r->deployment.processes[k], r->installed->roles[i])) {
                loaded.roles[loaded.n++] = r->installed->roles[i];
                break;
            }
    return loaded;
}

static int print_catalog(struct routes *r, bool json, struct gg_buf *out, struct gg_error *err)
{
    if (json)
        gg_catalog_json(&r->catalog, out);
    else
        gg_catalog_table(&r->catalog, out);
    return 0;
}

static int as_table(struct routes *r, struct gg_buf *out, struct gg_error *err)
{
    return print_catalog(r, false, out, err);
}

static int as_json(struct routes *r, struct gg_buf *out, struct gg_error *err)
{
    return print_catalog(r, true, out, err);
}

static int as_proxy(struct routes *r, struct gg_buf *out, struct gg_error *err,
                    void (*write)(const struct gg_plan *plan, struct gg_arena *arena, const char *listen,
                                  struct gg_buf *out))
{
    struct gg_plan plan;
    if (r->args->configs.n == 0)
        return gg_fail(err, GG_E_INVALID, "a proxy's configuration is made from a deployment's: name its files by -c");
    int rc = gg_plan_make(r->arena, &r->catalog, &r->deployment, &plan, err);
    if (rc == 0)
        write(&plan, r->arena, r->args->listen != NULL ? r->args->listen : DEFAULT_LISTEN, out);
    return rc;
}

static int as_nginx(struct routes *r, struct gg_buf *out, struct gg_error *err)
{
    return as_proxy(r, out, err, gg_plan_nginx);
}

static int as_haproxy(struct routes *r, struct gg_buf *out, struct gg_error *err)
{
    return as_proxy(r, out, err, gg_plan_haproxy);
}

static int as_plan(struct routes *r, struct gg_buf *out, struct gg_error *err)
{
    return as_proxy(r, out, err, gg_plan_json);
}

static const struct format {
    const char *name;
    int (*write)(struct routes *r, struct gg_buf *out, struct gg_error *err);
} formats[] = {{"table", as_table}, {"json", as_json}, {"nginx", as_nginx}, {"haproxy", as_haproxy}, {"plan", as_plan}};

static const struct format *find_format(const struct gg_args *args)
{
    const char *name = args->format != NULL ? args->format : args->json ? "json" : "table";
    for (size_t i = 0; i < GG_COUNT(formats); i++)
        if (strcmp(formats[i].name, name) == 0)
            return &formats[i];
    return NULL;
}

static int gather(struct routes *r, struct gg_error *err)
{
    int rc = 0;
    if (r->args->configs.n > 0)
        rc = gg_deployment_read(r->arena, r->installed, r->args->configs.values, r->args->configs.n, &r->deployment,
                                err);
    if (rc < 0)
        return rc;
    struct gg_plugins listed = r->args->configs.n > 0 ? loaded_ones(r) : *r->installed;
    return gg_catalog_make(r->arena, &listed, &r->catalog, err);
}

int gg_command_routes(const struct gg_args *args)
{
    struct routes r = {.args = args};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf text = GG_BUF_INIT;
    const struct format *format = find_format(args);
    if (format == NULL) {
        fprintf(stderr, "ganglion: --format is table, nginx, haproxy, plan or json, not '%s'\n", args->format);
        return 2;
    }
    r.arena = gg_arena_new();
    r.installed = gg_plugins_new(args->plugin_dirs.values);
    gg_plugins_open_installed(r.installed, print_broken, NULL);
    int rc = gather(&r, &err);
    if (rc == 0)
        rc = format->write(&r, &text, &err);
    if (rc == 0)
        fputs(text.data, stdout);
    gg_buf_done(&text);
    gg_deployment_done(&r.deployment);
    gg_plugins_free(r.installed);
    gg_arena_free(r.arena);
    return rc < 0 ? gg_command_failed(&err) : 0;
}
