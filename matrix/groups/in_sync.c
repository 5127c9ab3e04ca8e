/* matrix/groups/in_sync.c: the entry `groups` in the answer of /sync: {"join": {id: {}}, "invite": {id: {"profile",
 * "inviter"}}, "leave": {id: {}}}. */
#include "groups/in_sync.h"

#include "groups/groups.h"
#include "storage/groups.h"

struct found {
    struct mx_group_membership *v;
    size_t n;
};

static int gather(struct mx_sync *sync, void **out, struct gg_error *err)
{
    const struct mx_sync_query *q = sync->query;
    if (!mx_groups_on(sync->server) || (q->has_since && q->since.groups >= sync->now.groups))
        return 0;
    struct found *found = GG_NEW(sync->arena, struct found);
    int rc = mx_groups_memberships(sync->server, gg_str(q->requester->user_id), q->has_since ? q->since.groups : 0, sync->now.groups,
                                   sync->arena, &found->v, &found->n, err);
    *out = rc == 0 && found->n > 0 ? found : NULL;
    return rc;
}

static void write_kind(const struct found *found, const char *kind, struct gg_buf *out)
{
    bool first = true;
    gg_buf_printf(out, "\"%s\":{", kind);
    for (size_t i = 0; found != NULL && i < found->n; i++) {
        const struct mx_group_membership *m = &found->v[i];
        if (!gg_str_is(m->membership, kind))
            continue;
        gg_buf_text(out, first ? "" : ",");
        first = false;
        gg_buf_json_string(out, m->group_id);
        gg_buf_char(out, ':');
        gg_buf_str(out, strcmp(kind, "invite") == 0 ? m->content : GG_STR("{}"));
    }
    gg_buf_char(out, '}');
}

static void write(const struct mx_sync *sync, const void *gathered, struct gg_buf *out)
{
    if (gathered == NULL)
        return;
    gg_buf_lit(out, ",\"groups\":{");
    write_kind(gathered, "join", out);
    gg_buf_char(out, ',');
    write_kind(gathered, "invite", out);
    gg_buf_char(out, ',');
    write_kind(gathered, "leave", out);
    gg_buf_char(out, '}');
}

const struct mx_sync_part mx_sync_part_groups = {.name = "groups", .gather = gather, .write = write};
