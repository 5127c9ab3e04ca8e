/* matrix/federation/sending/dest.c: the destinations in memory.
 *
 * One that has nothing to do is kept for a while, so that its next event needs no look into the tables; beyond a bound
 * the one that was idle longest goes. Nothing is lost with it: the tables say what it is owed. */
#include "federation/client.h"
#include "federation/sending/sending.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>

enum {
    MAX_IDLE = 20000,
    MAX_QUEUED = 5000, /* events of one destination; one that is slower than that catches up from the tables */
    MAX_AHEAD = 256,
};

struct mx_dest *mx_dest_held(const struct mx_sending *sending, struct gg_str name)
{
    return gg_map_get(sending->dests, name);
}

bool mx_dest_mine(const struct mx_sending *sending, struct gg_str name)
{
    const struct mx_server *server = sending->server;
    return !gg_str_is(name, server->name) && mx_server_name_valid(name) && mx_fed_allowed(server, name) &&
           gg_topology_is_mine(server->config, "federation_sender", name);
}

static void dest_free(struct mx_dest *dest)
{
    struct mx_sending *sending = dest->sending;
    mx_dest_drop_pdus(dest, dest->n_pdus);
    mx_out_queue_clear(&dest->edus, MX_OUT_KINDS);
    if (!gg_list_empty(&dest->mark))
        sending->marks.n--;
    gg_list_remove(&dest->mark);
    gg_list_remove(&dest->link);
    free(dest->ahead);
    free(dest->pdus);
    free(dest);
}

static void make_place(struct mx_sending *sending)
{
    if (gg_map_count(sending->dests) < MAX_IDLE)
        return;
    GG_LIST_EACH(link, &sending->idle) {
        struct mx_dest *dest = GG_CONTAINER(link, struct mx_dest, link);
        if (!gg_list_empty(&dest->mark))
            continue; /* what it was delivered is not written yet */
        gg_map_delete(sending->dests, mx_dest_name(dest));
        dest_free(dest);
        return;
    }
}

static struct mx_dest *dest_new(struct mx_sending *sending, const struct mx_owed *owed)
{
    make_place(sending);
    struct mx_dest *dest = gg_xcalloc(1, sizeof(*dest) + owed->name.n + 1);
    memcpy(dest->name, owed->name.s, owed->name.n);
    dest->name_n = owed->name.n;
    dest->sending = sending;
    dest->behind = owed->events;
    dest->to_device = owed->to_device;
    dest->lists = owed->lists;
    dest->last = owed->last;
    if (owed->retry_at > 0) {
        int64_t wait = owed->retry_at - gg_wall_ms();
        dest->failures = 1;
        dest->not_before = wait > 0 ? gg_deadline(wait) : 0;
    }
    gg_list_init(&dest->mark);
    mx_out_queue_init(&dest->edus);
    gg_list_push(&sending->idle, &dest->link);
    gg_map_put(sending->dests, owed->name, dest);
    return dest;
}

/* Who is not in memory, each once. */
static size_t unknown_of(const struct mx_sending *sending, const struct gg_str *names, size_t n, struct gg_str *out)
{
    struct gg_map *seen = gg_map_new(NULL);
    size_t n_out = 0;
    for (size_t i = 0; i < n; i++) {
        if (mx_dest_held(sending, names[i]) != NULL || gg_map_has(seen, names[i]) || !mx_dest_mine(sending, names[i]))
            continue;
        gg_map_put(seen, names[i], NULL);
        out[n_out++] = names[i];
    }
    gg_map_free(seen);
    return n_out;
}

static int read_unknown(struct mx_sending *sending, const struct gg_str *names, size_t n, struct gg_arena *arena,
                        struct gg_error *err)
{
    struct gg_str *unknown = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    size_t n_unknown = unknown_of(sending, names, n, unknown);
    if (n_unknown == 0)
        return 0;
    struct mx_owed *owed = GG_NEW_ARRAY(arena, struct mx_owed, n_unknown);
    int rc = mx_owed_read(sending->server, unknown, n_unknown, arena, owed, err);
    for (size_t i = 0; rc == 0 && i < n_unknown; i++)
        if (mx_dest_held(sending, owed[i].name) == NULL) /* somebody else may have read it meanwhile */
            dest_new(sending, &owed[i]);
    return rc;
}

