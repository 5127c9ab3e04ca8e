/* matrix/e2ee/remote_keys.c: keys of users of other servers, for our clients.
 *
 * Of who shares a room with us and whose list is tracked, our copy is the answer. Of who shares one and is not tracked yet
 * the whole list is fetched and kept. All others are asked for, each server once, all at the same time. */
#include "e2ee/remote_keys.h"

#include "e2ee/remote_ask.h"
#include "e2ee/remote_devices.h"
#include "e2ee/text.h"

#include <ganglion/matrix/id.h>

enum { NEWS_MS = 2000 }; /* then the servers are asked, or what is stored is told */

struct user {
    bool shares, tracked, whole; /* whole: all devices were asked for */
    bool ask;                    /* the server is to be asked */
    size_t first_query, n_queries; /* queries of a user stand together */
    struct gg_buf devices;
};
struct asking {
    struct mx_server *server;
    struct gg_arena *arena;
    const struct gg_str *ids;
    const struct mx_key_query *queries;
    struct user *users;
    struct mx_remote_user *out;
    size_t n, n_queries;
    struct gg_map *places; /* user id -> 1 + place */
    int64_t deadline;
    struct mx_remote_asks asks;
};

/* ---- who is who ---- */

static int look(struct asking *a, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT u.at, EXISTS (SELECT 1 FROM current_state_events c WHERE c.type = 'm.room.member' AND c.state_key = u.id AND"
        " c.membership = 'join'), EXISTS (SELECT 1 FROM device_lists_remote_extremeties e WHERE e.user_id = u.id) AND NOT EXISTS"
        " (SELECT 1 FROM device_lists_remote_resync r WHERE r.user_id = u.id) FROM unnest($1::text[]) WITH ORDINALITY AS u (id, at)",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(a->server->db, &stmt, GG_PARAMS(gg_p_texts(a->ids, a->n)), a->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        struct user *user = &a->users[(size_t)gg_rows_i64(rows, i, 0) - 1];
        user->shares = gg_rows_bool(rows, i, 1);
        user->tracked = user->shares && gg_rows_bool(rows, i, 2);
    }
    return rc;
}

/* Their server has just told of a change, and clients were told: who asks now wants what is being fetched. */
static void wait_for_news(const struct asking *a)
{
    int64_t soon = gg_deadline(NEWS_MS);
    for (size_t i = 0; i < a->n; i++)
        mx_remote_fetch_wait(a->server, a->ids[i], a->deadline < soon ? a->deadline : soon);
}

/* Queries of a user come together, as the body names each user once. */
static void place_queries(struct asking *a)
{
    for (size_t i = 0; i < a->n_queries; i++) {
        size_t at = (size_t)(uintptr_t)gg_map_get(a->places, a->queries[i].user_id);
        if (at == 0)
            continue;
        struct user *user = &a->users[at - 1];
        if (user->n_queries++ == 0)
            user->first_query = i;
        user->whole |= a->queries[i].device_id.s == NULL;
    }
}

/* ---- our copy ---- */

void mx_remote_device_write(struct gg_buf *out, struct gg_str device_id, struct gg_str content)
{
    struct gg_str keys = mx_json_get(content, "keys"), name = mx_json_get(content, "device_display_name");
    struct gg_str extra = mx_json_get(keys, "unsigned");
    bool first = true;
    if (!mx_json_is_object(keys) || mx_json_length(keys) == 0)
        return;
    gg_buf_text(out, out->n > 0 ? "," : "");
    gg_buf_json_string(out, device_id);
    gg_buf_lit(out, ":{");
    for (struct mx_json_iter it = mx_json_iter(keys); mx_json_next(&it);) {
        if (mx_json_key_is(it.key, "unsigned"))
            continue;
        gg_buf_printf(out, "%s\"%.*s\":", first ? "" : ",", GG_FMT(it.key));
        gg_buf_str(out, it.value);
        first = false;
    }
    gg_buf_printf(out, "%s\"unsigned\":{", first ? "" : ",");
    first = true;
    for (struct mx_json_iter it = mx_json_iter(extra); mx_json_is_object(extra) && mx_json_next(&it);) {
        if (mx_json_key_is(it.key, "device_display_name"))
            continue;
        gg_buf_printf(out, "%s\"%.*s\":", first ? "" : ",", GG_FMT(it.key));
        gg_buf_str(out, it.value);
        first = false;
    }
    if (mx_json_is_string(name))
        gg_buf_printf(out, "%s\"device_display_name\":%.*s", first ? "" : ",", GG_FMT(name));
    gg_buf_lit(out, "}}");
}

static int read_copies(struct asking *a, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT c.user_id, c.device_id, c.content FROM unnest($1::text[], $2::text[]) AS q (user_id, device_id)"
        " JOIN device_lists_remote_cache c ON c.user_id = q.user_id AND c.device_id = coalesce(q.device_id, c.device_id)", GG_LANE_POINT};
    struct gg_str *of = GG_NEW_ARRAY(a->arena, struct gg_str, a->n_queries + 1);
    struct gg_str *ids = GG_NEW_ARRAY(a->arena, struct gg_str, a->n_queries + 1);
    size_t n = 0;
    for (size_t u = 0; u < a->n; u++)
        for (size_t i = 0; a->users[u].tracked && i < a->users[u].n_queries; i++) {
            of[n] = a->ids[u];
            ids[n++] = a->users[u].whole ? (struct gg_str){0} : a->queries[a->users[u].first_query + i].device_id;
            if (a->users[u].whole)
                break;
        }
    struct gg_rows *rows;
    int rc = n > 0 ? gg_db_read(a->server->db, &stmt, GG_PARAMS(gg_p_texts(of, n), gg_p_texts(ids, n)), a->arena, &rows, err) : 0;
    for (size_t i = 0; rc == 0 && n > 0 && i < gg_rows_count(rows); i++) {
        size_t at = (size_t)(uintptr_t)gg_map_get(a->places, gg_rows_str(rows, i, 0));
        if (at > 0)
            mx_remote_device_write(&a->users[at - 1].devices, gg_rows_str(rows, i, 1), gg_rows_str(rows, i, 2));
    }
    return rc;
}

