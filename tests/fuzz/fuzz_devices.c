/* What other servers say of their users' devices: lists, updates, messages. Each reader takes what it can and refuses the rest;
 * what is made of it is JSON again. */
#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "e2ee/remote_devices.h"
#include "e2ee/remote_keys.h"
#include "e2ee/to_device_out.h"
#include "federation/device_edus.h"

static void must_be_json(struct gg_str text)
{
    struct gg_error err = GG_ERROR_INIT;
    if (mx_json_check(text, 4096, &err) != 0)
        abort();
}

static void read_list(struct gg_str body, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_remote_list list;
    struct gg_buf out = GG_BUF_INIT;
    if (mx_remote_list_read(body, arena, &list, &err) != 0)
        return;
    gg_buf_char(&out, '{');
    struct gg_buf devices = GG_BUF_INIT;
    for (size_t i = 0; i < list.n; i++)
        mx_remote_device_write(&devices, list.devices[i].device_id, list.devices[i].content);
    gg_buf_str(&out, gg_buf_view(&devices));
    gg_buf_char(&out, '}');
    must_be_json(gg_buf_view(&out));
    gg_buf_done(&devices);
    gg_buf_done(&out);
}

static void read_update(const json_t *content, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_remote_update update;
    int rc = mx_fed_read_device_update("b", content, arena, &update, &err);
    if (rc != 0 && (err.http_status < 400 || err.http_status > 499))
        abort();
    if (rc == 0 && update.content.s != NULL)
        must_be_json(update.content);
}

static void read_messages(struct gg_str body, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_to_device_message *list;
    struct mx_outbox_edu *edus;
    size_t n, n_edus;
    if (mx_to_device_read(body, arena, &list, &n, &err) != 0)
        return;
    mx_to_device_edus("b", GG_STR("@a:b"), GG_STR("t"), list, n, arena, &edus, &n_edus);
    for (size_t i = 0; i < n_edus; i++)
        must_be_json(edus[i].content);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str text = gg_strn((const char *)data, size);
    if (mx_json_check(text, 128, &err) != 0)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    read_list(text, arena);
    read_messages(text, arena);
    json_t *content = json_loadb(text.s, text.n, JSON_ALLOW_NUL, NULL);
    if (json_is_object(content))
        read_update(content, arena);
    json_decref(content);
    gg_arena_free(arena);
    return 0;
}
