/* matrix/e2ee/remote_resync.c: whole device lists of users of other servers, fetched (server-server API, "GET
 * /user/devices/{userId}"), and fetched again where that failed (facts database 5.5).
 *
 * One process does it, the first writer of device_lists; others ask it (multi_user_device_resync). */
#include "e2ee/e2ee.h"
#include "e2ee/remote_state.h"
#include "federation/client.h"
#include "federation/fan_out.h"
#include "json/text.h"
#include "storage/accounts.h"

#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.e2ee.remote"};

enum { FETCH_MS = 30000, WIDTH = 16, TRIES = 3, FORCED_PAUSE_MS = 60000 };

bool mx_remote_is_keeper(const struct mx_server *server)
{
    size_t n;
    const char *const *writers = gg_stream_writers(server->device_lists, &n);
    return n > 0 && strcmp(writers[0], gg_host_instance(server->host)) == 0;
}

/* ---- one user ---- */

static int ask(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_remote_list *out,
               struct gg_error *err)
{
    struct gg_str domain = mx_id_domain(user_id), body;
    const struct mx_fed_request request = {
        .destination = gg_arena_strndup(arena, domain.s, domain.n), .method = "GET", .timeout_ms = FETCH_MS,
        .max_answer = MX_REMOTE_ANSWER_MAX,
        .path = mx_fed_path(arena, "/_matrix/federation/v1/user/devices/%s", gg_arena_strndup(arena, user_id.s, user_id.n))};
    int rc = mx_fed_call(server, &request, arena, &body, err);
    return rc == 0 ? mx_remote_list_read(body, arena, out, err) : rc;
}

/* Every device counts as changed: which of them did is not worth finding out. */
static int store_and_tell(struct mx_server *server, struct gg_str user_id, const struct mx_remote_list *list,
                          struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *changed = GG_NEW_ARRAY(arena, struct gg_str, list->n + 3), cross[2];
    size_t n = 0, n_cross = 0;
    int rc = mx_remote_store_list(server, user_id, list, err);
    for (size_t i = 0; i < list->n; i++)
        changed[n++] = list->devices[i].device_id;
    if (rc == 0)
        rc = mx_remote_store_cross(server, user_id, list->master, list->self_signing, arena, cross, &n_cross, err);
    for (size_t i = 0; i < n_cross; i++)
        changed[n++] = cross[i];
    return rc == 0 ? mx_devices_write_change(server, user_id, changed, n, err) : rc;
}

static int fetch(struct mx_server *server, struct mx_remote_state *state, struct gg_str user_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_remote_list list;
    state->fetching = true;
    int rc = ask(server, user_id, arena, &list, err);
    if (rc == 0 && (rc = gg_mutex_lock(&state->lock, GG_FOREVER)) == 0) {
        rc = store_and_tell(server, user_id, &list, arena, err);
        if (rc == 0)
            mx_remote_state_reset(state, list.stream_id);
        gg_mutex_unlock(&state->lock);
    }
    state->fetching = false;
    state->fetched += rc == 0;
    gg_arena_free(arena);
    return rc;
}

/* Who waited while another fetched takes that one's list, unless it must be younger than this call. */
static int fetch_once(struct mx_server *server, struct gg_str user_id, bool fresh, struct gg_error *err)
{
    struct mx_remote_state *state = mx_remote_state_get(server, user_id);
    uint64_t before = state->fetched;
    bool waited = !fresh && state->fetch.owner != NULL;
    int rc = gg_mutex_lock(&state->fetch, GG_FOREVER);
    if (rc == 0) {
        if (!waited || state->fetched == before)
            rc = fetch(server, state, user_id, err);
        gg_mutex_unlock(&state->fetch);
    } else {
        rc = gg_fail(err, rc, "waiting for a list of devices");
    }
    mx_remote_state_release(state);
    return rc;
}

