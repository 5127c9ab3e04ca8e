/* matrix/federation/spaces_served.c: what we tell other servers of a space and its rooms. */
#include "federation/spaces_served.h"

#include "rooms/children.h"
#include "rooms/summary.h"

enum { MAX_SUMMARIES = 200 }; /* rooms that are told of in one answer; of more the other server asks one by one */

struct telling {
    struct mx_server *server;
    struct gg_str origin;
    struct gg_arena *arena;
    struct gg_buf *rooms, *closed; /* children that they may know, and those that they may not */
    size_t n_rooms, n_closed;
};

static int add_child(struct telling *t, struct gg_str room_id, struct gg_error *err)
{
    struct mx_summary summary;
    bool known, found;
    int rc = mx_summary_find_for_server(t->server, t->origin, room_id, t->arena, &summary, &known, &found, err);
    if (rc != 0 || !known)
        return rc;
    if (!found) {
        gg_buf_text(t->closed, t->n_closed++ > 0 ? "," : "");
        gg_buf_json_string(t->closed, room_id);
        return 0;
    }
    gg_buf_text(t->rooms, t->n_rooms++ > 0 ? "," : "");
    rc = mx_summary_write(t->server, &summary, t->arena, t->rooms, err);
    gg_buf_char(t->rooms, '}');
    return rc;
}

static int write_root(struct telling *t, const struct mx_summary *root, const struct mx_event *const *children, size_t n,
                      struct gg_buf *out, struct gg_error *err)
{
    gg_buf_lit(out, "{\"room\":");
    int rc = mx_summary_write(t->server, root, t->arena, out, err);
    gg_buf_lit(out, ",\"children_state\":[");
    for (size_t i = 0; rc == 0 && i < n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        mx_space_child_write(out, children[i]);
    }
    gg_buf_lit(out, "]}");
    return rc;
}

static int tell(struct telling *t, const struct mx_summary *root, bool suggested_only, struct gg_buf *out, struct gg_error *err)
{
    const struct mx_event **children = NULL;
    size_t n = 0;
    int rc = root->space ? mx_space_children(t->server, root->head, suggested_only, t->arena, &children, &n, err) : 0;
    if (rc == 0)
        rc = write_root(t, root, children, n, out, err);
    for (size_t i = 0; rc == 0 && i < n && i < MAX_SUMMARIES; i++)
        rc = add_child(t, children[i]->state_key, err);
    gg_buf_lit(out, ",\"children\":[");
    gg_buf_str(out, gg_buf_view(t->rooms));
    gg_buf_lit(out, "],\"inaccessible_children\":[");
    gg_buf_str(out, gg_buf_view(t->closed));
    gg_buf_lit(out, "]}");
    return rc;
}

int mx_fed_serve_hierarchy(struct mx_server *server, struct gg_str origin, struct gg_str room_id, bool suggested_only,
                           struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct gg_buf rooms = GG_BUF_INIT, closed = GG_BUF_INIT;
    struct telling t = {.server = server, .origin = origin, .arena = arena, .rooms = &rooms, .closed = &closed};
    struct mx_summary root;
    bool known, found;
    int rc = mx_summary_find_for_server(server, origin, room_id, arena, &root, &known, &found, err);
    if (rc == 0 && !found)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unknown room: %.*s", GG_FMT(room_id));
    if (rc == 0)
        rc = tell(&t, &root, suggested_only, out, err);
    gg_buf_done(&rooms);
    gg_buf_done(&closed);
    return rc;
}
