/* Secrets, in line or in the file that "<key>_path" names; and the side files that the
 * main process makes when they are missing. */
#include "config/internal.h"
#include "config/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { MAX_SECRET = 65536, GENERATED_LENGTH = 50 };

static struct gg_str stripped(struct gg_str text)
{
    static const char blank[] = " \t\r\n\v\f";

    while (text.n > 0 && strchr(blank, text.s[0]))
        text.s++, text.n--;
    while (text.n > 0 && strchr(blank, text.s[text.n - 1]))
        text.n--;
    return text;
}

/* A new file that only its owner may read. */
static int write_new(const char *path, struct gg_str text, struct gg_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    ssize_t n;

    if (fd < 0)
        return gg_fail(err, GG_E_IO, "cannot make %s: %s", path, strerror(errno));
    n = write(fd, text.s, text.n);
    if (close(fd) != 0 || n != (ssize_t)text.n)
        return gg_fail(err, GG_E_IO, "cannot write %s", path);
    return 0;
}

static int make_secret(struct gg_config *config, const char *path, struct gg_str *out, struct gg_error *err)
{
    char text[GENERATED_LENGTH + 2];

    gg_random_text(text, GENERATED_LENGTH, GG_LETTERS);
    memcpy(text + GENERATED_LENGTH, "\n", 2);
    *out = gg_arena_str(config->arena, gg_strn(text, GENERATED_LENGTH));
    gg_config_find(config, GG_FINDING_NOTE, "%s: made with a new secret", path);
    return write_new(path, gg_str(text), err);
}

static void read_from_path(struct gg_config *config, struct gg_value *value, const char *twin,
                           const struct gg_node *path)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str text = {NULL, 0};
    int status = gg_read_file(config->arena, path->text.s, MAX_SECRET, &text, &err);

    if (status == GG_E_NOT_FOUND && (value->key.flags & GG_KEY_GENERATED) && config->generate && config->topo.is_main)
        status = make_secret(config, path->text.s, &text, &err);
    if (status == GG_E_NOT_FOUND && (value->key.flags & GG_KEY_GENERATED) && config->checking) {
        gg_config_find(config, GG_FINDING_NOTE, "%s: `%s`: the main process will make %s", path->where, twin,
                       path->text.s);
        return;
    }
    if (status) {
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s`: %s", path->where, twin, err.message);
        return;
    }
    value->text = gg_arena_str(config->arena, stripped(text)).s;
    value->set = true;
    if (*value->text == '\0')
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` names an empty file", path->where, twin);
}

void gg_config_read_secret(struct gg_config *config, struct gg_value *value)
{
    const char *twin = gg_arena_printf(config->arena, "%s_path", value->key.path);
    const struct gg_node *path = gg_node_at_path(config->root, twin);

    gg_map_put(config->former, gg_str(twin), NULL); /* known, though nobody asks for it */
    if (value->set && config->no_secrets)
        gg_config_find(config, GG_FINDING_ERROR,
                       "%s: `%s` holds a secret, which --no-secrets-in-config forbids; use `%s`", value->node->where,
                       value->key.path, twin);
    if (gg_node_kind(path) == GG_NODE_NULL)
        return;
    if (path->kind != GG_NODE_TEXT)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` must be text, not %s", path->where, twin,
                       gg_node_kind_name(path->kind));
    else if (value->set)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` and `%s` are both given; keep one", path->where,
                       value->key.path, twin);
    else
        read_from_path(config, value, twin, path);
}

/* ---- files of keys with `make` ---- */

/* "signing_key" is written in place of "signing_key_path". */
static bool has_inline_form(const struct gg_config *config, const char *path)
{
    size_t n = strlen(path);

    if (n <= 5 || strcmp(path + n - 5, "_path") != 0)
        return false;
    return gg_node_kind(gg_node_at_path(config->root, gg_arena_strndup(config->arena, path, n - 5))) != GG_NODE_NULL;
}

static void make_file(struct gg_config *config, const struct gg_value *value)
{
    struct gg_error err = GG_ERROR_INIT;

    if (!value->text || has_inline_form(config, value->key.path) || access(value->text, F_OK) == 0)
        return;
    if (config->checking)
        gg_config_find(config, GG_FINDING_NOTE, "`%s`: the main process will make %s", value->key.path, value->text);
    else if (config->generate && write_new(value->text, value->key.make(config, config->arena), &err) != 0)
        gg_config_find(config, GG_FINDING_ERROR, "`%s`: %s", value->key.path, err.message);
    else if (config->generate)
        gg_config_find(config, GG_FINDING_NOTE, "`%s`: made %s", value->key.path, value->text);
}

void gg_config_make_files(struct gg_config *config)
{
    if (!config->topo.is_main || config->first.code)
        return;
    for (const struct gg_value *value = config->head; value; value = value->next)
        if (value->key.make)
            make_file(config, value);
}
