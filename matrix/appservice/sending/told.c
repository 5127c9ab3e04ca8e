/* matrix/appservice/sending/told.c: typing, receipts and presence (application service API, "Pushing ephemeral data").
 *
 * They wait in memory, for services that are up. Positions are written now and then: after a kill a moment is told again. */
#include "appservice/sending/sending.h"

#include "presence/presence.h"
#include "userdata/streams.h"
#include "userdata/typing.h"

#include <ganglion/log.h>
#include <ganglion/matrix/json.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.appservice"};

enum {
    PACE_MS = 100,      /* what happens in between is told at once */
    WRITE_MS = 1000,
    IDLE_MS = 60000,
    MAX_HEARD = 10000,  /* rooms with typists, users with news: what is more is dropped until the next turn */
    RECEIPTS = 1000,
};

/* ---- hearing ---- */

static bool listens(const struct mx_as_sending *sending)
{
    return sending->working;
}

void mx_as_hear_typing(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                       size_t n, bool moved)
{
    struct mx_as_sending *sending = self;
    for (size_t i = 0; i < n && moved && listens(sending); i++) {
        struct gg_str room_id = mx_row_text(rows[i].row, 0);
        if (room_id.s != NULL && gg_map_count(sending->typing) < MAX_HEARD)
            gg_map_put(sending->typing, room_id, NULL);
    }
    gg_cond_signal(&sending->told);
}

void mx_as_hear_receipts(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                         size_t n, bool moved)
{
    struct mx_as_sending *sending = self;
    if (moved && listens(sending)) {
        sending->receipts = true;
        gg_cond_signal(&sending->told);
    }
}

void mx_as_hear_presence(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                         size_t n, bool moved)
{
    struct mx_as_sending *sending = self;
    for (size_t i = 0; i < n && moved && listens(sending); i++) {
        struct gg_str user_id = mx_row_text(rows[i].row, 0);
        if (user_id.s == NULL || (gg_map_count(sending->presence) >= MAX_HEARD && !gg_map_has(sending->presence, user_id)))
            continue;
        char *copy = gg_xmalloc(rows[i].row.n + 1);
        memcpy(copy, rows[i].row.s, rows[i].row.n);
        copy[rows[i].row.n] = '\0';
        gg_map_put(sending->presence, user_id, copy);
    }
    gg_cond_signal(&sending->told);
}

/* ---- the queue of a service ---- */

void mx_as_told_drop(struct mx_as_queue *q, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(q->told[i]);
    memmove(q->told, q->told + n, (q->n_told - n) * sizeof(*q->told));
    memmove(q->told_rooms, q->told_rooms + n, (q->n_told - n) * sizeof(*q->told_rooms));
    q->n_told -= n;
}

void mx_as_tell_one(struct mx_as_queue *q, struct gg_str json, struct gg_str room_id)
{
    if (q->down || !q->known)
        return;
    if (q->n_told == MX_AS_TOLD_WAITING)
        mx_as_told_drop(q, MX_AS_TOLD_WAITING / 4);
    char *copy = gg_xmalloc(json.n + room_id.n + 2);
    memcpy(copy, json.s, json.n);
    copy[json.n] = '\0';
    if (room_id.n > 0)
        memcpy(copy + json.n + 1, room_id.s, room_id.n);
    q->told[q->n_told] = copy;
    q->told_rooms[q->n_told++] = room_id.n > 0 ? gg_strn(copy + json.n + 1, room_id.n) : gg_strn(NULL, 0);
    gg_cond_signal(&q->news);
}

static void tell_seers(struct mx_as_sending *sending, const bool *seen, struct gg_str json, struct gg_str room_id)
{
    for (size_t s = 0; s < sending->n; s++)
        if (seen[s] && mx_as_hears_ephemeral(sending->queues[s].service))
            mx_as_tell_one(&sending->queues[s], json, room_id);
}

/* ---- typing ---- */

static int tell_typing(struct mx_as_sending *sending, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_map *rooms = sending->typing;
    bool *seen = GG_NEW_ARRAY(arena, bool, sending->n + 1);
    struct gg_str room_id;
    void *value;
    int rc = 0;
    if (gg_map_count(rooms) == 0)
        return 0;
    sending->typing = gg_map_new(NULL);
    for (size_t i = 0; rc == 0 && gg_map_next(rooms, &i, &room_id, &value);) {
        struct gg_buf event = GG_BUF_INIT;
        rc = mx_appservices_see_room(sending->server, room_id, seen, err);
        gg_buf_lit(&event, "{\"type\":\"m.typing\",\"room_id\":");
        gg_buf_json_string(&event, room_id);
        gg_buf_lit(&event, ",\"content\":{\"user_ids\":");
        mx_typing_write(sending->server, room_id, &event);
        gg_buf_lit(&event, "}}");
        if (rc == 0)
            tell_seers(sending, seen, gg_buf_view(&event), room_id);
        gg_buf_done(&event);
    }
    gg_map_free(rooms);
    return rc;
}