static int read_cross(struct asking *a, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT DISTINCT ON (user_id, keytype) user_id, keytype = 'master', keydata FROM e2e_cross_signing_keys"
        " WHERE user_id = ANY ($1::text[]) AND keytype IN ('master', 'self_signing') ORDER BY user_id, keytype, stream_id DESC",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(a->server->db, &stmt, GG_PARAMS(gg_p_texts(a->ids, a->n)), a->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        size_t at = (size_t)(uintptr_t)gg_map_get(a->places, gg_rows_str(rows, i, 0));
        if (at > 0 && gg_rows_bool(rows, i, 1))
            a->out[at - 1].master = gg_rows_str(rows, i, 2);
        else if (at > 0)
            a->out[at - 1].self_signing = gg_rows_str(rows, i, 2);
    }
    return rc;
}

/* Those who share a room with us, and whose devices we should have: only whole lists are worth it, a client that names
 * devices knows the user already. */
static int fetch_lists(struct asking *a, struct gg_error *err)
{
    struct gg_str *users = GG_NEW_ARRAY(a->arena, struct gg_str, a->n + 1);
    size_t *at = GG_NEW_ARRAY(a->arena, size_t, a->n + 1), n = 0;
    bool *done = GG_NEW_ARRAY(a->arena, bool, a->n + 1);
    for (size_t i = 0; i < a->n; i++)
        if (a->users[i].shares && !a->users[i].tracked && a->users[i].whole) {
            at[n] = i;
            users[n++] = a->ids[i];
        }
    if (n == 0)
        return 0;
    int64_t before = gg_set_deadline(a->deadline);
    struct gg_error why = GG_ERROR_INIT;
    int rc = mx_remote_resync(a->server, users, n, true, done, &why);
    gg_set_deadline(before);
    for (size_t i = 0; rc == 0 && i < n; i++)
        a->users[at[i]].tracked = done[i];
    return gg_cancelled() ? gg_fail(err, GG_E_CANCELLED, "the client has gone") : 0; /* else they are asked as the others are */
}

