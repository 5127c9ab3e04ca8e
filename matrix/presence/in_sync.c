/* matrix/presence/in_sync.c: the entry `presence` in the answer of /sync. */
#include "presence/in_sync.h"

#include "presence/internal.h"

#include <ganglion/config.h>
#include <ganglion/matrix/heads.h>
#include <stdlib.h>

struct found {
    struct mx_presence_seen *v;
    size_t n;
};

/* Whom the client has just come to share a room with: they have not changed, but they are news. */
static int read_new_faces(struct mx_sync *sync, struct found *out, struct gg_error *err)
{
    const struct gg_str *joined;
    struct mx_presence_seen *all;
    size_t n_joined, n = sync->came.n;
    struct gg_str *users = sync->came.v;
    int rc = 0;
    out->n = 0;
    for (size_t i = 0; rc == 0 && i < sync->joined_rooms.n; i++) {
        const struct mx_head *head;
        rc = mx_heads_get(sync->server, sync->joined_rooms.v[i], sync->arena, &head, err);
        if (rc == 0)
            rc = mx_heads_joined(sync->server, head, sync->arena, &joined, &n_joined, err);
        if (rc != 0)
            break;
        struct gg_str *more = GG_NEW_ARRAY(sync->arena, struct gg_str, n + n_joined + 1);
        for (size_t k = 0; k < n; k++)
            more[k] = users[k];
        for (size_t k = 0; k < n_joined; k++)
            more[n++] = joined[k];
        users = more;
    }
    if (rc != 0 || n == 0)
        return rc;
    rc = mx_presence_get_all(sync->server, users, n, sync->arena, &all, err);
    out->v = rc == 0 ? all : NULL;
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!gg_str_is(all[i].user_id, sync->query->requester->user_id))
            out->v[out->n++] = all[i];
    return rc;
}

static int by_user(const void *a, const void *b)
{
    const struct mx_presence_seen *x = a, *y = b;
    return gg_str_cmp(x->user_id, y->user_id);
}

/* Both lists, each user once, and only those whom the filter wants. */
static struct found *merge(struct mx_sync *sync, const struct found *changed, const struct found *faces)
{
    struct found *all = GG_NEW(sync->arena, struct found);
    size_t n = 0;
    all->v = GG_NEW_ARRAY(sync->arena, struct mx_presence_seen, changed->n + faces->n + 1);
    for (size_t i = 0; i < changed->n; i++)
        all->v[n++] = changed->v[i];
    for (size_t i = 0; i < faces->n; i++)
        all->v[n++] = faces->v[i];
    if (faces->n > 0)
        qsort(all->v, n, sizeof(*all->v), by_user);
    for (size_t i = 0; i < n; i++)
        if (mx_filter_sender(&sync->query->presence, all->v[i].user_id) &&
            (all->n == 0 || !gg_str_eq(all->v[all->n - 1].user_id, all->v[i].user_id)))
            all->v[all->n++] = all->v[i];
    return all->n > 0 ? all : NULL;
}

static int gather(struct mx_sync *sync, void **out, struct gg_error *err)
{
    const struct mx_sync_query *q = sync->query;
    struct mx_presences *p = sync->server->who_is_there;
    struct found changed = {0}, faces = {0};
    if (!p->enabled || !mx_filter_type(&q->presence, GG_STR("m.presence")))
        return 0;
    bool all = q->has_since || gg_config_bool(sync->server->config, "presence.include_offline_users_on_sync");
    int rc = mx_presence_since(sync->server, gg_str(q->requester->user_id), q->has_since ? q->since.presence : 0, all,
                               sync->arena, &changed.v, &changed.n, err);
    if (rc == 0)
        rc = read_new_faces(sync, &faces, err);
    if (rc == 0)
        *out = merge(sync, &changed, &faces);
    return rc;
}

static void write(const struct mx_sync *sync, const void *gathered, struct gg_buf *out)
{
    const struct found *found = gathered;
    int64_t now = gg_wall_ms();
    if (found == NULL)
        return;
    gg_buf_lit(out, ",\"presence\":{\"events\":[");
    for (size_t i = 0; i < found->n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        mx_presence_write_event(out, &found->v[i], false, now);
    }
    gg_buf_lit(out, "]}");
}

const struct mx_sync_part mx_sync_part_presence = {.name = "presence", .gather = gather, .write = write};
