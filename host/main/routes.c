/* `ganglion routes`: what is served where. */
#include "main/commands.h"
#include "proxy/catalog.h"

#include <stdio.h>

static void print_broken(void *arg, const char *base, const struct gg_error *err)
{
    fprintf(stderr, "warning: %s\n", err->message);
}

static int print_catalog(const struct gg_plugins *plugins, bool json)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_catalog catalog;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf text = GG_BUF_INIT;
    int rc = gg_catalog_make(arena, plugins, &catalog, &err);
    if (rc == 0 && json)
        gg_catalog_json(&catalog, &text);
    else if (rc == 0)
        gg_catalog_table(&catalog, &text);
    fputs(text.data, stdout);
    gg_buf_done(&text);
    gg_arena_free(arena);
    return rc < 0 ? gg_command_failed(&err) : 0;
}

int gg_command_routes(const struct gg_args *args)
{
    const char *format = args->format != NULL ? args->format : args->json ? "json" : "table";
    bool json = strcmp(format, "json") == 0;
    struct gg_plugins *plugins = gg_plugins_new(args->plugin_dirs.values);
    gg_plugins_open_installed(plugins, print_broken, NULL);
    int status = print_catalog(plugins, json);
    gg_plugins_free(plugins);
    return status;
}