/* ---- the servers ---- */

static struct gg_str query_body(const struct asking *a, const struct mx_remote_ask *ask)
{
    struct gg_buf body = GG_BUF_INIT;
    gg_buf_lit(&body, "{\"device_keys\":{");
    for (size_t i = 0; i < ask->n; i++) {
        const struct user *user = &a->users[ask->items[i]];
        gg_buf_text(&body, i > 0 ? "," : "");
        gg_buf_json_string(&body, a->ids[ask->items[i]]);
        gg_buf_lit(&body, ":[");
        for (size_t q = 0; !user->whole && q < user->n_queries; q++) {
            gg_buf_text(&body, q > 0 ? "," : "");
            gg_buf_json_string(&body, a->queries[user->first_query + q].device_id);
        }
        gg_buf_char(&body, ']');
    }
    gg_buf_lit(&body, "}}");
    return mx_e2ee_moved(&body, a->arena);
}

/* Members of what another server calls an object; of anything else there are none. */
static struct mx_json_iter members_of(struct gg_str answer, const char *member)
{
    struct gg_str value = mx_json_get(answer, member);
    return mx_json_iter(mx_json_is_object(value) ? value : GG_STR("{}"));
}

/* Of each object in answer[member] that belongs to somebody of whom this server was asked. */
static void take(struct asking *a, const struct mx_remote_ask *ask, const char *member, size_t field)
{
    for (struct mx_json_iter it = members_of(ask->answer, member); mx_json_next(&it);) {
        struct gg_str user_id = mx_e2ee_name(it.key, a->arena);
        size_t at = user_id.s != NULL ? (size_t)(uintptr_t)gg_map_get(a->places, user_id) : 0;
        if (at == 0 || !mx_json_is_object(it.value) || !a->users[at - 1].ask || !gg_str_eq(mx_id_domain(user_id), ask->domain))
            continue;
        *(struct gg_str *)(void *)((char *)&a->out[at - 1] + field) = it.value;
    }
}

static int ask_servers(struct asking *a)
{
    mx_remote_asks_begin(&a->asks, a->arena);
    for (size_t i = 0; i < a->n; i++) {
        const struct mx_remote_user *out = &a->out[i];
        a->users[i].ask = !a->users[i].tracked || (out->master.s == NULL) != (out->self_signing.s == NULL);
        if (a->users[i].ask)
            mx_remote_asks_add(&a->asks, a->ids[i], i);
    }
    for (size_t i = 0; i < a->asks.n; i++)
        a->asks.v[i].body = query_body(a, &a->asks.v[i]);
    mx_remote_asks_run(a->server, &a->asks, "/_matrix/federation/v1/user/keys/query", a->deadline);
    for (size_t i = 0; i < a->asks.n; i++) {
        const struct mx_remote_ask *ask = &a->asks.v[i];
        if (ask->answer.s == NULL)
            continue;
        take(a, ask, "device_keys", offsetof(struct mx_remote_user, devices));
        take(a, ask, "master_keys", offsetof(struct mx_remote_user, master));
        take(a, ask, "self_signing_keys", offsetof(struct mx_remote_user, self_signing));
    }
    return 0;
}

/* ---- all together ---- */

static void finish(struct asking *a)
{
    for (size_t i = 0; i < a->n; i++) {
        struct user *user = &a->users[i];
        if (user->tracked && a->out[i].devices.s == NULL)
            a->out[i].devices = gg_str(gg_arena_printf(a->arena, "{%.*s}", (int)user->devices.n, user->devices.data));
        gg_buf_done(&user->devices);
    }
    gg_map_free(a->places);
}

