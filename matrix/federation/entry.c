/* matrix/federation/entry.c: may another server ask about a room at all? */
#include "federation/entry.h"

#include "federation/hosts.h"
#include "rooms/server_acl.h"

bool mx_fed_is_in(struct mx_server *server, const struct mx_head *head, struct gg_str name)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_fed_hosts hosts;
    mx_fed_hosts_of_head(server, head, arena, &hosts);
    bool found = mx_fed_hosts_has(&hosts, name);
    gg_arena_free(arena);
    return found;
}

static int check_acl(struct mx_server *server, const struct mx_head *head, struct gg_str origin, struct gg_arena *arena,
                     struct gg_error *err)
{
    const struct mx_event *acl;
    int rc = mx_heads_state_event(server, head, "m.room.server_acl", GG_STR(""), arena, &acl, err);
    if (rc == 0 && acl != NULL && !mx_server_acl_lets_in(acl->content, origin, arena))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Server is banned from room");
    return rc;
}

int mx_fed_is_partial(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, bool *partial,
                      struct gg_error *err)
{
    struct mx_fed_hosts first;
    int rc = mx_fed_hosts_at_join(server, room_id, arena, &first, err);
    *partial = rc == 0 && first.n > 0;
    return rc;
}

static int check_presence(struct mx_server *server, struct gg_str origin, const struct mx_head *head, enum mx_fed_need need,
                          struct gg_arena *arena, struct gg_error *err)
{
    struct mx_fed_hosts hosts;
    bool partial;
    int rc = mx_fed_is_partial(server, head->room_id, arena, &partial, err);
    if (rc == 0 && partial && need == MX_FED_FULL_STATE)
        return gg_refuse(err, 403, "M_UNABLE_DUE_TO_PARTIAL_STATE", "Unable to authorise you right now; room is partial-stated here.");
    if (rc == 0)
        rc = mx_fed_hosts_in_room(server, head->room_id, arena, &hosts, err);
    if (rc == 0 && !mx_fed_hosts_has(&hosts, origin))
        rc = gg_refuse(err, 403, "M_FORBIDDEN", "Host not in room.");
    return rc;
}

int mx_fed_admit_member(struct mx_server *server, struct gg_str origin, struct gg_str room_id, enum mx_fed_need need,
                        struct gg_arena *arena, const struct mx_head **head_out, struct gg_error *err)
{
    int rc = mx_heads_get(server, room_id, arena, head_out, err);
    if (rc == GG_E_NOT_FOUND)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Host not in room.");
    return rc != 0 ? rc : check_presence(server, origin, *head_out, need, arena, err);
}

int mx_fed_admit(struct mx_server *server, struct gg_str origin, struct gg_str room_id, enum mx_fed_need need,
                 struct gg_arena *arena, const struct mx_head **head_out, struct gg_error *err)
{
    int rc = mx_fed_admit_member(server, origin, room_id, need, arena, head_out, err);
    return rc != 0 ? rc : check_acl(server, *head_out, origin, arena, err);
}

int mx_fed_admit_stranger(struct mx_server *server, struct gg_str origin, struct gg_str room_id, struct gg_arena *arena,
                          const struct mx_head **head_out, struct gg_error *err)
{
    bool partial;
    int rc = mx_heads_get(server, room_id, arena, head_out, err);
    if (rc == GG_E_NOT_FOUND)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Could not find room %.*s", GG_FMT(room_id));
    if (rc == 0)
        rc = check_acl(server, *head_out, origin, arena, err);
    if (rc == 0)
        rc = mx_fed_is_partial(server, room_id, arena, &partial, err);
    if (rc == 0 && partial)
        rc = gg_refuse(err, 404, "M_NOT_FOUND", "Unable to handle this request right now; this server is not fully joined.");
    return rc;
}

int mx_fed_acl(struct mx_server *server, struct gg_str origin, struct gg_str room_id, struct gg_arena *arena,
               struct gg_error *err)
{
    const struct mx_head *head;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        return 0;
    }
    return rc != 0 ? rc : check_acl(server, head, origin, arena, err);
}