/* ---- receipts ---- */

static void write_receipt(struct gg_buf *out, const struct mx_as_receipt *r)
{
    gg_buf_lit(out, "{\"type\":\"m.receipt\",\"room_id\":");
    gg_buf_json_string(out, r->room_id);
    gg_buf_lit(out, ",\"content\":{");
    gg_buf_json_string(out, r->event_id);
    gg_buf_lit(out, ":{");
    gg_buf_json_string(out, r->type);
    gg_buf_lit(out, ":{");
    gg_buf_json_string(out, r->user_id);
    gg_buf_char(out, ':');
    if (r->thread_id.s == NULL || r->data.n < 2) {
        gg_buf_str(out, r->data);
    } else {
        gg_buf_add(out, r->data.s, r->data.n - 1);
        gg_buf_text(out, mx_json_length(r->data) > 0 ? ",\"thread_id\":" : "\"thread_id\":");
        gg_buf_json_string(out, r->thread_id);
        gg_buf_char(out, '}');
    }
    gg_buf_lit(out, "}}}}");
}

/* What somebody keeps to themselves is told to those alone whose user it is. */
static bool may_hear(const struct mx_as_queue *q, const struct mx_as_receipt *r)
{
    return !gg_str_is(r->type, "m.read.private") || mx_appservice_has_user(q->service, r->user_id);
}

static int tell_receipts_to(struct mx_as_queue *q, struct gg_arena *arena, bool *more, struct gg_error *err)
{
    struct mx_as_sending *sending = q->sending;
    int64_t upto = gg_stream_upto(sending->server->receipts), *at = &q->positions[MX_AS_RECEIPTS];
    bool *seen = GG_NEW_ARRAY(arena, bool, sending->n + 1);
    struct mx_as_receipt *v;
    size_t n = 0;
    if (*at >= upto)
        return 0;
    int rc = mx_as_receipts_after(sending->server, *at, upto, RECEIPTS, arena, &v, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = mx_appservices_see_room(sending->server, v[i].room_id, seen, err);
        if (rc != 0 || !seen[q->service->index] || !may_hear(q, &v[i]))
            continue;
        struct gg_buf event = GG_BUF_INIT;
        write_receipt(&event, &v[i]);
        mx_as_tell_one(q, gg_buf_view(&event), v[i].room_id);
        gg_buf_done(&event);
    }
    if (rc == 0)
        *at = n >= RECEIPTS ? v[n - 1].stream_id : upto;
    *more = *more || n >= RECEIPTS;
    return rc;
}

static int tell_receipts(struct mx_as_sending *sending, struct gg_arena *arena, struct gg_error *err)
{
    bool more = false;
    int rc = 0;
    if (!sending->receipts)
        return 0;
    sending->receipts = false;
    for (size_t s = 0; rc == 0 && s < sending->n; s++)
        if (mx_as_hears_ephemeral(sending->queues[s].service) && sending->queues[s].known)
            rc = tell_receipts_to(&sending->queues[s], arena, &more, err);
    sending->receipts = sending->receipts || more || rc != 0;
    return rc;
}

/* ---- presence ---- */

/* seen[user * n + service]: by their name, or by a room that they are in. */
static int see_users(struct mx_as_sending *sending, const struct gg_str *users, size_t n, bool *seen, struct gg_arena *arena,
                     struct gg_error *err)
{
    struct gg_str *of, *rooms;
    size_t n_rooms = 0;
    bool *room = GG_NEW_ARRAY(arena, bool, sending->n + 1);
    int rc = mx_as_rooms_of(sending->server, users, n, arena, &of, &rooms, &n_rooms, err);
    for (size_t u = 0; u < n; u++)
        for (size_t s = 0; s < sending->n; s++)
            seen[u * sending->n + s] = mx_appservice_has_user(sending->queues[s].service, users[u]);
    for (size_t i = 0; rc == 0 && i < n_rooms; i++) {
        rc = mx_appservices_see_room(sending->server, rooms[i], room, err);
        for (size_t u = 0; rc == 0 && u < n; u++)
            for (size_t s = 0; gg_str_eq(users[u], of[i]) && s < sending->n; s++)
                seen[u * sending->n + s] = seen[u * sending->n + s] || room[s];
    }
    return rc;
}