int mx_dests_get(struct mx_sending *sending, const struct gg_str *names, size_t n, struct mx_dest **out,
                 struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int rc = read_unknown(sending, names, n, arena, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        out[i] = mx_dest_held(sending, names[i]);
        if (out[i] != NULL && out[i]->place == MX_DEST_IDLE) { /* now the one used last */
            gg_list_remove(&out[i]->link);
            gg_list_push(&sending->idle, &out[i]->link);
        }
    }
    gg_arena_free(arena);
    return rc;
}

/* ---- its queues ---- */

void mx_dest_fall_behind(struct mx_dest *dest)
{
    size_t n = dest->n_pdus;
    if (n > 0)
        dest->skipped = dest->pdus[dest->first + n - 1]->stream_ordering;
    dest->behind = true;
    mx_dest_drop_pdus(dest, n);
}

static void make_room(struct mx_dest *dest)
{
    if (dest->first > 0) {
        memmove(dest->pdus, dest->pdus + dest->first, dest->n_pdus * sizeof(*dest->pdus));
        dest->first = 0;
    }
    if (dest->n_pdus < dest->cap)
        return;
    dest->cap = dest->cap > 0 ? dest->cap * 2 : 4;
    dest->pdus = gg_xrealloc(dest->pdus, dest->cap * sizeof(*dest->pdus));
}

void mx_dest_add_pdu(struct mx_dest *dest, struct mx_out_pdu *pdu)
{
    if (pdu->stream_ordering <= dest->last)
        return;
    if (!dest->behind && (dest->n_pdus >= MAX_QUEUED || dest->not_before > gg_now_ms()))
        mx_dest_fall_behind(dest);
    if (dest->behind) {
        if (pdu->stream_ordering > dest->skipped)
            dest->skipped = pdu->stream_ordering;
        return;
    }
    if (dest->first + dest->n_pdus == dest->cap)
        make_room(dest);
    dest->pdus[dest->first + dest->n_pdus++] = mx_out_pdu_ref(pdu);
}

void mx_dest_drop_pdus(struct mx_dest *dest, size_t n)
{
    for (; n > 0 && dest->n_pdus > 0; n--, dest->n_pdus--)
        mx_out_pdu_unref(&dest->sending->texts, dest->pdus[dest->first++]);
    if (dest->n_pdus > 0)
        return;
    free(dest->pdus); /* most are idle: they hold nothing */
    dest->pdus = NULL;
    dest->first = dest->cap = 0;
}

/* ---- what it has before its turn ---- */

bool mx_dest_has_ahead(const struct mx_dest *dest, int64_t stream_ordering)
{
    for (size_t i = 0; i < dest->n_ahead; i++)
        if (dest->ahead[i] == stream_ordering)
            return true;
    return false;
}

void mx_dest_note_ahead(struct mx_dest *dest, int64_t stream_ordering)
{
    if (stream_ordering <= dest->last || dest->n_ahead == MAX_AHEAD || mx_dest_has_ahead(dest, stream_ordering))
        return;
    dest->ahead = gg_xrealloc(dest->ahead, (dest->n_ahead + 1) * sizeof(*dest->ahead));
    dest->ahead[dest->n_ahead++] = stream_ordering;
}

void mx_dest_forget_ahead(struct mx_dest *dest)
{
    size_t n = 0;
    for (size_t i = 0; i < dest->n_ahead; i++)
        if (dest->ahead[i] > dest->last)
            dest->ahead[n++] = dest->ahead[i];
    dest->n_ahead = n;
    if (n > 0)
        return;
    free(dest->ahead);
    dest->ahead = NULL;
}

bool mx_dest_add_edu(struct mx_dest *dest, struct mx_out_edu *edu)
{
    if (edu->kind == MX_OUT_TYPING && dest->not_before > gg_now_ms())
        return false;
    mx_out_queue_add(&dest->edus, edu);
    return true;
}

bool mx_dest_owed(const struct mx_dest *dest)
{
    return dest->behind || dest->n_pdus > 0 || dest->to_device || dest->lists || !mx_out_queue_empty(&dest->edus);
}

void mx_dests_free(struct mx_sending *sending)
{
    size_t i = 0;
    struct gg_str key;
    void *value;
    while (gg_map_next(sending->dests, &i, &key, &value))
        dest_free(value);
    gg_map_free(sending->dests);
}
