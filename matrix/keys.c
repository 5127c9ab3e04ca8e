/* matrix/keys.c: finds the signing keys, and makes the first one. */
#include "keys.h"

#include <errno.h>
#include <fcntl.h>
#include <ganglion/log.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.matrix"};

enum { KEY_FILE_MAX = 64 * 1024 };

/* gg_node_where() is "file:line:column". */
static const char *default_path(const struct gg_config *config, const char *server_name, struct gg_arena *arena)
{
    const char *where = gg_node_where(gg_config_node(config, "server_name"));
    const char *slash = where ? strrchr(where, '/') : NULL;
    int n = slash ? (int)(slash - where) + 1 : 0;
    return gg_arena_printf(arena, "%.*s%s.signing.key", n, n ? where : "", server_name);
}

static int write_new(const char *path, struct gg_str text, struct gg_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return gg_fail(err, GG_E_IO, "the signing key %s could not be made: %s", path, strerror(errno));
    ssize_t n = write(fd, text.s, text.n);
    int failed = n != (ssize_t)text.n || fsync(fd) != 0;
    failed |= close(fd) != 0;
    if (failed) {
        unlink(path);
        return gg_fail(err, GG_E_IO, "the signing key %s could not be written", path);
    }
    gg_info(&logger, "made a new signing key: %s", path);
    return 0;
}

static int read_file(const char *path, bool make, struct gg_arena *arena, struct gg_str *out, struct gg_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file && errno == ENOENT && make) {
        *out = mx_signing_key_generate(arena);
        return write_new(path, *out, err);
    }
    if (!file)
        return gg_fail(err, GG_E_NOT_FOUND, "the signing key %s cannot be read: %s", path, strerror(errno));
    char *text = gg_arena_alloc(arena, KEY_FILE_MAX);
    *out = gg_strn(text, fread(text, 1, KEY_FILE_MAX, file));
    bool failed = ferror(file) != 0;
    fclose(file);
    return failed ? gg_fail(err, GG_E_IO, "the signing key %s cannot be read", path) : 0;
}

static const char *path_of(const struct gg_config *config, const char *server_name, struct gg_arena *arena)
{
    const char *path = gg_config_text(config, "signing_key_path");
    return path ? path : default_path(config, server_name, arena);
}

int mx_keys_load(const struct gg_config *config, const char *server_name, bool make, struct gg_arena *arena,
                 const struct mx_signing_key **keys_out, size_t *n_out, struct gg_error *err)
{
    struct gg_str text = gg_str(gg_config_text(config, "signing_key"));
    struct mx_signing_key *keys;
    int status = 0;
    if (!text.s)
        status = read_file(path_of(config, server_name, arena), make, arena, &text, err);
    if (!status && (status = mx_signing_keys_parse(text, arena, &keys, n_out, err)))
        gg_error_prefix(err, "signing key");
    if (!status)
        *keys_out = keys;
    return status;
}

int mx_own_keys_check(const struct gg_config *config, const char *server_name, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_signing_key *keys;
    size_t n;
    int status = 0;
    if (gg_config_text(config, "signing_key") || access(path_of(config, server_name, arena), F_OK) == 0)
        status = mx_keys_load(config, server_name, false, arena, &keys, &n, err);
    gg_arena_free(arena);
    return status;
}