void mx_remote_fetch_wait(struct mx_server *server, struct gg_str user_id, int64_t deadline)
{
    struct mx_remote_state *state = gg_map_get(server->e2ee->remote_states, user_id);
    if (state == NULL || (!state->running && state->fetch.owner == NULL))
        return;
    uint64_t before = state->fetched;
    state->users++;
    do { /* the fiber of a fetch in the background may not have begun yet */
        if (gg_mutex_lock(&state->fetch, deadline) != 0)
            break;
        gg_mutex_unlock(&state->fetch);
    } while (state->running && state->fetched == before && gg_sleep(1) == 0 && gg_now_ms() < deadline);
    mx_remote_state_release(state);
}

/* ---- many, and for others ---- */

struct batch {
    struct mx_server *server;
    const struct gg_str *users;
    bool *done;
};

static void fetch_nth(void *arg, size_t i)
{
    struct batch *b = arg;
    struct gg_error err = GG_ERROR_INIT;
    b->done[i] = fetch_once(b->server, b->users[i], false, &err) == 0;
    if (!b->done[i])
        gg_info(&logger, "the devices of %.*s could not be fetched: %s", GG_FMT(b->users[i]), err.message);
}

static int ask_keeper(struct mx_server *server, const struct gg_str *users, size_t n, bool *done, struct gg_error *err)
{
    static const char *const no_args[] = {NULL};
    json_t *answer = NULL, *body = json_object(), *ids = json_array();
    size_t n_writers;
    const char *const *writers = gg_stream_writers(server->device_lists, &n_writers);
    for (size_t i = 0; i < n; i++)
        json_array_append_new(ids, json_stringn(users[i].s, users[i].n));
    json_object_set_new(body, "user_ids", ids);
    int rc = gg_repl_call(server->host, writers[0], "multi_user_device_resync", no_args, body, &answer, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        done[i] = json_is_object(json_object_getn(answer, users[i].s, users[i].n));
    json_decref(answer);
    json_decref(body);
    return rc;
}

int mx_remote_resync(struct mx_server *server, const struct gg_str *users, size_t n, bool mark, bool *done, struct gg_error *err)
{
    struct batch b = {server, users, done};
    if (n == 0)
        return 0;
    memset(done, 0, n * sizeof(*done));
    if (!mx_remote_is_keeper(server))
        return ask_keeper(server, users, n, done, err);
    mx_fan_out("device lists", n, WIDTH, gg_deadline(FETCH_MS), fetch_nth, &b);
    struct gg_str *failed = gg_xcalloc(n, sizeof(*failed));
    size_t n_failed = 0;
    for (size_t i = 0; i < n; i++)
        if (!done[i])
            failed[n_failed++] = users[i];
    int rc = mark ? mx_remote_mark_stale(server, failed, n_failed, err) : 0;
    free(failed);
    return rc;
}

int mx_remote_list_json(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str *out,
                        struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT e.stream_id, (SELECT coalesce('[' || string_agg(c.content, ',') || ']', '[]') FROM device_lists_remote_cache c"
        " WHERE c.user_id = e.user_id), (SELECT keydata FROM e2e_cross_signing_keys k WHERE k.user_id = e.user_id AND"
        " keytype = 'master' ORDER BY k.stream_id DESC LIMIT 1), (SELECT keydata FROM e2e_cross_signing_keys k WHERE"
        " k.user_id = e.user_id AND keytype = 'self_signing' ORDER BY k.stream_id DESC LIMIT 1)"
        " FROM device_lists_remote_extremeties e WHERE e.user_id = $1", GG_LANE_POINT};
    struct gg_rows *rows;
    struct gg_buf text = GG_BUF_INIT;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    *out = (struct gg_str){0};
    if (rc != 0 || gg_rows_count(rows) == 0)
        return rc;
    gg_buf_lit(&text, "{\"user_id\":");
    gg_buf_json_string(&text, user_id);
    gg_buf_lit(&text, ",\"stream_id\":");
    gg_buf_json_string(&text, gg_rows_str(rows, 0, 0));
    gg_buf_lit(&text, ",\"devices\":");
    gg_buf_str(&text, gg_rows_str(rows, 0, 1));
    gg_buf_lit(&text, ",\"master_key\":");
    gg_buf_str(&text, gg_rows_null(rows, 0, 2) ? GG_STR("null") : gg_rows_str(rows, 0, 2));
    gg_buf_lit(&text, ",\"self_signing_key\":");
    gg_buf_str(&text, gg_rows_null(rows, 0, 3) ? GG_STR("null") : gg_rows_str(rows, 0, 3));
    gg_buf_char(&text, '}');
    *out = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return 0;
}

/* ---- in the background ---- */

struct soon {
    struct mx_server *server;
    struct mx_remote_state *state;
    char user_id[];
};

static void run_soon(void *arg)
{
    struct soon *s = arg;
    struct gg_str user_id = gg_str(s->user_id);
    int rc = 0;
    for (unsigned tries = 0; s->state->wanted && rc == 0 && tries < TRIES; tries++) {
        struct gg_error err = GG_ERROR_INIT;
        s->state->wanted = false;
        rc = fetch_once(s->server, user_id, true, &err);
        if (rc == 0)
            continue;
        gg_info(&logger, "the devices of %s could not be fetched, and will be: %s", s->user_id, err.message);
        if (mx_remote_mark_stale(s->server, &user_id, 1, &err) != 0) /* a fetch before this one has taken the mark away */
            gg_warn(&logger, "the devices of %s are not marked as stale: %s", s->user_id, err.message);
    }
    s->state->running = false;
    mx_remote_state_release(s->state);
    free(s);
}

void mx_remote_fetch_soon(struct mx_server *server, struct gg_str user_id)
{
    struct mx_remote_state *state = mx_remote_state_get(server, user_id);
    state->wanted = true;
    if (state->running || server->e2ee->scope == NULL) {
        mx_remote_state_release(state);
        return;
    }
    struct soon *s = gg_xcalloc(1, sizeof(*s) + user_id.n + 1);
    s->server = server;
    s->state = state;
    memcpy(s->user_id, user_id.s, user_id.n);
    state->running = gg_spawn(server->e2ee->scope, "device list", run_soon, s) != NULL;
    if (!state->running) { /* it is marked: the next turn of the retries fetches it */
        mx_remote_state_release(state);
        free(s);
    }
}

/* ---- devices that we do not know ---- */

static int is_known(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_str identity_key,
                    bool *out, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT content FROM device_lists_remote_cache WHERE user_id = $1 AND device_id = $2", GG_LANE_POINT};
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(device_id)), arena, &rows, err);
    *out = rc == 0 && gg_rows_count(rows) > 0 && identity_key.s == NULL;
    if (rc == 0 && gg_rows_count(rows) > 0 && identity_key.s != NULL) {
        static const char *const path[] = {"keys", "keys", NULL};
        struct gg_str keys = mx_json_path(gg_rows_str(rows, 0, 0), path);
        for (struct mx_json_iter it = mx_json_iter(keys); !*out && mx_json_next(&it);)
            *out = gg_str_eq(mx_json_string(it.value, arena), identity_key);
    }
    gg_arena_free(arena);
    return rc;
}

