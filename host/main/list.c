/* `ganglion plugins`: what is installed. */
#include "main/commands.h"
#include "plugin/plugins.h"

#include <jansson.h>
#include <stdio.h>

static void print_broken(void *arg, const char *base, const struct gg_error *err)
{
    fprintf(stderr, "warning: %s\n", err->message);
}

static json_t *describe(const struct gg_role *role)
{
    char abi[16];
    json_t *apps = json_array();
    snprintf(abi, sizeof(abi), "%u.%u", role->desc.abi_major, role->desc.abi_minor);
    for (const char *const *app = role->desc.worker_apps; *app != NULL; app++)
        json_array_append_new(apps, json_string(*app));
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "name", role->desc.name, "file", role->file, "version",
                     role->desc.version != NULL ? role->desc.version : "", "abi", abi, "worker_apps", apps);
}

static void print_json(const struct gg_plugins *plugins)
{
    json_t *list = json_array();
    for (size_t i = 0; i < plugins->n; i++)
        json_array_append_new(list, describe(plugins->roles[i]));
    json_dumpf(list, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(list);
}

static void print_table(const struct gg_plugins *plugins)
{
    printf("%-24s %-8s %-5s %-40s %s\n", "NAME", "VERSION", "ABI", "WORKER APPS", "FILE");
    for (size_t i = 0; i < plugins->n; i++) {
        const struct gg_role *role = plugins->roles[i];
        struct gg_buf apps = GG_BUF_INIT;
        for (const char *const *app = role->desc.worker_apps; *app != NULL; app++)
            gg_buf_printf(&apps, "%s%s", apps.n > 0 ? " " : "", *app);
        printf("%-24s %-8s %u.%-3u %-40s %s\n", role->desc.name, role->desc.version != NULL ? role->desc.version : "",
               role->desc.abi_major, role->desc.abi_minor, apps.data, role->file);
        gg_buf_done(&apps);
    }
}

int gg_command_plugins(const struct gg_args *args)
{
    struct gg_plugins *plugins = gg_plugins_new(args->plugin_dirs.values);
    gg_plugins_open_installed(plugins, print_broken, NULL);
    if (args->json)
        print_json(plugins);
    else
        print_table(plugins);
    gg_plugins_free(plugins);
    return 0;
}
