/* matrix/api/initial_sync.c: GET /initialSync and /rooms/{room_id}/initialSync, the first look of clients of old. */
#include "api/old_sync.h"

#include "api/events_out.h"
#include "api/params.h"
#include "presence/presence.h"
#include "rooms/history.h"
#include "userdata/account_data.h"
#include "userdata/receipts.h"

struct looking {
    struct gg_request *rq;
    struct mx_server *server;
    struct gg_str user_id;
    struct gg_arena *arena; /* of one room */
    struct mx_token now;
    size_t limit;
    const struct mx_data_row *data;
    size_t n_data;
};

static int begin(struct looking *l, struct gg_request *rq, struct gg_error *err)
{
    struct mx_data_row *rows;
    *l = (struct looking){.rq = rq, .server = mx_server_of_request(rq), .user_id = gg_str(mx_requester_of(rq)->user_id),
                          .arena = gg_request_arena(rq)};
    int rc = mx_api_old_limit(rq, &l->limit, err);
    if (rc == 0)
        rc = mx_token_now(l->server, &l->now, err);
    if (rc == 0)
        rc = mx_account_data_since(l->server, l->user_id, 0, l->now.account_data, l->arena, &rows, &l->n_data, err);
    l->data = rc == 0 ? rows : NULL;
    return rc;
}

/* ---- pieces ---- */

static void write_data(const struct looking *l, struct gg_str room_id, struct gg_buf *out)
{
    bool first = true;
    gg_buf_char(out, '[');
    for (size_t i = 0; i < l->n_data; i++) {
        const struct mx_data_row *row = &l->data[i];
        if (room_id.s == NULL ? row->room_id.s != NULL : row->room_id.s == NULL || !gg_str_eq(row->room_id, room_id))
            continue;
        gg_buf_text(out, first ? "{\"type\":" : ",{\"type\":");
        first = false;
        gg_buf_json_string(out, row->type);
        gg_buf_lit(out, ",\"content\":");
        gg_buf_str(out, row->content);
        gg_buf_char(out, '}');
    }
    gg_buf_char(out, ']');
}

/* "messages": the newest events that the user may see, oldest first. */
static int write_messages(struct looking *l, const struct mx_access *access, struct gg_buf *out, struct gg_error *err)
{
    struct mx_page_query q = {.room_id = access->head->room_id, .from = l->now.room, .backwards = true, .limit = l->limit};
    struct mx_room_token end = l->now.room;
    struct mx_page page;
    if (access->until < mx_position_max(&end.at))
        end = (struct mx_room_token){.depth = -1, .at = {.min = access->until}};
    q.from = end;
    int rc = mx_history_page(l->server, l->user_id, access, &q, l->arena, &page, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < page.n / 2; i++) {
        const struct mx_event *e = page.events[i];
        page.events[i] = page.events[page.n - 1 - i];
        page.events[page.n - 1 - i] = e;
    }
    gg_buf_lit(out, "{\"chunk\":");
    rc = mx_api_write_events(l->rq, out, page.events, page.n, access, err);
    gg_buf_char(out, ',');
    mx_api_write_room_token(out, "start", &l->now, &page.end);
    gg_buf_char(out, ',');
    mx_api_write_room_token(out, "end", &l->now, &end);
    gg_buf_char(out, '}');
    return rc;
}

static int write_state(struct looking *l, const struct mx_state *state, struct gg_buf *out, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(l->arena, struct gg_str, mx_state_count(state) + 1);
    const struct mx_event **events = GG_NEW_ARRAY(l->arena, const struct mx_event *, mx_state_count(state) + 1);
    struct mx_state_entry entry;
    size_t n = 0;
    for (size_t i = 0; mx_state_next(state, &i, &entry);)
        ids[n++] = entry.event_id;
    int rc = mx_store_events(l->server, ids, n, false, l->arena, events, err);
    return rc != 0 ? rc : mx_api_write_events(l->rq, out, events, n, NULL, err);
}

