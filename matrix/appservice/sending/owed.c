/* matrix/appservice/sending/owed.c: messages to devices and device lists (MSC2409, MSC3202): read by position when a
 * transaction is made, and passed only once it was taken. */
#include "appservice/sending/sending.h"

enum { SCAN = 500, SCANS = 20 };

bool mx_as_extras_any(const struct mx_as_extras *e)
{
    return e->n_told > 0 || e->n_messages > 0 || e->n_lists > 0;
}

void mx_as_extras_clear(struct mx_as_extras *e)
{
    gg_buf_done(&e->told);
    gg_buf_done(&e->messages);
    gg_buf_done(&e->lists);
    gg_map_clear(e->users);
    gg_map_clear(e->rooms);
    e->n_told = e->n_messages = e->n_lists = 0;
    e->txn_id = 0;
    e->to_device = e->device_lists = -1;
}

static void take_told(struct mx_as_queue *q, struct mx_as_extras *out)
{
    size_t n = q->n_told < MX_AS_TOLD ? q->n_told : MX_AS_TOLD;
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(&out->told, out->n_told++ > 0 ? "," : "");
        gg_buf_text(&out->told, q->told[i]);
        if (q->told_rooms[i].s != NULL)
            gg_map_put(out->rooms, q->told_rooms[i], NULL);
    }
    mx_as_told_drop(q, n);
}

/* ---- messages ---- */

/* The message with whom it is for in front. */
static void add_message(struct mx_as_extras *out, const struct mx_as_message *m)
{
    gg_buf_text(&out->messages, out->n_messages++ > 0 ? "," : "");
    gg_buf_lit(&out->messages, "{\"to_user_id\":");
    gg_buf_json_string(&out->messages, m->user_id);
    gg_buf_lit(&out->messages, ",\"to_device_id\":");
    gg_buf_json_string(&out->messages, m->device_id);
    gg_buf_text(&out->messages, m->json.n > 2 ? "," : "");
    gg_buf_add(&out->messages, m->json.s + 1, m->json.n - 1);
    gg_map_put(out->users, m->user_id, NULL);
}

/* Whole stream ids only: a position says nothing of half of one. *full: the transaction is. */
static void take_messages(struct mx_as_queue *q, const struct mx_as_message *v, size_t n, int64_t *at, struct mx_as_extras *out,
                          bool *full)
{
    for (size_t i = 0, end; i < n; i = end) {
        size_t own = 0;
        for (end = i; end < n && v[end].stream_id == v[i].stream_id; end++)
            own += v[end].json.n > 1 && mx_appservice_has_user(q->service, v[end].user_id);
        *full = out->n_messages > 0 && out->n_messages + own > MX_AS_TOLD;
        if (*full)
            return;
        for (size_t k = i; k < end; k++)
            if (v[k].json.n > 1 && mx_appservice_has_user(q->service, v[k].user_id))
                add_message(out, &v[k]);
        *at = v[i].stream_id;
    }
}

static int gather_messages(struct mx_as_queue *q, struct mx_as_extras *out, struct gg_error *err)
{
    struct mx_server *server = q->sending->server;
    int64_t at = q->positions[MX_AS_TO_DEVICE], upto = gg_stream_upto(server->to_device);
    bool more = at < upto, full = false;
    int rc = 0;
    q->to_device_news = false;
    for (int i = 0; rc == 0 && more && !full && i < SCANS; i++) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_as_message *v;
        size_t n;
        rc = mx_as_messages_after(server, at, upto, SCAN, arena, &v, &n, err);
        more = rc == 0 && n >= SCAN;
        if (rc == 0)
            take_messages(q, v, n, &at, out, &full);
        gg_arena_free(arena);
    }
    if (rc != 0 || more || full)
        q->to_device_news = true;
    else
        at = upto;
    if (rc == 0 && out->n_messages > 0)
        out->to_device = at;
    else if (rc == 0 && at > q->positions[MX_AS_TO_DEVICE])
        q->positions[MX_AS_TO_DEVICE] = at; /* nothing of that concerned the service */
    return rc;
}

/* ---- device lists ---- */

static int add_users(struct mx_as_queue *q, const struct gg_str *users, size_t n, struct gg_arena *arena, struct mx_as_extras *out,
                     struct gg_error *err)
{
    struct mx_as_sending *sending = q->sending;
    struct gg_map *interesting = gg_map_new(NULL);
    struct gg_str *of, *rooms;
    size_t n_rooms = 0;
    bool *seen = GG_NEW_ARRAY(arena, bool, sending->n + 1);
    int rc = mx_as_rooms_of(sending->server, users, n, arena, &of, &rooms, &n_rooms, err);
    for (size_t i = 0; rc == 0 && i < n_rooms; i++) {
        if (gg_map_has(interesting, of[i]))
            continue;
        rc = mx_appservices_see_room(sending->server, rooms[i], seen, err);
        if (rc == 0 && seen[q->service->index])
            gg_map_put(interesting, of[i], NULL);
    }
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (!gg_map_has(interesting, users[i]) && !mx_appservice_has_user(q->service, users[i]))
            continue;
        gg_buf_text(&out->lists, out->n_lists++ > 0 ? "," : "");
        gg_buf_json_string(&out->lists, users[i]);
    }
    gg_map_free(interesting);
    return rc;
}

static int gather_lists(struct mx_as_queue *q, struct mx_as_extras *out, struct gg_error *err)
{
    int64_t at = q->positions[MX_AS_LISTS], upto = gg_stream_upto(q->sending->server->device_lists);
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *users;
    size_t n;
    q->lists_news = false;
    int rc = at < upto ? mx_as_lists_after(q->sending->server, at, upto, arena, &users, &n, err) : 0;
    if (rc == 0 && at < upto)
        rc = add_users(q, users, n, arena, out, err);
    if (rc == 0 && out->n_lists > 0)
        out->device_lists = upto;
    else if (rc == 0 && at < upto)
        q->positions[MX_AS_LISTS] = upto;
    q->lists_news = q->lists_news || rc != 0;
    gg_arena_free(arena);
    return rc;
}

int mx_as_gather(struct mx_as_queue *q, struct mx_as_extras *out, struct gg_error *err)
{
    bool messages = mx_as_messages_on(q->sending, q->service), lists = mx_as_lists_on(q->sending, q->service);
    q->to_device_news = q->to_device_news && messages;
    q->lists_news = q->lists_news && lists;
    int rc = messages ? gather_messages(q, out, err) : 0;
    if (rc == 0 && lists)
        rc = gather_lists(q, out, err);
    if (rc == 0) /* last: what is taken is nowhere else */
        take_told(q, out);
    else
        mx_as_extras_clear(out);
    return rc;
}
