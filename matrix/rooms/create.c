/* matrix/rooms/create.c: a new room, from the body of createRoom.
 *
 * All events are built and authorised in memory first, so a refused request leaves nothing behind; then they are
 * written as one run. */
#include "rooms/standing.h"
#include "usage/usage.h"
#include "rooms/create_plan.h"

#include "directory/rules.h"
#include "stats/stats.h"
#include "storage/directory.h"

#include <ganglion/buf.h>

enum { MAX_TRIES = 5 };

int mx_room_plan_write(struct mx_room_plan *p, bool *taken, struct gg_error *err)
{
    struct mx_chain *chain = p->chain;
    size_t n_aliases = p->alias.s != NULL;
    if (n_aliases > 0 && !mx_may_create_alias(chain->server, p->creator, chain->room_id, p->alias))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Not allowed to create alias");
    /* Who may not publish it has the room all the same. */
    bool listed = p->is_public && (p->upgrade || mx_may_publish_room(chain->server, p->creator, chain->room_id, &p->alias, n_aliases));
    int rc = mx_directory_add_room(chain->server, chain->room_id, p->creator, p->version, listed, err);
    *taken = rc == GG_E_CONFLICT && strcmp(gg_db_sqlstate(), "23505") == 0;
    if (rc == 0 && p->alias.s != NULL)
        rc = mx_directory_add_alias(chain->server, p->alias, chain->room_id, p->creator, err);
    return rc == 0 ? mx_chain_commit(chain, NULL, NULL, err) : rc;
}

struct gg_str mx_room_id_draw(struct mx_server *server, const struct mx_room_version *version, struct gg_arena *arena)
{
    if (version->room_id_is_hash)
        return (struct gg_str){0};
    char opaque[19];
    gg_random_text(opaque, 18, GG_LETTERS);
    return gg_str(gg_arena_printf(arena, "!%s:%s", opaque, server->name));
}

/* Users of other servers, one after the other. */
static int invite_others(struct mx_room_plan *p, struct gg_error *err)
{
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && p->invites != NULL && i < p->invites->n; i++) {
        struct gg_str user = p->invites->items[i]->text, event_id;
        struct mx_membership_change invite = {.room_id = p->chain->room_id, .target = user, .membership = GG_STR("invite"),
                                              .action = "invite",
                                              .content = p->is_direct ? GG_STR("{\"is_direct\":true}") : (struct gg_str){0}};
        if (!mx_is_mine(p->chain->server, user) && !mx_room_plan_named_before(p, i))
            rc = mx_room_membership(p->chain->server, p->chain->requester, &invite, p->chain->arena, &event_id, err);
    }
    return rc;
}

/* The room stands: an address that cannot be invited makes the request fail all the same, as in Synapse. */
static int invite_addresses(struct mx_room_plan *p, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->n_third_party; i++)
        rc = mx_third_party_invite(p->chain->server, p->chain->requester, p->chain->room_id, &p->third_party[i],
                                   p->chain->arena, err);
    return rc;
}

/* taken: the room id is in use, which another process can bring about for ids that are hashes. */
static int create_once(struct mx_server *server, const struct mx_requester *requester, struct gg_str body,
                       struct mx_chain *chain, struct mx_room_plan *p, bool *taken, struct gg_error *err)
{
    struct gg_arena *arena = chain->arena;
    int rc = mx_json_parse(body, 200, arena, &p->body, err);
    if (rc == 0)
        rc = mx_room_plan_read(p, err);
    if (rc != 0)
        return rc;
    mx_chain_begin_empty(chain, server, requester, p->version, mx_room_id_draw(server, p->version, arena), arena);
    chain->now_ms = mx_room_creation_time(server);
    rc = mx_room_plan_add_events(p, err);
    if (rc == 0)
        rc = mx_room_plan_write(p, taken, err);
    if (rc == 0)
        rc = invite_others(p, err);
    if (rc == 0)
        rc = invite_addresses(p, err);
    if (rc == 0 && p->is_public)
        mx_stats_settle(server, chain->room_id);
    return rc;
}

int mx_room_create(struct mx_server *server, const struct mx_requester *requester, struct gg_str body,
                   struct gg_arena *arena, struct gg_str *room_id_out, struct gg_str *alias_out, struct gg_error *err)
{
    struct mx_chain *chain = GG_NEW(arena, struct mx_chain);
    struct mx_room_plan p;
    bool taken;
    int rc = mx_usage_check_sender(server, requester, err), tries = 0;
    if (rc == 0)
        rc = mx_standing_create(requester, err);
    if (rc != 0)
        return rc;
    do {
        taken = false;
        *chain = (struct mx_chain){.server = server, .requester = requester, .arena = arena};
        p = (struct mx_room_plan){.chain = chain, .creator = gg_str(requester->user_id)};
        rc = create_once(server, requester, body, chain, &p, &taken, err);
        if (rc == 0) {
            *room_id_out = gg_arena_str(arena, chain->room_id);
            *alias_out = p.alias;
        }
        mx_chain_done(chain);
    } while (taken && ++tries < MAX_TRIES);
    return rc;
}
