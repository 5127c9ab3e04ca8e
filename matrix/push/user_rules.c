/* matrix/push/user_rules.c: rules of users from push_rules and push_rules_enable. */
#include "push/user_rules.h"

#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static const struct gg_stmt select_rules = {
    "SELECT user_name, rule_id, priority_class, conditions, actions FROM push_rules WHERE user_name = ANY ($1::text[])"
    " ORDER BY user_name COLLATE \"C\", priority_class DESC, priority DESC, id DESC", GG_LANE_POINT};
static const struct gg_stmt select_enables = {
    "SELECT user_name, rule_id, coalesce(enabled, 0) <> 0 FROM push_rules_enable WHERE user_name = ANY ($1::text[])"
    " ORDER BY user_name COLLATE \"C\"", GG_LANE_POINT};

/* ---- rows ---- */

/* Both results ascend by user: rows of one user after the other are taken from where the last one ended. */
struct both {
    struct gg_rows *rules, *enables;
    struct mx_push_rule_row *rule_rows;
    struct mx_push_enable_row *enable_rows;
    size_t rule, enable;
};

static int read_both(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                     struct both *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    int rc = gg_db_read(server->db, &select_rules, GG_PARAMS(gg_p_texts(users, n)), arena, &out->rules, err);
    if (rc == 0)
        rc = gg_db_read(server->db, &select_enables, GG_PARAMS(gg_p_texts(users, n)), arena, &out->enables, err);
    if (rc)
        return rc;
    out->rule_rows = GG_NEW_ARRAY(arena, struct mx_push_rule_row, gg_rows_count(out->rules) + 1);
    out->enable_rows = GG_NEW_ARRAY(arena, struct mx_push_enable_row, gg_rows_count(out->enables) + 1);
    for (size_t i = 0; i < gg_rows_count(out->rules); i++)
        out->rule_rows[i] = (struct mx_push_rule_row){gg_rows_str(out->rules, i, 1), gg_rows_str(out->rules, i, 3),
                                                      gg_rows_str(out->rules, i, 4), gg_rows_i64(out->rules, i, 2)};
    for (size_t i = 0; i < gg_rows_count(out->enables); i++)
        out->enable_rows[i] =
            (struct mx_push_enable_row){gg_rows_str(out->enables, i, 1), gg_rows_bool(out->enables, i, 2)};
    return 0;
}

static size_t skip_user(const struct gg_rows *rows, size_t from, struct gg_str user_id)
{
    while (from < gg_rows_count(rows) && gg_str_eq(gg_rows_str(rows, from, 0), user_id))
        from++;
    return from;
}

/* Users must be asked in ascending order. */
static struct mx_push_rows take_user(struct both *b, struct gg_str user_id)
{
    struct mx_push_rows out = {.rules = b->rule_rows + b->rule, .enables = b->enable_rows + b->enable};
    size_t rule = skip_user(b->rules, b->rule, user_id), enable = skip_user(b->enables, b->enable, user_id);
    out.n_rules = rule - b->rule;
    out.n_enables = enable - b->enable;
    b->rule = rule;
    b->enable = enable;
    return out;
}

int mx_push_read_rules(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                       const struct mx_push_rules **out, struct gg_error *err)
{
    struct both b;
    int rc = read_both(server, &user_id, 1, arena, &b, err);
    if (rc)
        return rc;
    struct mx_push_rows rows = take_user(&b, user_id);
    *out = mx_push_rules_make(server->push->base, server->push->features, &rows, true, arena);
    return 0;
}

/* ---- held rules ---- */

static struct mx_push_held *keep(struct mx_push *push, struct gg_str user_id, const struct mx_push_rows *rows)
{
    struct mx_push_held *held = gg_xcalloc(1, sizeof(*held) + user_id.n + 1);
    memcpy(held->user_id, user_id.s, user_id.n);
    held->refs = 1;
    held->push = push;
    held->bytes = sizeof(*held) + user_id.n;
    held->rules = push->defaults;
    if (rows->n_rules || rows->n_enables) {
        held->arena = gg_arena_new();
        held->rules = mx_push_rules_make(push->base, push->features, rows, false, held->arena);
        held->bytes += gg_arena_used(held->arena);
    }
    gg_map_put(push->held, user_id, held);
    return held;
}

