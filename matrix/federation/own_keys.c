/* matrix/federation/own_keys.c: our own Server Keys object (server-server API, "Publishing Keys"). */
#include "federation/own_keys.h"

#include "federation/keys.h"

static void add_key(struct mx_json *map, const char *id, const uint8_t public_key[32], int64_t expired_ms,
                    struct gg_arena *arena)
{
    struct mx_json *key = mx_json_object(arena);
    char text[mx_base64_size(32)];
    mx_json_set(key, arena, "key", mx_json_new_string(arena, gg_strn(text, mx_base64(public_key, 32, false, text))));
    if (expired_ms >= 0)
        mx_json_set(key, arena, "expired_ts", mx_json_new_i64(arena, expired_ms));
    mx_json_set(map, arena, id, key);
}

struct mx_json *mx_own_keys(struct mx_server *server, int64_t now_ms, struct gg_arena *arena)
{
    const struct mx_key_config *config = mx_key_config(server);
    struct mx_json *out = mx_json_object(arena), *keys = mx_json_object(arena), *old = mx_json_object(arena);
    for (size_t i = 0; i < server->n_keys; i++)
        add_key(keys, server->keys[i].id, server->keys[i].public_key, -1, arena);
    for (size_t i = 0; i < config->n_old; i++)
        add_key(old, gg_arena_strndup(arena, config->old[i].id.s, config->old[i].id.n), config->old[i].public_key,
                config->old[i].valid_until_ms, arena);
    mx_json_set(out, arena, "valid_until_ts", mx_json_new_i64(arena, now_ms + config->refresh_ms));
    mx_json_set(out, arena, "server_name", mx_json_new_string(arena, gg_str(server->name)));
    mx_json_set(out, arena, "verify_keys", keys);
    mx_json_set(out, arena, "old_verify_keys", old);
    for (size_t i = 0; i < server->n_keys; i++)
        mx_json_sign(out, server->name, &server->keys[i], arena);
    return out;
}
