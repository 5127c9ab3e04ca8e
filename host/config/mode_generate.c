/* --generate-config: a first homeserver.yaml, for PostgreSQL. */
#include "config/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define NAME_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]"

enum { SECRET_LENGTH = 50 };

/* Absolute where that can be: a service manager starts elsewhere. */
static const char *absolute(struct gg_arena *arena, const char *folder)
{
    char *full = realpath(folder, NULL);
    const char *path = gg_arena_strdup(arena, full ? full : folder);

    free(full);
    return path;
}

static const char *folder_of(struct gg_arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? gg_arena_strndup(arena, path, slash == path ? 1 : (size_t)(slash - path)) : ".";
}

/* `key: "random"`, or `key_path: "file"` when secrets may not stand in the file. */
static void add_secret(struct gg_buf *out, const struct gg_generate_options *options, const char *directory,
                       const char *key)
{
    char text[SECRET_LENGTH + 1];

    if (options->no_secrets) {
        gg_buf_printf(out, "%s_path: ", key);
        struct gg_buf path = GG_BUF_INIT;
        gg_buf_printf(&path, "%s/%s.%s", directory, options->server_name, key);
        gg_buf_json_string(out, gg_buf_view(&path));
        gg_buf_done(&path);
        gg_buf_lit(out, "\n");
        return;
    }
    gg_random_text(text, SECRET_LENGTH, GG_LETTERS);
    gg_buf_printf(out, "%s: \"%s\"\n", key, text);
}

static void add_path(struct gg_buf *out, const char *key, const char *folder, const char *prefix, const char *name)
{
    struct gg_buf path = GG_BUF_INIT;

    gg_buf_printf(&path, "%s/%s%s", folder, prefix, name);
    gg_buf_printf(out, "%s: ", key);
    gg_buf_json_string(out, gg_buf_view(&path));
    gg_buf_lit(out, "\n");
    gg_buf_done(&path);
}

static void add_listeners(struct gg_buf *out, const struct gg_generate_options *options)
{
    gg_buf_lit(out, "listeners:\n"
                    "  - port: 8008\n"
                    "    type: http\n"
                    "    x_forwarded: true\n");
    if (!options->open_private_ports)
        gg_buf_lit(out, "    bind_addresses: ['::1', '127.0.0.1']\n");
    gg_buf_lit(out, "    resources:\n"
                    "      - names: [client, federation]\n"
                    "        compress: false\n");
    if (options->enable_metrics) {
        gg_buf_lit(out, "  - port: 19090\n"
                        "    type: metrics\n");
        gg_buf_printf(out, "    bind_addresses: ['%s']\n", options->open_private_ports ? "0.0.0.0" : "127.0.0.1");
        gg_buf_lit(out, "enable_metrics: true\n");
    }
}

static void add_all(struct gg_buf *out, const struct gg_generate_options *options, struct gg_arena *arena)
{
    const char *given = options->config_directory ? options->config_directory : folder_of(arena, options->path);
    const char *directory = absolute(arena, given);
    const char *data = absolute(arena, options->data_directory ? options->data_directory : ".");
    const char *name = options->server_name;

    gg_buf_lit(out, "# Configuration of a Matrix homeserver; docs/config.md lists every key.\n\nserver_name: ");
    gg_buf_json_string(out, gg_str(name));
    gg_buf_lit(out, "\n");
    add_path(out, "pid_file", data, "", "homeserver.pid");
    add_listeners(out, options);
    gg_buf_lit(out, "database:\n"
                    "  name: psycopg2\n"
                    "  args:\n"
                    "    user: synapse\n"
                    "    dbname: synapse\n"
                    "    host: localhost\n"
                    "    # password: ...\n"
                    "    cp_min: 5\n"
                    "    cp_max: 10\n");
    add_path(out, "log_config", directory, name, ".log.config");
    add_path(out, "media_store_path", data, "", "media_store");
    add_secret(out, options, directory, "registration_shared_secret");
    gg_buf_printf(out, "report_stats: %s\n", strcmp(options->report_stats, "yes") == 0 ? "true" : "false");
    add_secret(out, options, directory, "macaroon_secret_key");
    add_secret(out, options, directory, "form_secret");
    add_path(out, "signing_key_path", directory, name, ".signing.key");
    gg_buf_lit(out, "trusted_key_servers:\n"
                    "  - server_name: \"matrix.org\"\n");
}

static int write_file(const char *path, const struct gg_buf *text, bool *made_out, struct gg_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n;

    *made_out = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return gg_fail(err, GG_E_IO, "cannot make %s: %s", path, strerror(errno));
    n = write(fd, text->data, text->n);
    if (close(fd) != 0 || n != (ssize_t)text->n)
        return gg_fail(err, GG_E_IO, "cannot write %s", path);
    return 0;
}

int gg_mode_generate_config(const struct gg_generate_options *options, bool *made_out, struct gg_error *err)
{
    struct gg_buf text = GG_BUF_INIT;
    struct gg_arena *arena;
    int status;

    *made_out = false;
    if (!options->server_name || !*options->server_name)
        return gg_fail(err, GG_E_INVALID, "--generate-config needs --server-name");
    if (options->server_name[strspn(options->server_name, NAME_CHARACTERS)])
        return gg_fail(err, GG_E_INVALID, "--server-name must be a host with an optional port");
    if (!options->report_stats ||
        (strcmp(options->report_stats, "yes") != 0 && strcmp(options->report_stats, "no") != 0))
        return gg_fail(err, GG_E_INVALID, "--generate-config needs --report-stats=yes or --report-stats=no");
    arena = gg_arena_new();
    add_all(&text, options, arena);
    status = write_file(options->path, &text, made_out, err);
    gg_buf_done(&text);
    gg_arena_free(arena);
    return status;
}