int mx_remote_keys_query(struct mx_server *server, const struct gg_str *users, size_t n_users, const struct mx_key_query *queries,
                         size_t n_queries, int64_t timeout_ms, struct gg_arena *arena, struct mx_remote_user *out,
                         struct gg_buf *failures, struct gg_error *err)
{
    struct asking a = {.server = server, .arena = arena, .ids = users, .queries = queries, .n = n_users, .n_queries = n_queries,
                       .users = GG_NEW_ARRAY(arena, struct user, n_users + 1), .out = out, .places = gg_map_new(NULL),
                       .deadline = gg_deadline(timeout_ms)};
    for (size_t i = 0; i < n_users; i++) {
        out[i] = (struct mx_remote_user){.user_id = users[i]};
        a.users[i].devices = (struct gg_buf)GG_BUF_INIT;
        gg_map_put(a.places, users[i], (void *)(uintptr_t)(i + 1));
    }
    place_queries(&a);
    wait_for_news(&a);
    int rc = look(&a, err);
    if (rc == 0)
        rc = fetch_lists(&a, err);
    if (rc == 0)
        rc = read_copies(&a, err);
    if (rc == 0)
        rc = read_cross(&a, err);
    if (rc == 0)
        rc = ask_servers(&a);
    if (rc == 0)
        mx_remote_asks_failures(&a.asks, failures);
    finish(&a);
    return rc;
}

/* ---- claiming ---- */

static struct gg_str claim_body(const struct mx_key_claim *claims, const struct mx_remote_ask *ask, struct gg_arena *arena)
{
    struct gg_buf body = GG_BUF_INIT;
    struct gg_str user = {0};
    gg_buf_lit(&body, "{\"one_time_keys\":{");
    for (size_t i = 0; i < ask->n; i++) {
        const struct mx_key_claim *claim = &claims[ask->items[i]];
        bool same = user.s != NULL && gg_str_eq(user, claim->user_id);
        gg_buf_text(&body, same ? "," : user.s != NULL ? "}," : "");
        if (!same) {
            gg_buf_json_string(&body, claim->user_id);
            gg_buf_lit(&body, ":{");
        }
        gg_buf_json_string(&body, claim->device_id);
        gg_buf_char(&body, ':');
        gg_buf_json_string(&body, claim->algorithm);
        user = claim->user_id;
    }
    gg_buf_lit(&body, "}}}");
    return mx_e2ee_moved(&body, arena);
}

static void take_keys(const struct mx_key_claim *claims, const struct mx_remote_ask *ask, struct gg_arena *arena, struct gg_buf *keys)
{
    struct gg_map *asked = gg_map_new(NULL);
    for (size_t i = 0; i < ask->n; i++)
        gg_map_put(asked, claims[ask->items[i]].user_id, NULL);
    for (struct mx_json_iter it = members_of(ask->answer, "one_time_keys"); mx_json_next(&it);) {
        struct gg_str user_id = mx_e2ee_name(it.key, arena);
        if (user_id.s == NULL || !mx_json_is_object(it.value) || !gg_map_delete(asked, user_id))
            continue;
        gg_buf_text(keys, keys->n > 0 ? "," : "");
        gg_buf_json_string(keys, user_id);
        gg_buf_char(keys, ':');
        gg_buf_str(keys, it.value);
    }
    gg_map_free(asked);
}

int mx_remote_keys_claim(struct mx_server *server, const struct mx_key_claim *claims, size_t n, int64_t timeout_ms,
                         struct gg_arena *arena, struct gg_buf *keys, struct gg_buf *failures, struct gg_error *err)
{
    struct mx_remote_asks asks;
    mx_remote_asks_begin(&asks, arena);
    for (size_t i = 0; i < n; i++)
        mx_remote_asks_add(&asks, claims[i].user_id, i);
    for (size_t i = 0; i < asks.n; i++)
        asks.v[i].body = claim_body(claims, &asks.v[i], arena);
    mx_remote_asks_run(server, &asks, "/_matrix/federation/v1/user/keys/claim", gg_deadline(timeout_ms));
    for (size_t i = 0; i < asks.n; i++)
        if (asks.v[i].answer.s != NULL)
            take_keys(claims, &asks.v[i], arena, keys);
    mx_remote_asks_failures(&asks, failures);
    return gg_cancelled() ? gg_fail(err, GG_E_CANCELLED, "the client has gone") : 0;
}
