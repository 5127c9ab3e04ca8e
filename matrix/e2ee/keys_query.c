/* matrix/e2ee/keys_query.c: the keys of devices and users, with the signatures that who asks may see (client-server API,
 * "POST /keys/query"; server-server API, "End-to-End Encryption").
 *
 * Local users: what is known in memory, else three reads whatever their number (known_keys.c). Users of other servers: from
 * what we keep of those that we hear of, else their servers are asked (remote_keys.c). */
#include "e2ee/keys.h"

#include "e2ee/known_keys.h"
#include "e2ee/remote_keys.h"
#include "e2ee/text.h"

#include <ganglion/map.h>
#include <ganglion/matrix/id.h>

/* ---- what a body may be ---- */

static int read_devices(struct gg_str user_id, struct gg_str devices, struct gg_arena *arena, struct mx_key_query *out,
                        size_t *n, struct gg_error *err)
{
    if (mx_json_length(devices) == 0)
        out[(*n)++] = (struct mx_key_query){user_id, {0}};
    for (struct mx_json_iter it = mx_json_iter(devices); mx_json_next(&it);) {
        struct gg_str device_id = mx_json_string(it.value, arena);
        if (device_id.s == NULL)
            return gg_refuse(err, 400, "M_BAD_JSON", "'device_keys' values must be a list of strings");
        if (mx_storable(device_id).s != NULL)
            out[(*n)++] = (struct mx_key_query){user_id, device_id};
    }
    return 0;
}

int mx_keys_read_query(struct gg_str body, struct gg_arena *arena, struct gg_str **users, size_t *n_users,
                       struct mx_key_query **queries, size_t *n_queries, struct gg_error *err)
{
    struct gg_str asked = mx_json_get(body, "device_keys");
    size_t total = 0;
    *n_users = *n_queries = 0;
    if (!mx_json_is_object(asked))
        return gg_refuse(err, 400, "M_BAD_JSON", "'device_keys' must be a JSON object");
    for (struct mx_json_iter it = mx_json_iter(asked); mx_json_next(&it);) {
        if (!mx_json_is_array(it.value))
            return gg_refuse(err, 400, "M_BAD_JSON", "'device_keys' values must be a list of strings");
        total += mx_json_length(it.value) + 1;
    }
    *users = GG_NEW_ARRAY(arena, struct gg_str, mx_json_length(asked) + 1);
    *queries = GG_NEW_ARRAY(arena, struct mx_key_query, total + 1);
    struct gg_map *seen = gg_map_new(NULL);
    int rc = 0;
    for (struct mx_json_iter it = mx_json_iter(asked); rc == 0 && mx_json_next(&it);) {
        struct gg_str user_id = mx_e2ee_name(it.key, arena);
        size_t before = *n_queries;
        rc = read_devices(user_id, it.value, arena, *queries, n_queries, err);
        if (user_id.s == NULL || !mx_user_id_valid(user_id) || gg_map_has(seen, user_id)) {
            *n_queries = before;
            continue;
        }
        gg_map_put(seen, user_id, NULL);
        (*users)[(*n_users)++] = user_id;
    }
    gg_map_free(seen);
    return rc;
}

/* ---- writing ---- */

/* Local users and what is known of them. Queries of a user stand together, in the order of the users. */
struct locals {
    const struct gg_str *users;
    const struct mx_known_keys **keys;
    size_t n;
    const struct mx_key_query *queries;
    size_t n_queries;
};

static bool write_one(const struct mx_known_device *device, bool names, bool any, struct gg_buf *out)
{
    if (device->keys.s == NULL)
        return any;
    gg_buf_text(out, any ? "," : "");
    gg_buf_json_string(out, device->id);
    gg_buf_char(out, ':');
    mx_known_device_write(device, names, out);
    return true;
}

/* Those that were named, each once, whatever the order; or all. */
static void write_some(const struct mx_known_keys *keys, const struct mx_key_query *queries, size_t n, bool names,
                       struct gg_arena *arena, struct gg_buf *out)
{
    bool *named = GG_NEW_ARRAY(arena, bool, keys->n + 1), any = false;
    for (size_t i = 0; i < n; i++) {
        long at = queries[i].device_id.s != NULL ? mx_known_device_find(keys, queries[i].device_id) : -1;
        if (queries[i].device_id.s == NULL)
            memset(named, true, keys->n);
        else if (at >= 0)
            named[at] = true;
    }
    for (size_t i = 0; i < keys->n; i++)
        if (named[i])
            any = write_one(&keys->devices[i], names, any, out);
}

/* Every local user that was asked for has a place, also without devices. */
static void write_devices(const struct locals *l, bool names, struct gg_arena *arena, struct gg_buf *out)
{
    size_t q = 0;
    for (size_t u = 0; u < l->n; u++) {
        size_t first = q;
        while (q < l->n_queries && gg_str_eq(l->queries[q].user_id, l->users[u]))
            q++;
        gg_buf_text(out, u > 0 ? "," : "");
        gg_buf_json_string(out, l->users[u]);
        gg_buf_lit(out, ":{");
        write_some(l->keys[u], l->queries + first, q - first, names, arena, out);
        gg_buf_char(out, '}');
    }
}

struct member {
    const char *name;
    enum mx_cross_kind kind;
    bool own_only;
};
static const struct member members[] = {
    {"master_keys", MX_CROSS_MASTER, false},
    {"self_signing_keys", MX_CROSS_SELF, false},
    {"user_signing_keys", MX_CROSS_USER, true},
};

static struct gg_str remote_cross(const struct mx_remote_user *user, enum mx_cross_kind kind)
{
    return kind == MX_CROSS_MASTER ? user->master : kind == MX_CROSS_SELF ? user->self_signing : (struct gg_str){0};
}

