/* matrix/e2ee/remote_list.c: what another server says of a user's devices, read (server-server API, "GET
 * /user/devices/{userId}"). Everything in it may be a lie. */
#include "e2ee/remote_devices.h"

#include "e2ee/text.h"

#include <ganglion/map.h>

struct gg_str mx_remote_position(struct gg_str json, struct gg_arena *arena)
{
    int64_t number;
    if (mx_json_i64(json, &number))
        return gg_str(gg_arena_printf(arena, "%lld", (long long)number));
    struct gg_str text = mx_storable(mx_json_string(json, arena));
    return text.n > 0 && text.n <= MX_REMOTE_NAME_MAX ? text : (struct gg_str){0};
}

static struct gg_str object_or_none(struct gg_str json)
{
    return mx_json_is_object(json) ? json : (struct gg_str){0};
}

static void read_devices(struct gg_str devices, struct gg_arena *arena, struct mx_remote_list *out)
{
    struct gg_map *places = gg_map_new(NULL);
    out->devices = GG_NEW_ARRAY(arena, struct mx_remote_device, mx_json_length(devices) + 1);
    for (struct mx_json_iter it = mx_json_iter(devices); mx_json_next(&it);) {
        struct gg_str id = mx_storable(mx_json_string(mx_json_get(it.value, "device_id"), arena));
        if (id.s == NULL || id.n > MX_REMOTE_NAME_MAX)
            continue;
        size_t at = (size_t)(uintptr_t)gg_map_get(places, id);
        if (at == 0)
            gg_map_put(places, id, (void *)(uintptr_t)(at = ++out->n));
        out->devices[at - 1] = (struct mx_remote_device){id, it.value};
    }
    gg_map_free(places);
}

int mx_remote_list_read(struct gg_str json, struct gg_arena *arena, struct mx_remote_list *out, struct gg_error *err)
{
    struct gg_str devices = mx_json_get(json, "devices");
    *out = (struct mx_remote_list){.json = json, .stream_id = mx_remote_position(mx_json_get(json, "stream_id"), arena),
                                   .master = object_or_none(mx_json_get(json, "master_key")),
                                   .self_signing = object_or_none(mx_json_get(json, "self_signing_key"))};
    if (!mx_json_is_object(json) || out->stream_id.s == NULL || !mx_json_is_array(devices))
        return gg_fail(err, GG_E_PROTOCOL, "no list of devices");
    if (mx_json_length(devices) <= MX_REMOTE_DEVICES_MAX)
        read_devices(devices, arena, out);
    return 0;
}
