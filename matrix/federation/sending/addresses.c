/* matrix/federation/sending/addresses.c: to whom an event goes.
 *
 * To the servers that were in the room before it: a server whose last user is banned must learn of the ban. */
#include "federation/sending/sending.h"

#include <ganglion/matrix/id.h>
#include <ganglion/matrix/store.h>

enum { PREV_MAX = 64 };

bool mx_event_goes_out(const struct mx_server *server, const struct mx_event *event)
{
    const struct mx_event_meta *meta = &event->meta;
    if (!mx_is_mine(server, event->sender) && meta->send_on_behalf_of.s == NULL)
        return false;
    return !meta->not_proactively_send && !meta->out_of_band && !meta->outlier && !meta->soft_failed &&
           meta->rejected.s == NULL && event->n_prev > 0;
}

/* Who built the event has perhaps said where it stands (facts replication 2.3). 0: it has not. */
static int64_t group_told(struct mx_server *server, struct gg_str event_id, struct gg_arena *arena)
{
    struct gg_str value;
    int64_t group;
    if (!gg_host_redis_enabled(server->host))
        return 0;
    const char *key = gg_arena_printf(arena, "cache_v1:event_to_prev_state_group:%.*s", GG_FMT(event_id));
    return gg_repl_cache_get(server->host, key, arena, &value) && mx_json_i64(value, &group) ? group : 0;
}

/* The state groups after its predecessors. *same: they are one. Those that we do not hold count for nothing. */
static int groups_before(struct mx_server *server, const struct mx_event *event, int64_t *groups, size_t *n_out,
                         struct gg_error *err)
{
    int64_t all[PREV_MAX];
    size_t n = event->n_prev < PREV_MAX ? event->n_prev : PREV_MAX, kept = 0;
    int rc = mx_store_state_groups_of(server, event->prev_events, n, all, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool known = all[i] == 0;
        for (size_t k = 0; !known && k < kept; k++)
            known = groups[k] == all[i];
        if (!known)
            groups[kept++] = all[i];
    }
    *n_out = kept;
    return rc;
}

static int resolve(struct mx_server *server, const struct mx_event *event, const int64_t *groups, size_t n,
                   struct gg_arena *arena, const struct mx_state **out, struct gg_error *err)
{
    const struct mx_state *maps[PREV_MAX];
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = mx_store_group_state(server, groups[i], arena, &maps[i], err);
    return rc != 0 ? rc : mx_store_resolve(server, event->room_id, event->version, maps, n, arena, out, err);
}

/* The group before it: a message has its own; else that of what it follows. 0 and *state: there is no single one. */
static int state_before(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena, int64_t *group,
                        const struct mx_state **state, struct gg_error *err)
{
    int64_t groups[PREV_MAX];
    size_t n;
    *group = 0;
    if (!mx_event_is_state(event))
        return mx_store_state_group_of(server, event->event_id, group, err);
    int rc = groups_before(server, event, groups, &n, err);
    if (rc != 0 || n == 0)
        return rc;
    *group = n == 1 ? groups[0] : group_told(server, event->event_id, arena);
    return *group != 0 ? 0 : resolve(server, event, groups, n, arena, state, err);
}

/* An invitation that is taken back is told to the invited user's server, which is not in the room. */
static int invited_server(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena,
                          struct gg_str *out, struct gg_error *err)
{
    *out = (struct gg_str){0};
    if (!gg_str_is(event->type, "m.room.member") || !gg_str_is(event->membership, "leave") ||
        gg_str_eq(event->sender, event->state_key))
        return 0;
    const struct mx_event **auth = GG_NEW_ARRAY(arena, const struct mx_event *, event->n_auth + 1);
    int rc = mx_store_events(server, event->auth_events, event->n_auth, true, arena, auth, err);
    for (size_t i = 0; rc == 0 && i < event->n_auth; i++)
        if (auth[i] != NULL && gg_str_is(auth[i]->type, "m.room.member") && auth[i]->state_key.s != NULL &&
            gg_str_eq(auth[i]->state_key, event->state_key) && gg_str_is(auth[i]->membership, "invite"))
            *out = mx_id_domain(event->state_key);
    return rc;
}

static int hosts_before(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena,
                        struct mx_fed_hosts *out, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_state *state = NULL;
    int64_t group;
    int rc = mx_fed_hosts_at_join(server, event->room_id, arena, out, err);
    if (rc != 0 || out->n > 0) /* a room that we know in part: who was there when we joined */
        return rc;
    rc = mx_heads_get(server, event->room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND) { /* our last user has left: the others must hear that */
        head = NULL;
        rc = 0;
    }
    if (rc == 0)
        rc = state_before(server, event, arena, &group, &state, err);
    if (rc == 0 && state != NULL)
        return mx_fed_hosts_of_state(server, head, state, arena, out, err);
    return rc != 0 || group == 0 ? rc : mx_fed_hosts_of_group(server, head, group, arena, out, err);
}

int mx_addresses_of(struct mx_server *server, const struct mx_event *event, struct gg_arena *arena,
                    const struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    struct mx_fed_hosts hosts = {0};
    struct gg_str invited = {0}, has_it = event->meta.send_on_behalf_of;
    size_t n = 0;
    *n_out = 0;
    int rc = hosts_before(server, event, arena, &hosts, err);
    if (rc == 0)
        rc = invited_server(server, event, arena, &invited, err);
    if (rc != 0)
        return rc;
    struct gg_str *names = GG_NEW_ARRAY(arena, struct gg_str, hosts.n + 1);
    for (size_t i = 0; i < hosts.n; i++)
        if (!gg_str_is(hosts.names[i], server->name) && (has_it.s == NULL || !gg_str_eq(hosts.names[i], has_it)))
            names[n++] = hosts.names[i];
    if (invited.s != NULL && !gg_str_is(invited, server->name) && !mx_fed_hosts_has(&hosts, invited))
        names[n++] = invited;
    *out = names;
    *n_out = n;
    return 0;
}