int mx_remote_device_seen(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_str identity_key,
                          struct gg_error *err)
{
    bool known;
    int rc = is_known(server, user_id, device_id, identity_key, &known, err);
    if (rc != 0 || known)
        return rc;
    struct mx_remote_state *state = mx_remote_state_get(server, user_id);
    bool again = state->forced_at == 0 || gg_now_ms() - state->forced_at > FORCED_PAUSE_MS; /* ids can be made up without end */
    if (again)
        state->forced_at = gg_now_ms();
    mx_remote_state_release(state);
    if (!again)
        return 0;
    rc = mx_remote_mark_stale(server, &user_id, 1, err);
    if (rc == 0 && mx_remote_is_keeper(server))
        mx_remote_fetch_soon(server, user_id); /* elsewhere the keeper finds the mark at its next turn */
    return rc;
}

enum { MAX_KNOWN_SENDERS = 20000, MAX_LOOKS = 64 };

struct look {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id, device_id, identity_key, key;
};

static void look_at(void *arg)
{
    struct look *l = arg;
    struct gg_error err = GG_ERROR_INIT;
    bool known;
    if (is_known(l->server, l->user_id, l->device_id, l->identity_key, &known, &err) == 0 && known)
        gg_map_put(l->server->e2ee->senders, l->key, NULL);
    else if (mx_remote_device_seen(l->server, l->user_id, l->device_id, l->identity_key, &err) != 0)
        gg_info(&logger, "a device of %.*s was not looked for: %s", GG_FMT(l->user_id), err.message);
    l->server->e2ee->looks--;
    gg_arena_free(l->arena);
}