static void tell_user(struct mx_as_sending *sending, const char *row, const bool *seen, struct gg_arena *arena)
{
    struct mx_presence_seen one;
    if (!mx_presence_read_row(gg_str(row), arena, &one.user_id, &one.state))
        return;
    struct gg_buf event = GG_BUF_INIT;
    mx_presence_write_event(&event, &one, false, gg_wall_ms());
    tell_seers(sending, seen, gg_buf_view(&event), gg_strn(NULL, 0));
    gg_buf_done(&event);
}

static int tell_presence(struct mx_as_sending *sending, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_map *heard = sending->presence;
    size_t n = 0, n_all = gg_map_count(heard);
    struct gg_str *users = GG_NEW_ARRAY(arena, struct gg_str, n_all + 1), key;
    char **rows = GG_NEW_ARRAY(arena, char *, n_all + 1);
    void *value;
    if (n_all == 0)
        return 0;
    int64_t upto = gg_stream_upto(sending->server->presence);
    sending->presence = gg_map_new(free);
    for (size_t i = 0; gg_map_next(heard, &i, &key, &value); n++) {
        users[n] = key;
        rows[n] = value;
    }
    bool *seen = GG_NEW_ARRAY(arena, bool, n * sending->n + 1);
    int rc = see_users(sending, users, n, seen, arena, err);
    for (size_t u = 0; rc == 0 && u < n; u++)
        tell_user(sending, rows[u], seen + u * sending->n, arena);
    for (size_t s = 0; rc == 0 && s < sending->n; s++)
        if (mx_as_hears_ephemeral(sending->queues[s].service))
            sending->queues[s].positions[MX_AS_PRESENCE] = upto;
    gg_map_free(heard);
    return rc;
}

/* ---- all of it ---- */

static int keep_positions(struct mx_as_sending *sending, bool *left, struct gg_error *err)
{
    int rc = 0;
    *left = false;
    for (size_t s = 0; s < sending->n; s++) {
        struct mx_as_queue *q = &sending->queues[s];
        for (int i = 0; rc == 0 && q->known && q->service->url != NULL && i < MX_AS_STREAMS; i++) {
            int64_t at = q->positions[i];
            bool moved = q->written[i] >= 0 ? at > q->written[i] : at > 0;
            if (!moved || !(i <= MX_AS_PRESENCE ? mx_as_hears_ephemeral(q->service)
                            : i == MX_AS_LISTS  ? mx_as_lists_on(sending, q->service)
                                                : mx_as_messages_on(sending, q->service)))
                continue;
            rc = mx_as_position_set(sending->server, q->service->id, (enum mx_as_stream)i, at, err);
            if (rc == 0)
                q->written[i] = at;
        }
    }
    *left = rc != 0;
    return rc;
}

static int tell_all(struct mx_as_sending *sending, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int rc = tell_typing(sending, arena, err);
    if (rc == 0)
        rc = tell_receipts(sending, arena, err);
    if (rc == 0)
        rc = tell_presence(sending, arena, err);
    gg_arena_free(arena);
    return rc;
}

static bool anything(const struct mx_as_sending *sending)
{
    return gg_map_count(sending->typing) > 0 || gg_map_count(sending->presence) > 0 || sending->receipts;
}

void mx_as_tell(void *arg)
{
    struct mx_as_sending *sending = arg;
    int64_t kept_at = gg_now_ms();
    for (bool left = true; !gg_cancelled();) {
        struct gg_error err = GG_ERROR_INIT;
        bool news = anything(sending);
        int rc = news ? tell_all(sending, &err) : 0;
        left = left || news;
        if (rc == 0 && left && gg_now_ms() - kept_at >= WRITE_MS) {
            rc = keep_positions(sending, &left, &err);
            kept_at = gg_now_ms();
        }
        if (rc != 0 && !gg_cancelled())
            gg_warn(&logger, "what application services are told: %s", err.message);
        if (news || rc != 0)
            (void)gg_sleep(rc != 0 ? WRITE_MS : PACE_MS);
        else
            (void)gg_cond_wait(&sending->told, gg_deadline(left ? WRITE_MS : IDLE_MS));
    }
}
