/* Bodies about keys, to-device messages and backups: each reader takes what it can and refuses the rest. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "e2ee/backup.h"
#include "e2ee/cross_signing.h"
#include "e2ee/keys.h"
#include "e2ee/to_device.h"

static void refuse_or_not(int rc, const struct gg_error *err)
{
    if (rc != 0 && (err->http_status < 400 || err->http_status > 499))
        abort(); /* what a client sends is never the server's fault */
}

static void read_keys(struct gg_str body, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_key_upload upload;
    struct gg_str *users;
    struct mx_key_query *queries;
    struct mx_key_claim *claims;
    size_t n, m;
    refuse_or_not(mx_keys_read_upload(body, GG_STR("@a:b"), GG_STR("D"), arena, &upload, &err), &err);
    refuse_or_not(mx_keys_read_query(body, arena, &users, &n, &queries, &m, &err), &err);
    refuse_or_not(mx_keys_read_claim(body, arena, &claims, &n, &err), &err);
}

static void read_backup(struct gg_str body, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_backup_key *keys;
    size_t n;
    struct gg_str none = {0};
    refuse_or_not(mx_backup_read(body, none, none, arena, &keys, &n, &err), &err);
    refuse_or_not(mx_backup_read(body, GG_STR("!r"), none, arena, &keys, &n, &err), &err);
    refuse_or_not(mx_backup_read(body, GG_STR("!r"), GG_STR("s"), arena, &keys, &n, &err), &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str body = gg_strn((const char *)data, size);
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct mx_cross_upload upload;
    struct mx_cross_keys stored = {0};
    struct mx_cross_key key;
    struct mx_to_device_message *messages;
    size_t n;
    if (mx_json_check(body, 100, &err) == 0) { /* the server has checked it before a handler sees it */
        read_keys(body, arena);
        read_backup(body, arena);
        refuse_or_not(mx_to_device_read(body, arena, &messages, &n, &err), &err);
        int rc = mx_cross_read_upload(body, arena, &upload, &err);
        refuse_or_not(rc, &err);
        if (rc == 0)
            mx_cross_differs(&upload, &stored, arena);
        if (mx_cross_key_read(body, arena, &key) != key.usable)
            abort();
    }
    gg_arena_free(arena);
    return 0;
}