static int write_receipts(struct looking *l, const struct gg_str *rooms, size_t n, struct gg_buf *out, struct gg_error *err)
{
    struct mx_room_receipts *receipts = GG_NEW_ARRAY(l->arena, struct mx_room_receipts, n + 1);
    bool first = true;
    int rc = n > 0 ? mx_receipts_since(l->server, l->user_id, rooms, n, NULL, &l->now.receipts, l->arena, receipts, err) : 0;
    gg_buf_char(out, '[');
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (receipts[i].content.s == NULL)
            continue;
        gg_buf_text(out, first ? "{\"type\":\"m.receipt\",\"room_id\":" : ",{\"type\":\"m.receipt\",\"room_id\":");
        first = false;
        gg_buf_json_string(out, receipts[i].room_id);
        gg_buf_lit(out, ",\"content\":");
        gg_buf_str(out, receipts[i].content);
        gg_buf_char(out, '}');
    }
    gg_buf_char(out, ']');
    return rc;
}

static void write_presence(const struct mx_presence_seen *seen, size_t n, struct gg_buf *out)
{
    int64_t now = gg_wall_ms();
    gg_buf_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        mx_presence_write_event(out, &seen[i], true, now);
    }
    gg_buf_char(out, ']');
}

/* ---- all rooms ---- */

static const struct gg_stmt select_public = {"SELECT room_id FROM rooms WHERE is_public AND room_id = ANY ($1::text[])", GG_LANE_POINT};

