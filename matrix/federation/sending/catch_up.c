/* matrix/federation/sending/catch_up.c: a server that was away is told where each room stands now.
 *
 * A short gap is closed: if it missed no more of ours in a room than one transaction holds, and nobody else has spoken
 * since, it gets just those events. Else not all that it missed, but the newest event that was owed in the room, or,
 * when others have spoken since, the room's present ends that it may see; what lies before it asks for, as it would after
 * any gap. One room to a transaction: its work for one may take long. */
#include "federation/sending/sending.h"

#include <ganglion/log.h>
#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum { ROOMS_AT_ONCE = 50 };

struct room {
    struct mx_dest *dest;
    const struct mx_missed *missed;
    int64_t from;               /* what it had when we began */
    struct gg_arena *arena;
    const struct mx_head *head; /* NULL: we know the room no longer */
    struct mx_out_pdu *pdus[MX_PDUS_MAX];
    size_t n;
};

/* Has nobody but us spoken last? */
static bool ours_at_end(const struct room *r, const struct mx_event *const *ends, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ends[i] != NULL && !mx_is_mine(r->dest->sending->server, ends[i]->sender))
            return false;
    return true;
}

/* A server sees all of a room for as long as it is in it. */
static int in_room_at(const struct room *r, size_t end, bool *out, struct gg_error *err)
{
    struct mx_server *server = r->dest->sending->server;
    struct mx_fed_hosts then, now;
    *out = false;
    mx_fed_hosts_of_head(server, r->head, r->arena, &now);
    if (!mx_fed_hosts_has(&now, mx_dest_name(r->dest)) || r->head->extremity_groups[end] == 0)
        return 0;
    int rc = mx_fed_hosts_of_group(server, r->head, r->head->extremity_groups[end], r->arena, &then, err);
    *out = rc == 0 && mx_fed_hosts_has(&then, mx_dest_name(r->dest));
    return rc;
}

static int add_ends(struct room *r, const struct mx_event *const *events, size_t n, struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool sees = false;
        if (events[i] == NULL || events[i]->meta.stream_ordering <= r->dest->last || events[i]->meta.rejected.s != NULL)
            continue;
        rc = in_room_at(r, i, &sees, err);
        if (rc == 0 && sees)
            r->pdus[r->n++] = mx_out_pdu_new(events[i]->event_id, events[i]->meta.stream_ordering);
    }
    return rc;
}

/* The events of ours that it would have been sent, if they are few. */
static int add_gap(struct room *r, struct gg_error *err)
{
    struct mx_server *server = r->dest->sending->server;
    const struct mx_event *events[MX_PDUS_MAX + 1];
    struct gg_str ids[MX_PDUS_MAX + 1];
    struct mx_own_event *own;
    size_t n = 0, n_names;
    int rc = mx_own_events_in_room(server, r->missed->room_id, r->from, r->missed->stream_ordering, MX_PDUS_MAX + 1,
                                   r->arena, &own, &n, err);
    if (rc != 0 || n > MX_PDUS_MAX)
        return rc;
    for (size_t i = 0; i < n; i++)
        ids[i] = own[i].event_id;
    rc = mx_store_events(server, ids, n, false, r->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        const struct gg_str *names;
        if (events[i] == NULL || !mx_event_goes_out(server, events[i]))
            continue;
        rc = mx_addresses_of(server, events[i], r->arena, &names, &n_names, err);
        for (size_t k = 0; rc == 0 && k < n_names; k++)
            if (gg_str_eq(names[k], mx_dest_name(r->dest)))
                r->pdus[r->n++] = mx_out_pdu_new(events[i]->event_id, events[i]->meta.stream_ordering);
    }
    return rc;
}

static int find_head(struct room *r, struct gg_error *err)
{
    int rc = mx_heads_extremities(r->dest->sending->server, r->missed->room_id, r->arena, &r->head, err);
    if (rc != 0)
        r->head = NULL;
    return rc == GG_E_NOT_FOUND ? 0 : rc;
}

