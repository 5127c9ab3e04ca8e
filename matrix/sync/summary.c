/* matrix/sync/summary.c: a room's summary in /sync (client-server API, "Calculating the display name for a room"): how
 * many members, and, for a room without a name, the heroes whom a client names it after. */
#include "heads/heads.h"
#include "sync/sync.h"

#include <ganglion/matrix/store.h>
#include <stdlib.h>

enum { MAX_HEROES = 5 };

static bool is_member(const struct mx_event *e)
{
    return e != NULL && gg_str_is(e->type, "m.room.member");
}

static bool members_changed(const struct mx_sync_room *r)
{
    for (size_t i = 0; i < r->n_timeline; i++)
        if (is_member(r->timeline[i]))
            return true;
    for (size_t i = 0; r->limited && i < r->n_state; i++)
        if (is_member(r->state[i]))
            return true;
    return false;
}

/* Does the state entry hold a text that is not empty? Then the room has a name by it. */
static int names_room(struct mx_sync *sync, const struct mx_sync_room *r, const char *type, const char *key, bool *names,
                      struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_heads_state_event(sync->server, r->head, type, GG_STR(""), sync->arena, &event, err);
    if (rc == 0 && event != NULL)
        *names = *names || mx_json_string(mx_json_get(event->content, key), sync->arena).n > 0;
    return rc;
}

static int by_text(const void *a, const void *b)
{
    const struct gg_str *x = a, *y = b;
    int order = memcmp(x->s, y->s, x->n < y->n ? x->n : y->n);
    return order != 0 ? order : (x->n > y->n) - (x->n < y->n);
}

/* The first members but oneself, of one kind; they are kept in the order of their ids: however many there are, no more is
 * looked at. */
static size_t first_members(const struct mx_sync *sync, const struct mx_sync_room *r, const char *membership, struct gg_str *out)
{
    const struct mx_state *members = mx_held_head(r->head)->members;
    struct mx_state_entry entry;
    size_t n = 0;
    for (size_t i = 0; n < MAX_HEROES && mx_state_next_of(members, gg_str(membership), &i, &entry);)
        if (!gg_str_is(entry.state_key, sync->query->requester->user_id))
            out[n++] = entry.state_key;
    return n;
}

/* Of those who are there (joined, invited); of those who are gone only when nobody is. */
static int find_heroes(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err)
{
    bool named = false;
    int rc = names_room(sync, r, "m.room.name", "name", &named, err);
    if (rc == 0 && !named)
        rc = names_room(sync, r, "m.room.canonical_alias", "alias", &named, err);
    if (rc != 0 || named)
        return rc;
    struct gg_str *heroes = GG_NEW_ARRAY(sync->arena, struct gg_str, 2 * MAX_HEROES);
    size_t n = first_members(sync, r, "join", heroes);
    n += first_members(sync, r, "invite", heroes + n);
    if (n == 0) {
        n = first_members(sync, r, "leave", heroes);
        n += first_members(sync, r, "ban", heroes + n);
    }
    qsort(heroes, n, sizeof(*heroes), by_text);
    r->heroes = heroes;
    r->n_heroes = n < MAX_HEROES ? n : MAX_HEROES;
    return 0;
}

int mx_sync_summarise(struct mx_sync *sync, struct mx_sync_room *r, struct gg_error *err)
{
    const struct mx_sync_query *q = sync->query;
    r->summed = r->kind == MX_SYNC_JOIN && q->state.lazy_members && (!q->has_since || members_changed(r));
    return r->summed ? find_heroes(sync, r, err) : 0;
}

void mx_sync_write_summary(struct mx_sync *sync, const struct mx_sync_room *r, struct gg_buf *out)
{
    gg_buf_lit(out, ",\"summary\":{");
    if (r->summed) {
        gg_buf_printf(out, "\"m.joined_member_count\":%zu,\"m.invited_member_count\":%zu", r->head->n_joined, r->head->n_invited);
        for (size_t i = 0; i < r->n_heroes; i++) {
            gg_buf_text(out, i == 0 ? ",\"m.heroes\":[" : ",");
            gg_buf_json_string(out, r->heroes[i]);
        }
        gg_buf_text(out, r->n_heroes > 0 ? "]" : "");
    }
    gg_buf_char(out, '}');
}