/* What is stale is no longer in the map, or another has taken its place there. */
static void retire(struct mx_push_held *held)
{
    if (!held->stale)
        gg_map_delete(held->push->held, gg_str(held->user_id));
    held->stale = true;
}

void mx_push_release(struct mx_push_held *held)
{
    if (!held || --held->refs)
        return;
    retire(held);
    gg_arena_free(held->arena);
    free(held);
}

void mx_push_forget_rules(struct mx_server *server, struct gg_str user_id)
{
    struct mx_push *push = server->push;
    push->tick++;
    if (user_id.s) {
        struct mx_push_held *held = gg_map_get(push->held, user_id);
        if (held)
            retire(held);
        return;
    }
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(push->held, &i, &key, &value);)
        ((struct mx_push_held *)value)->stale = true;
    gg_map_clear(push->held);
}

static int by_text(const void *a, const void *b)
{
    return gg_str_cmp(*(const struct gg_str *)a, *(const struct gg_str *)b);
}

/* Users whose rules nobody holds, sorted, each once. */
static size_t find_missing(struct mx_push *push, const struct gg_str *users, size_t n, struct gg_str *missing)
{
    size_t n_missing = 0, kept = 0;
    for (size_t i = 0; i < n; i++)
        if (!gg_map_has(push->held, users[i]))
            missing[n_missing++] = users[i];
    qsort(missing, n_missing, sizeof(*missing), by_text);
    for (size_t i = 0; i < n_missing; i++)
        if (i == 0 || !gg_str_eq(missing[i], missing[i - 1]))
            missing[kept++] = missing[i];
    return kept;
}

/* One reference each, of those just read or of those that somebody holds. */
static void give(struct mx_push *push, const struct gg_str *users, size_t n, struct gg_map *read,
                 struct mx_push_held **out)
{
    for (size_t i = 0; i < n; i++) {
        struct mx_push_held *held = gg_map_get(push->held, users[i]);
        out[i] = held ? held : gg_map_get(read, users[i]);
        out[i]->refs++;
    }
}

/* What changed while it was read is used once, and then read anew. */
static void keep_all(struct mx_push *push, const struct gg_str *users, size_t n, struct both *b, bool changed,
                     struct gg_map *read)
{
    for (size_t i = 0; i < n; i++) {
        struct mx_push_rows rows = take_user(b, users[i]);
        struct mx_push_held *other = gg_map_get(push->held, users[i]);
        if (other)
            retire(other); /* read at the same time by another fiber */
        struct mx_push_held *held = keep(push, users[i], &rows);
        if (changed)
            retire(held);
        gg_map_put(read, users[i], held);
    }
}

static void release(void *held)
{
    mx_push_release(held);
}

int mx_push_hold(struct mx_server *server, const struct gg_str *users, size_t n, struct mx_push_held **out,
                 struct gg_error *err)
{
    struct mx_push *push = server->push;
    struct gg_arena *arena = gg_arena_new();
    struct gg_map *read = gg_map_new(release);
    struct gg_str *missing = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    int rc = 0;
    /* What is held now may be gone after the wait: take it before. */
    size_t n_missing = find_missing(push, users, n, missing);
    for (size_t i = 0; i < n; i++) {
        struct mx_push_held *held = gg_map_get(push->held, users[i]);
        if (held && !gg_map_has(read, users[i])) {
            held->refs++;
            gg_map_put(read, users[i], held);
        }
    }
    if (n_missing) {
        uint64_t tick = push->tick;
        struct both b;
        rc = read_both(server, missing, n_missing, arena, &b, err);
        if (rc == 0)
            keep_all(push, missing, n_missing, &b, push->tick != tick, read);
    }
    if (rc == 0)
        give(push, users, n, read, out);
    gg_map_free(read);
    gg_arena_free(arena);
    return rc;
}