static int choose(struct room *r, struct gg_error *err)
{
    int rc = find_head(r, err);
    size_t n = rc == 0 && r->head != NULL ? r->head->n_extremities : 0;
    n = n < MX_PDUS_MAX ? n : MX_PDUS_MAX;
    const struct mx_event **ends = GG_NEW_ARRAY(r->arena, const struct mx_event *, n + 1);
    if (rc == 0 && n > 0)
        rc = mx_store_events(r->dest->sending->server, r->head->extremities, n, false, r->arena, ends, err);
    if (rc == 0 && ours_at_end(r, ends, n))
        rc = add_gap(r, err);
    if (rc == 0 && r->n == 0)
        rc = add_ends(r, ends, n, err);
    if (rc == 0 && r->n == 0)
        r->pdus[r->n++] = mx_out_pdu_new(r->missed->event_id, r->missed->stream_ordering);
    return rc;
}

/* Rooms that were told of, with the position up to which. */
struct told {
    struct gg_map *rooms;
    int64_t from; /* of all others */
    size_t n;
};

static int64_t told_upto(const struct told *told, struct gg_str room_id)
{
    const int64_t *upto = gg_map_get(told->rooms, room_id);
    return upto != NULL ? *upto : told->from;
}

static void note_told(struct told *told, struct gg_str room_id, int64_t upto)
{
    int64_t *value = gg_xmalloc(sizeof(*value));
    *value = upto;
    gg_map_put(told->rooms, room_id, value);
    told->n++;
}

/* What was sent may be newer than what we knew to be owed: then that is not sent again when its turn comes. */
static int64_t newest_of(const struct room *r)
{
    int64_t newest = r->missed->stream_ordering;
    for (size_t i = 0; i < r->n; i++)
        newest = r->pdus[i]->stream_ordering > newest ? r->pdus[i]->stream_ordering : newest;
    return newest;
}

static int tell_room(struct mx_dest *dest, const struct mx_missed *missed, struct told *told, struct gg_error *err)
{
    struct room r = {.dest = dest, .missed = missed, .from = told_upto(told, missed->room_id), .arena = gg_arena_new()};
    bool owed = missed->stream_ordering > r.from;
    int rc = owed && missed->event_id.s != NULL ? choose(&r, err) : 0;
    if (rc == 0 && r.n > 0)
        rc = mx_transmit_events(dest, r.pdus, r.n, err);
    if (rc == 0) { /* where we are in what is owed, whatever stood for it */
        mx_mark_delivered(dest, missed->stream_ordering);
        if (owed)
            note_told(told, missed->room_id, newest_of(&r));
    }
    for (size_t i = 0; i < r.n; i++)
        mx_out_pdu_unref(&dest->sending->texts, r.pdus[i]);
    gg_arena_free(r.arena);
    return rc;
}

/* One page of it. *end: nothing is owed any more. */
static int tell_page(struct mx_dest *dest, struct told *told, bool *end, struct gg_error *err)
{
    struct mx_sending *sending = dest->sending;
    struct gg_arena *arena = gg_arena_new();
    struct mx_missed *missed;
    int64_t skipped = dest->skipped;
    size_t n = 0;
    int rc = mx_owed_missed(sending->server, mx_dest_name(dest), dest->last, ROOMS_AT_ONCE, arena, &missed, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !sending->draining; i++)
        rc = tell_room(dest, &missed[i], told, err);
    *end = rc == 0 && n == 0 && dest->skipped == skipped; /* else an event was passed by while we read */
    gg_arena_free(arena);
    return rc;
}

int mx_catch_up(struct mx_dest *dest, struct gg_error *err)
{
    struct told told = {gg_map_new(free), dest->last, 0};
    bool end = false;
    int rc = 0;
    while (rc == 0 && !end && !dest->sending->draining && !gg_cancelled())
        rc = tell_page(dest, &told, &end, err);
    if (end)
        dest->behind = false;
    if (told.n > 0)
        gg_info(&logger, "%s was told of %zu rooms that it had missed something of", dest->name, told.n);
    gg_map_free(told.rooms);
    return rc;
}
