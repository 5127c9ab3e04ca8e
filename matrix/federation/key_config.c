/* matrix/federation/key_config.c: old_signing_keys, trusted_key_servers, key_server_signing_keys_path and their like. */
#include "federation/keys.h"

#include <errno.h>
#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <stdio.h>

enum { KEY_FILE_MAX = 64 * 1024 };

static int bad(const struct gg_node *node, struct gg_error *err, const char *what)
{
    return gg_fail(err, GG_E_INVALID, "%s: %s", gg_node_where(node), what);
}

static bool read_base64(const char *text, uint8_t out[32])
{
    uint8_t bytes[64];
    if (!text || strlen(text) > sizeof(bytes) || mx_unbase64(gg_str(text), bytes) != 32)
        return false;
    memcpy(out, bytes, 32);
    return true;
}

static int read_old_keys(const struct mx_server *server, struct gg_arena *arena, struct mx_key_config *out,
                         struct gg_error *err)
{
    const struct gg_node *map = gg_config_node(server->config, "old_signing_keys");
    size_t n = gg_node_kind(map) == GG_NODE_MAP ? gg_node_count(map) : 0;
    struct mx_server_key *keys = GG_NEW_ARRAY(arena, struct mx_server_key, n);
    for (size_t i = 0; i < n; i++) {
        const char *id;
        const struct gg_node *node = gg_node_at(map, i, &id), *expired = gg_node_get(node, "expired_ts");
        if (!mx_key_id_usable(gg_str(id)))
            return bad(node, err, "not the id of an ed25519 key");
        if (!read_base64(gg_node_text(gg_node_get(node, "key")), keys[i].public_key))
            return bad(node, err, "\"key\" must be the base64 of 32 bytes");
        if (!expired || gg_node_kind(expired) != GG_NODE_INT)
            return bad(node, err, "\"expired_ts\" must be a time in milliseconds");
        keys[i].id = gg_str(gg_arena_strdup(arena, id));
        keys[i].valid_until_ms = gg_node_int(expired);
    }
    out->old = keys;
    out->n_old = n;
    return 0;
}

/* verify_keys of a notary: {id: base64}, and in the spelling of old {id: {key: base64}}. */
static int read_notary_keys(const struct gg_node *map, struct gg_arena *arena, struct mx_notary *out,
                            struct gg_error *err)
{
    size_t n = gg_node_kind(map) == GG_NODE_MAP ? gg_node_count(map) : 0;
    struct mx_server_key *keys = GG_NEW_ARRAY(arena, struct mx_server_key, n);
    for (size_t i = 0; i < n; i++) {
        const char *id;
        const struct gg_node *node = gg_node_at(map, i, &id);
        if (gg_node_kind(node) == GG_NODE_MAP)
            node = gg_node_get(node, "key");
        if (!mx_key_id_usable(gg_str(id)) || !read_base64(gg_node_text(node), keys[i].public_key))
            return bad(map, err, "verify_keys must map ids of ed25519 keys to their base64");
        keys[i].id = gg_str(gg_arena_strdup(arena, id));
    }
    out->keys = keys;
    out->n_keys = n;
    return 0;
}

static int read_notary(const struct mx_server *server, const struct gg_node *node, const char *name, struct gg_arena *arena,
                       struct mx_notary *out, struct gg_error *err)
{
    const struct gg_node *insecure = gg_node_get(node, "accept_keys_insecurely");
    if (!name || !mx_server_name_valid(gg_str(name)))
        return bad(node, err, "a trusted key server needs a server_name");
    out->server = gg_arena_strdup(arena, name);
    int rc = read_notary_keys(gg_node_get(node, "verify_keys"), arena, out, err);
    if (!rc && !out->n_keys && !(insecure && gg_node_bool(insecure)) &&
        !gg_config_bool(server->config, "federation_verify_certificates"))
        rc = bad(node, err,
                 "without verify_keys and without federation_verify_certificates anybody could forge the answers of this "
                 "key server; accept_keys_insecurely says that this is meant");
    return rc;
}

/* perspectives.servers, the spelling of old, is a map by name. */
static int read_notaries(const struct mx_server *server, struct gg_arena *arena, struct mx_key_config *out,
                         struct gg_error *err)
{
    const struct gg_node *old = gg_node_get(gg_config_node(server->config, "perspectives"), "servers");
    const struct gg_node *list = gg_config_node(server->config, "trusted_key_servers");
    bool by_name = old && !gg_config_set(server->config, "trusted_key_servers");
    const struct gg_node *from = by_name ? old : list;
    size_t n = from ? gg_node_count(from) : 0;
    struct mx_notary *notaries = GG_NEW_ARRAY(arena, struct mx_notary, n);
    int rc = 0;
    out->notaries = notaries;
    for (size_t i = 0; !rc && i < n; i++) {
        const char *name = NULL;
        const struct gg_node *node = gg_node_at(from, i, &name);
        if (!by_name)
            name = gg_node_text(gg_node_get(node, "server_name"));
        rc = read_notary(server, node, name, arena, &notaries[out->n_notaries], err);
        if (!rc && strcmp(name, server->name) != 0) /* we know ourselves */
            out->n_notaries++;
    }
    return rc;
}

static int read_signing_file(const char *path, struct gg_arena *arena, struct mx_key_config *out, struct gg_error *err)
{
    FILE *file = fopen(path, "re");
    if (!file)
        return gg_fail(err, GG_E_NOT_FOUND, "key_server_signing_keys_path: %s cannot be read: %s", path, strerror(errno));
    char *text = gg_arena_alloc(arena, KEY_FILE_MAX);
    size_t n = fread(text, 1, KEY_FILE_MAX, file);
    struct mx_signing_key *keys = NULL;
    fclose(file);
    int rc = mx_signing_keys_parse(gg_strn(text, n), arena, &keys, &out->n_notary_keys, err);
    if (rc)
        gg_error_prefix(err, "key_server_signing_keys_path");
    out->notary_keys = keys;
    return rc;
}

int mx_key_config_read(const struct mx_server *server, struct gg_arena *arena, struct mx_key_config *out, struct gg_error *err)
{
    const char *path = gg_config_text(server->config, "key_server_signing_keys_path");
    *out = (struct mx_key_config){.notary_keys = server->keys,
                                  .n_notary_keys = server->n_keys,
                                  .refresh_ms = gg_config_int(server->config, "key_refresh_interval")};
    int rc = read_old_keys(server, arena, out, err);
    if (!rc)
        rc = read_notaries(server, arena, out, err);
    if (!rc && path)
        rc = read_signing_file(path, arena, out, err);
    return rc;
}
