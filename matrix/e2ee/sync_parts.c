/* matrix/e2ee/sync_parts.c: to-device messages, device lists and key counts in the answer of /sync (client-server API,
 * "Extensions to /sync" of end-to-end encryption and of send-to-device messaging). */
#include "e2ee/device_lists.h"
#include "e2ee/key_counts.h"
#include "e2ee/sync_parts.h"
#include "e2ee/to_device.h"

#include <ganglion/map.h>

static struct gg_str user_of(const struct mx_sync *sync)
{
    return gg_str(sync->query->requester->user_id);
}

static struct gg_str device_of(const struct mx_sync *sync)
{
    return gg_str(sync->query->requester->device_id);
}

/* ---- to-device messages ---- */

struct messages {
    struct gg_str *v;
    size_t n;
};

static int acknowledge(struct mx_sync *sync, struct gg_error *err)
{
    if (device_of(sync).s == NULL)
        return 0;
    return mx_to_device_acknowledge(sync->server, user_of(sync), device_of(sync), sync->query->since.to_device, err);
}

static int gather_messages(struct mx_sync *sync, void **out, struct gg_error *err)
{
    struct messages *m = GG_NEW(sync->arena, struct messages);
    if (device_of(sync).s == NULL)
        return 0;
    int rc = mx_to_device_after(sync->server, user_of(sync), device_of(sync),
                                sync->query->has_since ? sync->query->since.to_device : 0, sync->now.to_device,
                                MX_TO_DEVICE_BATCH, sync->arena, &m->v, &m->n, &sync->now.to_device, err);
    *out = m->n > 0 ? m : NULL;
    return rc;
}

static void write_messages(const struct mx_sync *sync, const void *gathered, struct gg_buf *out)
{
    const struct messages *m = gathered;
    if (m == NULL)
        return;
    gg_buf_lit(out, ",\"to_device\":{\"events\":[");
    for (size_t i = 0; i < m->n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        gg_buf_str(out, m->v[i]);
    }
    gg_buf_lit(out, "]}");
}

const struct mx_sync_part mx_sync_part_to_device = {
    .name = "to-device messages", .begin = acknowledge, .gather = gather_messages, .write = write_messages};

/* ---- device lists ---- */

/* /sync names besides everybody whose membership it shows, as Synapse's does: clients may rely on it for members that they
 * see for the first time. */
static void add_who_came(struct mx_sync *sync, struct mx_device_lists *lists)
{
    struct gg_map *named = gg_map_new(NULL);
    struct gg_str *all = GG_NEW_ARRAY(sync->arena, struct gg_str, lists->n_changed + sync->came.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < lists->n_left; i++)
        gg_map_put(named, lists->left[i], NULL);
    for (size_t i = 0; i < lists->n_changed + sync->came.n; i++) {
        struct gg_str name = i < lists->n_changed ? lists->changed[i] : sync->came.v[i - lists->n_changed];
        if (i >= lists->n_changed && gg_map_has(named, name))
            continue;
        gg_map_put(named, name, NULL);
        all[n++] = name;
    }
    lists->changed = all;
    lists->n_changed = n;
    gg_map_free(named);
}

static int gather_lists(struct mx_sync *sync, void **out, struct gg_error *err)
{
    struct mx_device_lists *lists = GG_NEW(sync->arena, struct mx_device_lists);
    const struct mx_user_room *rooms;
    size_t n;
    if (!sync->query->has_since)
        return 0;
    int rc = mx_heads_rooms_of(sync->server, user_of(sync), sync->arena, &rooms, &n, err); /* filters do not hide people */
    if (rc == 0)
        rc = mx_device_lists_between(sync->server, user_of(sync), rooms, n, &sync->query->since, &sync->now, sync->arena,
                                     lists, err);
    if (rc == 0 && sync->came.n > 0)
        add_who_came(sync, lists);
    *out = lists->n_changed + lists->n_left > 0 ? lists : NULL;
    return rc;
}

static void write_lists(const struct mx_sync *sync, const void *gathered, struct gg_buf *out)
{
    const struct mx_device_lists *lists = gathered;
    if (lists == NULL)
        return;
    gg_buf_lit(out, ",\"device_lists\":{");
    if (lists->n_changed > 0) {
        gg_buf_lit(out, "\"changed\":");
        mx_write_names(out, lists->changed, lists->n_changed);
    }
    if (lists->n_left > 0) {
        gg_buf_text(out, lists->n_changed > 0 ? ",\"left\":" : "\"left\":");
        mx_write_names(out, lists->left, lists->n_left);
    }
    gg_buf_char(out, '}');
}

const struct mx_sync_part mx_sync_part_device_lists = {
    .name = "device lists", .gather = gather_lists, .write = write_lists};

/* ---- key counts ---- */

struct counts {
    struct gg_str keys, fallbacks;
};

static int gather_counts(struct mx_sync *sync, void **out, struct gg_error *err)
{
    struct counts *c = GG_NEW(sync->arena, struct counts);
    if (device_of(sync).s == NULL)
        return 0;
    *out = c;
    return mx_key_counts(sync->server, user_of(sync), device_of(sync), sync->arena, &c->keys, &c->fallbacks, err);
}

/* Nobody waits for them: they are told with whatever else there is. */
static bool no_news(const struct mx_sync *sync, const void *gathered)
{
    return false;
}

static void write_key_counts(const struct mx_sync *sync, const void *gathered, struct gg_buf *out)
{
    const struct counts *c = gathered;
    if (c == NULL)
        return;
    gg_buf_lit(out, ",\"device_one_time_keys_count\":");
    gg_buf_str(out, c->keys);
    gg_buf_lit(out, ",\"device_unused_fallback_key_types\":");
    gg_buf_str(out, c->fallbacks);
}

const struct mx_sync_part mx_sync_part_key_counts = {
    .name = "key counts", .gather = gather_counts, .has_news = no_news, .write = write_key_counts};