static struct gg_str text_of(struct gg_str content, const char *member, struct gg_arena *arena)
{
    struct gg_str text = mx_storable(mx_json_string(mx_json_get(content, member), arena));
    return text.s != NULL && text.n <= MX_REMOTE_NAME_MAX ? gg_arena_str(arena, text) : (struct gg_str){0};
}

/* Those that were found are remembered, so that a room's talk costs nothing; when too many look at once, the next event of
 * the device is in time. */
void mx_remote_device_used(struct mx_server *server, const struct mx_event *event)
{
    struct mx_e2ee *e = server->e2ee;
    if (!gg_str_is(event->type, "m.room.encrypted") || mx_is_mine(server, event->sender) || e->scope == NULL ||
        e->looks >= MAX_LOOKS)
        return;
    struct gg_arena *arena = gg_arena_new();
    struct look *l = GG_NEW(arena, struct look);
    *l = (struct look){.server = server, .arena = arena, .user_id = gg_arena_str(arena, event->sender),
                       .device_id = text_of(event->content, "device_id", arena),
                       .identity_key = text_of(event->content, "sender_key", arena)};
    l->key = gg_str(gg_arena_printf(arena, "%.*s\x1f%.*s\x1f%.*s", GG_FMT(l->user_id), GG_FMT(l->device_id), GG_FMT(l->identity_key)));
    if (gg_map_count(e->senders) >= MAX_KNOWN_SENDERS)
        gg_map_clear(e->senders);
    if (l->device_id.s == NULL || gg_map_has(e->senders, l->key) || !gg_spawn(e->scope, "device of an event", look_at, l))
        gg_arena_free(arena);
    else
        e->looks++;
}

/* ---- those that could not be fetched ---- */

static int read_stale(struct mx_server *server, struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err)
{
    enum { EACH = 50, ALL = 2000 };
    static const struct gg_stmt forget = {
        "DELETE FROM device_lists_remote_resync r WHERE NOT EXISTS (SELECT 1 FROM current_state_events c"
        " WHERE c.type = 'm.room.member' AND c.state_key = r.user_id AND c.membership = 'join')", 0};
    static const struct gg_stmt stmt = {
        "SELECT user_id FROM (SELECT user_id, row_number() OVER (PARTITION BY substring(user_id FROM ':(.*)$') ORDER BY added_ts)"
        " AS at FROM device_lists_remote_resync) r WHERE at <= $1::bigint ORDER BY at LIMIT $2::bigint", GG_LANE_SCAN};
    struct gg_rows *rows;
    int rc = gg_db_write(server->db, &forget, GG_NO_PARAMS, NULL, NULL, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_i64(EACH), gg_p_i64(ALL)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}

/* A server that failed lately is not asked: that costs nothing, and the others have their turn. */
void mx_remote_retry(void *arg)
{
    struct mx_server *server = arg;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str *users;
    size_t n = 0;
    if (!mx_remote_is_keeper(server))
        return;
    struct gg_arena *arena = gg_arena_new();
    int rc = read_stale(server, arena, &users, &n, &err);
    if (rc == 0 && n > 0)
        rc = mx_remote_resync(server, users, n, false, GG_NEW_ARRAY(arena, bool, n), &err);
    if (rc != 0)
        gg_warn(&logger, "stale device lists: %s", err.message);
    gg_arena_free(arena);
}
