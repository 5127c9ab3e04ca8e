/* matrix/appservice/interest.c: which services see a room: by its id, its aliases, and the local users in it.
 *
 * What was found of the members holds for one position of the room's state; what was found of the aliases until the
 * row `get_aliases_for_room` of the caches stream drops it. */
#include "appservice/services.h"
#include "heads/heads.h"
#include "parts.h"
#include "storage/directory.h"

#include <ganglion/fiber.h>
#include <ganglion/memory.h>

enum { ROOMS_BYTES = 4 << 20, ALIASES_BYTES = 2 << 20, SENT_BYTES = 4 << 20, PROTOCOLS_BYTES = 1 << 20, AT_ONCE = 500 /* members between two breaths */ };

/* One byte for each service, at index. */
struct seen {
    int64_t position;
    bool by[];
};

int mx_interest_make(struct mx_server *server, struct gg_error *err)
{
    static const struct mx_cache_def rooms = {.name = "is_interested_in_room", .max_bytes = ROOMS_BYTES};
    static const struct mx_cache_def aliases = {.name = "get_aliases_for_room", .max_bytes = ALIASES_BYTES};
    static const struct mx_cache_def sent = {.name = "appservice_sent", .max_bytes = SENT_BYTES};
    static const struct mx_cache_def protocols = {.name = "as_protocol_meta", .max_bytes = PROTOCOLS_BYTES};
    struct mx_appservices *all = mx_appservices_of(server);
    all->rooms = mx_cache_new(server, &rooms);
    all->aliases = mx_cache_new(server, &aliases);
    all->sent = mx_cache_new(server, &sent);
    all->protocols = mx_cache_new(server, &protocols);
    return 0;
}

static struct seen *seen_new(const struct mx_appservices *all)
{
    return gg_xcalloc(1, sizeof(struct seen) + all->n * sizeof(bool));
}

static size_t seen_bytes(const struct mx_appservices *all)
{
    return sizeof(struct seen) + all->n * sizeof(bool);
}

/* ---- aliases ---- */

static int read_aliases(struct mx_server *server, struct gg_str room_id, struct seen *found, struct gg_error *err)
{
    struct mx_appservices *all = mx_appservices_of(server);
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *aliases;
    size_t n = 0;
    int rc = mx_directory_aliases_of(server, room_id, arena, &aliases, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        for (size_t s = 0; s < all->n; s++)
            found->by[s] = found->by[s] || mx_appservice_has_alias(&all->v[s], aliases[i]);
    gg_arena_free(arena);
    return rc;
}

static bool any_aliases(const struct mx_appservices *all)
{
    for (size_t s = 0; s < all->n; s++)
        if (all->v[s].aliases.n > 0)
            return true;
    return false;
}

static void add(const struct mx_appservices *all, const struct seen *found, bool *seen)
{
    for (size_t s = 0; s < all->n; s++)
        seen[s] = seen[s] || found->by[s];
}

static int see_aliases(struct mx_server *server, struct gg_str room_id, bool *seen, struct gg_error *err)
{
    struct mx_appservices *all = mx_appservices_of(server);
    if (!any_aliases(all))
        return 0;
    const struct seen *held = mx_cache_get(all->aliases, room_id);
    if (held != NULL) {
        add(all, held, seen);
        return 0;
    }
    uint64_t tick = mx_cache_tick(all->aliases);
    struct seen *found = seen_new(all);
    int rc = read_aliases(server, room_id, found, err);
    if (rc != 0) {
        free(found);
        return rc;
    }
    add(all, found, seen);
    (void)mx_cache_put(all->aliases, room_id, found, seen_bytes(all), tick);
    return 0;
}

/* ---- members ---- */

static bool all_seen(const struct mx_appservices *all, const struct seen *found)
{
    for (size_t s = 0; s < all->n; s++)
        if (!found->by[s])
            return false;
    return true;
}

/* The members of a large room are many: others get their turn in between. */
static int look_at_members(struct mx_server *server, const struct mx_head *head, struct seen *found, struct gg_error *err)
{
    const struct mx_appservices *all = mx_appservices_of(server);
    const struct mx_state *members = mx_held_head(head)->members;
    struct mx_state_entry e;
    size_t looked = 0;
    for (size_t i = 0; mx_state_next_of(members, GG_STR("join"), &i, &e) && !all_seen(all, found);) {
        if (!mx_is_mine(server, e.state_key))
            continue;
        for (size_t s = 0; s < all->n; s++)
            found->by[s] = found->by[s] || mx_appservice_has_user(&all->v[s], e.state_key);
        if (++looked % AT_ONCE == 0 && gg_yield() != 0)
            return gg_fail(err, GG_E_CANCELLED, "stopping");
    }
    return 0;
}

static int see_members(struct mx_server *server, struct gg_str room_id, bool *seen, struct gg_error *err)
{
    struct mx_appservices *all = mx_appservices_of(server);
    struct gg_arena *arena = gg_arena_new();
    const struct mx_head *head;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == GG_E_NOT_FOUND) { /* nobody is in it as far as we know */
        *err = (struct gg_error)GG_ERROR_INIT;
        rc = 0;
        goto out;
    }
    if (rc != 0)
        goto out;
    const struct seen *held = mx_cache_get(all->rooms, room_id);
    if (held != NULL && held->position == mx_head_state_position(head)) {
        add(all, held, seen);
        goto out;
    }
    uint64_t tick = mx_cache_tick(all->rooms);
    struct seen *found = seen_new(all);
    found->position = mx_head_state_position(head);
    rc = look_at_members(server, head, found, err);
    add(all, found, seen);
    if (rc == 0)
        (void)mx_cache_put(all->rooms, room_id, found, seen_bytes(all), tick);
    else
        free(found);
out:
    gg_arena_free(arena);
    return rc;
}

int mx_appservices_see_room(struct mx_server *server, struct gg_str room_id, bool *seen, struct gg_error *err)
{
    const struct mx_appservices *all = mx_appservices_of(server);
    for (size_t s = 0; s < all->n; s++)
        seen[s] = mx_appservice_has_room_id(&all->v[s], room_id);
    int rc = see_aliases(server, room_id, seen, err);
    return rc == 0 ? see_members(server, room_id, seen, err) : rc;
}

int mx_appservices_see_event(struct mx_server *server, const struct mx_event *event, bool *seen, struct gg_error *err)
{
    const struct mx_appservices *all = mx_appservices_of(server);
    bool member = gg_str_is(event->type, "m.room.member") && mx_event_is_state(event);
    int rc = mx_appservices_see_room(server, event->room_id, seen, err);
    for (size_t s = 0; s < all->n; s++)
        seen[s] = seen[s] || mx_appservice_has_user(&all->v[s], event->sender) ||
                  (member && mx_appservice_has_user(&all->v[s], event->state_key));
    return rc;
}