static bool write_key(struct gg_str user_id, struct gg_str text, const struct mx_signed *by, bool any, struct gg_arena *arena,
                      struct gg_buf *out)
{
    if (text.s == NULL)
        return any;
    gg_buf_text(out, any ? "," : "");
    gg_buf_json_string(out, user_id);
    gg_buf_char(out, ':');
    gg_buf_str(out, mx_signed_key(by, user_id, text, arena));
    return true;
}

/* What is stored of local users, what was found out about the others, with what who_asks signed of it (`by`). */
static void write_cross(const struct locals *l, const struct mx_remote_user *others, size_t n, struct gg_str who_asks,
                        const struct mx_signed *by, struct gg_arena *arena, struct gg_buf *out)
{
    for (size_t m = 0; m < GG_COUNT(members); m++) {
        bool any = false;
        gg_buf_printf(out, ",\"%s\":{", members[m].name);
        for (size_t i = 0; i < l->n; i++)
            if (!members[m].own_only || (who_asks.s != NULL && gg_str_eq(l->users[i], who_asks)))
                any = write_key(l->users[i], l->keys[i]->cross[members[m].kind], by, any, arena, out);
        for (size_t i = 0; i < n; i++)
            any = write_key(others[i].user_id, remote_cross(&others[i], members[m].kind), by, any, arena, out);
        gg_buf_char(out, '}');
    }
}

/* ---- the two ways to ask ---- */

struct split {
    struct gg_str *users;
    struct mx_key_query *queries;
    size_t n_users, n_queries;
};

static struct split pick(struct mx_server *server, bool mine, const struct gg_str *users, size_t n_users,
                         const struct mx_key_query *queries, size_t n_queries, struct gg_arena *arena)
{
    struct split s = {.users = GG_NEW_ARRAY(arena, struct gg_str, n_users + 1),
                      .queries = GG_NEW_ARRAY(arena, struct mx_key_query, n_queries + 1)};
    for (size_t i = 0; i < n_users; i++)
        if (mx_is_mine(server, users[i]) == mine)
            s.users[s.n_users++] = users[i];
    for (size_t i = 0; i < n_queries; i++)
        if (mx_is_mine(server, queries[i].user_id) == mine)
            s.queries[s.n_queries++] = queries[i];
    return s;
}

static void write_remote_devices(const struct mx_remote_user *others, size_t n, bool any, struct gg_buf *out)
{
    for (size_t i = 0; i < n; i++) {
        if (others[i].devices.s == NULL)
            continue;
        gg_buf_text(out, any ? "," : "");
        any = true;
        gg_buf_json_string(out, others[i].user_id);
        gg_buf_char(out, ':');
        gg_buf_str(out, others[i].devices);
    }
}

static int know(struct mx_server *server, const struct gg_str *users, size_t n_users, const struct mx_key_query *queries,
                size_t n_queries, struct gg_arena *arena, struct locals *out, struct gg_error *err)
{
    *out = (struct locals){.users = users, .n = n_users, .queries = queries, .n_queries = n_queries,
                           .keys = GG_NEW_ARRAY(arena, const struct mx_known_keys *, n_users + 1)};
    return mx_known_keys_get(server, users, n_users, arena, out->keys, err);
}

int mx_keys_query(struct mx_server *server, struct gg_str who_asks, const struct gg_str *users, size_t n_users,
                  const struct mx_key_query *queries, size_t n_queries, int64_t timeout_ms, struct gg_arena *arena,
                  struct gg_buf *out, struct gg_error *err)
{
    struct split mine = pick(server, true, users, n_users, queries, n_queries, arena);
    struct split theirs = pick(server, false, users, n_users, queries, n_queries, arena);
    struct mx_remote_user *others = GG_NEW_ARRAY(arena, struct mx_remote_user, theirs.n_users + 1);
    const struct mx_signed *by;
    struct locals l;
    struct gg_buf failures = GG_BUF_INIT;
    int rc = mx_signed_by(server, who_asks, arena, &by, err);
    if (rc == 0 && theirs.n_users > 0)
        rc = mx_remote_keys_query(server, theirs.users, theirs.n_users, theirs.queries, theirs.n_queries, timeout_ms, arena,
                                  others, &failures, err);
    if (rc == 0)
        rc = know(server, mine.users, mine.n_users, mine.queries, mine.n_queries, arena, &l, err);
    if (rc == 0) {
        gg_buf_lit(out, "{\"device_keys\":{");
        write_devices(&l, true, arena, out);
        write_remote_devices(others, theirs.n_users, l.n > 0, out);
        gg_buf_lit(out, "},\"failures\":{");
        gg_buf_str(out, gg_buf_view(&failures));
        gg_buf_char(out, '}');
        write_cross(&l, others, theirs.n_users, who_asks, by, arena, out);
        gg_buf_char(out, '}');
    }
    gg_buf_done(&failures);
    return rc;
}

int mx_keys_query_local(struct mx_server *server, const struct gg_str *users, size_t n_users, const struct mx_key_query *queries,
                        size_t n_queries, bool names, struct gg_arena *arena, struct gg_buf *out, struct gg_error *err)
{
    struct locals l;
    int rc = know(server, users, n_users, queries, n_queries, arena, &l, err);
    if (rc != 0)
        return rc;
    gg_buf_lit(out, "{\"device_keys\":{");
    write_devices(&l, names, arena, out);
    gg_buf_char(out, '}');
    write_cross(&l, NULL, 0, (struct gg_str){0}, NULL, arena, out);
    gg_buf_char(out, '}');
    return 0;
}