static int find_public(struct looking *l, const struct mx_user_room *rooms, size_t n, struct gg_rows **out, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(l->arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = rooms[i].room_id;
    return gg_db_read(l->server->db, &select_public, GG_PARAMS(gg_p_texts(ids, n)), l->arena, out, err);
}

static bool is_among(const struct gg_rows *rows, struct gg_str room_id)
{
    for (size_t i = 0; i < gg_rows_count(rows); i++)
        if (gg_str_eq(gg_rows_str(rows, i, 0), room_id))
            return true;
    return false;
}

static int write_invite(struct looking *l, const struct mx_user_room *room, struct gg_buf *out, struct gg_error *err)
{
    const struct mx_event *event;
    int rc = mx_store_event(l->server, room->event_id, l->arena, &event, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(out, ",\"inviter\":");
    gg_buf_json_string(out, event->sender);
    gg_buf_lit(out, ",\"invite\":");
    return mx_api_write_event(l->rq, out, event, NULL, true, err);
}

static int write_inside(struct looking *l, const struct mx_user_room *room, struct gg_buf *out, struct gg_error *err)
{
    struct mx_access access;
    int rc = mx_room_access(l->server, l->user_id, room->room_id, l->arena, &access, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(out, ",\"messages\":");
    rc = write_messages(l, &access, out, err);
    gg_buf_lit(out, ",\"state\":");
    if (rc == 0)
        rc = write_state(l, access.state, out, err);
    gg_buf_lit(out, ",\"account_data\":");
    write_data(l, room->room_id, out);
    return rc;
}

static int write_room(struct looking *l, const struct mx_user_room *room, bool is_public, struct gg_buf *out, struct gg_error *err)
{
    gg_buf_lit(out, "{\"room_id\":");
    gg_buf_json_string(out, room->room_id);
    gg_buf_lit(out, ",\"membership\":");
    gg_buf_json_string(out, room->membership);
    gg_buf_printf(out, ",\"visibility\":\"%s\"", is_public ? "public" : "private");
    int rc = gg_str_is(room->membership, "invite") ? write_invite(l, room, out, err) : write_inside(l, room, out, err);
    gg_buf_char(out, '}');
    return rc;
}

static bool is_wanted(const struct mx_user_room *room, bool archived)
{
    return gg_str_is(room->membership, "join") || gg_str_is(room->membership, "invite") ||
           (archived && gg_str_is(room->membership, "leave") && !room->forgotten);
}

/* Each room with memory of its own: an account may have thousands. */
static int write_rooms(struct looking *l, const struct mx_user_room *rooms, size_t n, bool archived, struct gg_buf *out,
                       struct gg_error *err)
{
    struct gg_rows *public;
    bool first = true;
    int rc = find_public(l, rooms, n, &public, err);
    struct gg_arena *whole = l->arena;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        size_t before = out->n;
        if (!is_wanted(&rooms[i], archived))
            continue;
        gg_buf_text(out, first ? "" : ",");
        l->arena = gg_arena_new();
        rc = write_room(l, &rooms[i], is_among(public, rooms[i].room_id), out, err);
        gg_arena_free(l->arena);
        if (rc == GG_E_FORBIDDEN || rc == GG_E_NOT_FOUND) { /* left or gone since the list was made */
            out->n = before;
            out->data[before] = '\0';
            rc = 0;
            continue;
        }
        first = false;
    }
    l->arena = whole;
    return rc;
}

int mx_api_initial_sync(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *archived = gg_request_query(rq, "archived");
    const struct mx_user_room *rooms;
    struct mx_presence_seen *seen;
    struct looking l;
    struct gg_buf out = GG_BUF_INIT;
    size_t n, n_seen, joined = 0;
    int rc = begin(&l, rq, err);
    if (rc == 0)
        rc = mx_heads_rooms_of(l.server, l.user_id, l.arena, &rooms, &n, err);
    if (rc == 0)
        rc = mx_presence_since(l.server, l.user_id, 0, false, l.arena, &seen, &n_seen, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(&out, "{\"rooms\":[");
    rc = write_rooms(&l, rooms, n, archived != NULL && strcmp(archived, "true") == 0, &out, err);
    gg_buf_lit(&out, "],\"presence\":");
    write_presence(seen, n_seen, &out);
    gg_buf_lit(&out, ",\"account_data\":");
    write_data(&l, (struct gg_str){0}, &out);
    gg_buf_lit(&out, ",\"receipts\":");
    struct gg_str *ids = GG_NEW_ARRAY(l.arena, struct gg_str, n + 1);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(rooms[i].membership, "join"))
            ids[joined++] = rooms[i].room_id;
    if (rc == 0)
        rc = write_receipts(&l, ids, joined, &out, err);
    gg_buf_char(&out, ',');
    mx_api_write_room_token(&out, "end", &l.now, &l.now.room);
    gg_buf_char(&out, '}');
    return mx_api_answer(rq, &out, rc);
}

/* ---- one room ---- */

/* Everybody who is there, whether or not anything is known of them. */
static int write_members(struct looking *l, const struct mx_access *access, struct gg_buf *out, struct gg_error *err)
{
    const struct gg_str *users;
    struct mx_presence_seen *seen;
    size_t n = 0;
    int rc = 0;
    if (access->membership.s == NULL || !mx_presence_enabled(l->server) || !access->joined)
        seen = NULL;
    else if ((rc = mx_heads_joined(l->server, access->head, l->arena, &users, &n, err)) != 0)
        return rc;
    else
        rc = mx_presence_get_all(l->server, users, n, l->arena, &seen, err);
    if (rc == 0)
        write_presence(seen, seen != NULL ? n : 0, out);
    return rc;
}

static int write_one(struct looking *l, const struct mx_access *access, struct gg_buf *out, struct gg_error *err)
{
    gg_buf_char(out, '{');
    if (!access->peeking && access->membership.s != NULL) {
        gg_buf_lit(out, "\"membership\":");
        gg_buf_json_string(out, access->joined ? GG_STR("join") : GG_STR("leave"));
        gg_buf_char(out, ',');
    }
    gg_buf_lit(out, "\"room_id\":");
    gg_buf_json_string(out, access->head->room_id);
    gg_buf_lit(out, ",\"messages\":");
    int rc = write_messages(l, access, out, err);
    gg_buf_lit(out, ",\"state\":");
    if (rc == 0)
        rc = write_state(l, access->state, out, err);
    gg_buf_lit(out, ",\"presence\":");
    if (rc == 0)
        rc = write_members(l, access, out, err);
    gg_buf_lit(out, ",\"receipts\":");
    if (rc == 0)
        rc = write_receipts(l, &access->head->room_id, access->joined || access->peeking ? 1 : 0, out, err);
    gg_buf_lit(out, ",\"account_data\":");
    write_data(l, access->head->room_id, out);
    gg_buf_char(out, '}');
    return rc;
}

int mx_api_room_initial_sync(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct looking l;
    struct mx_access access;
    struct gg_buf out = GG_BUF_INIT;
    int rc = begin(&l, rq, err);
    if (rc == 0)
        rc = mx_api_access(rq, &access, err);
    if (rc == GG_E_FORBIDDEN)
        return gg_refuse(err, 403, "M_FORBIDDEN", "User %s not in room %s, and room previews are disabled", l.user_id.s,
                         gg_request_param(rq, "room_id"));
    return rc != 0 ? rc : mx_api_answer(rq, &out, write_one(&l, &access, &out, err));
}
