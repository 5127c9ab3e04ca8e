/* matrix/push/change.c: rows of push rules, one transaction a change.
 *
 * One change at a time in this process, which is the only one that writes these tables: so the ids, which come from no
 * sequence, can be the highest that is there and one. */
#include "push/change.h"

#include "push/rules.h"
#include "push/text.h"
#include "push/user_rules.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>

struct change {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id, id;
    const struct mx_push_new_rule *rule; /* of add */
    struct gg_str actions;
    bool enabled;
    bool own;         /* no rule of the server's */
    int64_t stream_id;
    int64_t priority; /* found in the transaction */
};

/* ---- what every change leaves in the stream ---- */

struct told {
    const char *op;
    int64_t class, priority; /* GG_NULL_I64: not told */
    struct gg_str conditions, actions;
};

static const struct gg_stmt insert_stream = {
    "INSERT INTO push_rules_stream (stream_id, event_stream_ordering, user_id, rule_id, op, priority_class, priority,"
    " conditions, actions, instance_name) VALUES ($1, $2, $3, $4, $5, $6::bigint, $7::bigint, $8, $9, $10)", 0};

static struct gg_param number_or_null(int64_t v)
{
    return v == GG_NULL_I64 ? gg_p_null() : gg_p_i64(v);
}

static int tell(struct change *c, struct gg_txn *txn, const struct told *t, struct gg_error *err)
{
    return gg_txn_queue(txn, &insert_stream,
                        GG_PARAMS(gg_p_i64(c->stream_id), gg_p_i64(gg_stream_upto(c->server->events)),
                                  gg_p_str(c->user_id), gg_p_str(c->id), gg_p_text(t->op), number_or_null(t->class),
                                  number_or_null(t->priority), gg_p_str(t->conditions), gg_p_str(t->actions),
                                  gg_p_text(gg_host_instance(c->server->host))),
                        err);
}

static int tell_op(struct change *c, struct gg_txn *txn, const char *op, struct gg_str actions, struct gg_error *err)
{
    return tell(c, txn, &(struct told){op, GG_NULL_I64, GG_NULL_I64, {NULL, 0}, actions}, err);
}

/* ---- a rule and its switch ---- */

static const struct gg_stmt update_rule = {
    "UPDATE push_rules SET priority_class = $3::integer, priority = $4::integer, conditions = $5, actions = $6"
    " WHERE user_name = $1 AND rule_id = $2", 0};
static const struct gg_stmt count_rules = {"SELECT count(*) FROM push_rules WHERE user_name = $1", 0};
static const struct gg_stmt insert_rule = {
    "INSERT INTO push_rules (id, user_name, rule_id, priority_class, priority, conditions, actions)"
    " SELECT coalesce(max(id), 0) + 1, $1, $2, $3::integer, $4::integer, $5, $6 FROM push_rules", 0};
static const struct gg_stmt insert_enable = {
    "INSERT INTO push_rules_enable (id, user_name, rule_id, enabled)"
    " SELECT coalesce(max(id), 0) + 1, $1, $2, 1 FROM push_rules_enable ON CONFLICT (user_name, rule_id) DO NOTHING", 0};

static int put_rule(struct change *c, struct gg_txn *txn, int64_t class, struct gg_str conditions, struct gg_str actions,
                    struct gg_error *err)
{
    const struct gg_param params[] = {gg_p_str(c->user_id), gg_p_str(c->id), gg_p_i32((int32_t)class),
                                      gg_p_i32((int32_t)c->priority), gg_p_str(conditions), gg_p_str(actions)};
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &update_rule, params, GG_COUNT(params), c->arena, &rows, err);
    if (rc == 0 && gg_rows_affected(rows) == 0) {
        rc = gg_txn_exec(txn, &count_rules, GG_PARAMS(gg_p_str(c->user_id)), c->arena, &rows, err);
        int64_t limit = gg_config_int(c->server->config, "push_rules.limits.rule_count");
        if (rc == 0 && gg_rows_i64(rows, 0, 0) >= limit)
            return gg_refuse(err, 400, "M_UNKNOWN", "An account may not have more than %lld push rules", (long long)limit);
        if (rc == 0)
            rc = gg_txn_queue(txn, &insert_rule, params, GG_COUNT(params), err);
    }
    return rc ? rc : gg_txn_queue(txn, &insert_enable, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->id)), err);
}

/* ---- adding ---- */

static const struct gg_stmt find_rule = {
    "SELECT priority_class, priority, conditions FROM push_rules WHERE user_name = $1 AND rule_id = $2 FOR UPDATE", 0};
static const struct gg_stmt make_room = {
    "UPDATE push_rules SET priority = priority + 1 WHERE user_name = $1 AND priority_class = $2::integer AND priority >= $3::integer", 0};
static const struct gg_stmt find_highest = {
    "SELECT coalesce(max(priority) + 1, 0) FROM push_rules WHERE user_name = $1 AND priority_class = $2::integer", 0};

static int place_beside(struct change *c, struct gg_txn *txn, struct gg_str other, bool before, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &find_rule, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(other)), c->arena, &rows, err);
    if (rc)
        return rc;
    if (!gg_rows_count(rows))
        return gg_refuse(err, 400, "M_UNKNOWN", "before/after rule not found: %.*s", GG_FMT(other));
    if (gg_rows_i64(rows, 0, 0) != c->rule->class)
        return gg_refuse(err, 400, "M_UNKNOWN", "Given priority class does not match class of relative rule");
    c->priority = gg_rows_i64(rows, 0, 1) + (before ? 1 : 0); /* who is asked first has the higher one */
    return gg_txn_queue(txn, &make_room,
                        GG_PARAMS(gg_p_str(c->user_id), gg_p_i32(c->rule->class), gg_p_i32((int32_t)c->priority)), err);
}

static int place_first(struct change *c, struct gg_txn *txn, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &find_highest, GG_PARAMS(gg_p_str(c->user_id), gg_p_i32(c->rule->class)), c->arena, &rows,
                         err);
    if (rc == 0)
        c->priority = gg_rows_i64(rows, 0, 0);
    return rc;
}

static int add_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct change *c = arg;
    const struct mx_push_new_rule *r = c->rule;
    struct gg_str other = r->before.n ? r->before : r->after;
    int rc = other.n ? place_beside(c, txn, other, r->before.n > 0, err) : place_first(c, txn, err);
    if (rc == 0)
        rc = put_rule(c, txn, r->class, r->conditions, r->actions, err);
    return rc ? rc : tell(c, txn, &(struct told){"ADD", r->class, c->priority, r->conditions, r->actions}, err);
}

/* ---- deleting ---- */

static const struct gg_stmt delete_enable = {"DELETE FROM push_rules_enable WHERE user_name = $1 AND rule_id = $2", 0};
static const struct gg_stmt delete_rule = {"DELETE FROM push_rules WHERE user_name = $1 AND rule_id = $2", 0};

static int delete_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct change *c = arg;
    struct gg_rows *rows;
    int rc = gg_txn_queue(txn, &delete_enable, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->id)), err);
    if (rc == 0)
        rc = gg_txn_exec(txn, &delete_rule, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->id)), c->arena, &rows, err);
    if (rc == 0 && gg_rows_affected(rows) == 0)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Not found.");
    return rc ? rc : tell_op(c, txn, "DELETE", gg_strn(NULL, 0), err);
}

/* ---- switching ---- */

static const struct gg_stmt upsert_enable = {
    "INSERT INTO push_rules_enable AS e (id, user_name, rule_id, enabled)"
    " SELECT coalesce(max(id), 0) + 1, $1, $2, $3::integer FROM push_rules_enable"
    " ON CONFLICT (user_name, rule_id) DO UPDATE SET enabled = excluded.enabled", 0};

static int no_rule(struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown rule");
}

static int enable_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct change *c = arg;
    struct gg_rows *rows;
    int rc = 0;
    if (c->own) {
        rc = gg_txn_exec(txn, &find_rule, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->id)), c->arena, &rows, err);
        if (rc == 0 && !gg_rows_count(rows))
            return no_rule(err);
    }
    if (rc == 0)
        rc = gg_txn_queue(txn, &upsert_enable,
                          GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->id), gg_p_i32(c->enabled ? 1 : 0)), err);
    return rc ? rc : tell_op(c, txn, c->enabled ? "ENABLE" : "DISABLE", gg_strn(NULL, 0), err);
}

/* ---- other actions ---- */

static int check_size(const struct mx_server *server, size_t bytes, struct gg_error *err)
{
    int64_t limit = gg_config_int(server->config, "push_rules.limits.rule_size");
    return (int64_t)bytes <= limit ? 0
                                   : gg_refuse(err, 413, "M_UNKNOWN", "Push rule size exceeds server limit (%zu bytes > %lld bytes).",
                                               bytes, (long long)limit);
}

static const struct gg_stmt update_actions = {"UPDATE push_rules SET actions = $3 WHERE user_name = $1 AND rule_id = $2", 0};

static int set_own_actions(struct change *c, struct gg_txn *txn, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_txn_exec(txn, &find_rule, GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->id)), c->arena, &rows, err);
    if (rc == 0 && !gg_rows_count(rows))
        return no_rule(err);
    if (rc == 0)
        rc = check_size(c->server, gg_rows_str(rows, 0, 2).n + c->actions.n, err);
    return rc ? rc : gg_txn_queue(txn, &update_actions,
                                  GG_PARAMS(gg_p_str(c->user_id), gg_p_str(c->id), gg_p_str(c->actions)), err);
}

static int actions_txn(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct change *c = arg;
    c->priority = 1;
    int rc = c->own ? set_own_actions(c, txn, err)
                    : put_rule(c, txn, MX_PUSH_CHANGED, GG_STR("[]"), c->actions, err);
    return rc ? rc : tell_op(c, txn, "ACTIONS", c->actions, err);
}

/* ---- all of them ---- */

static int change_locked(struct change *c, const char *name, gg_txn_fn *body, struct gg_error *err)
{
    int rc = gg_stream_allocate(c->server->push_rules, NULL, 1, &c->stream_id, err);
    if (rc)
        return rc;
    rc = gg_db_txn(c->server->db, name, 0, body, c, err);
    struct gg_buf row = GG_BUF_INIT;
    gg_buf_char(&row, '[');
    gg_buf_json_string(&row, c->user_id);
    gg_buf_char(&row, ']');
    gg_stream_finish_rows(c->server->push_rules, &c->stream_id, 1, &(struct gg_fetched){c->stream_id, gg_buf_view(&row)},
                          gg_maybe_committed(rc) ? 1 : 0);
    gg_buf_done(&row);
    return rc;
}

static int make_change(struct change *c, const char *name, gg_txn_fn *body, struct gg_error *err)
{
    struct mx_push *push = c->server->push;
    c->own = mx_push_base_find(c->id) < 0;
    int rc = gg_mutex_lock(&push->changing, GG_FOREVER);
    if (rc)
        return gg_fail(err, rc, "waiting to change push rules");
    c->arena = gg_arena_new();
    rc = change_locked(c, name, body, err);
    gg_arena_free(c->arena);
    gg_mutex_unlock(&push->changing);
    return rc;
}

int mx_push_add_rule(struct mx_server *server, struct gg_str user_id, const struct mx_push_new_rule *rule,
                     struct gg_error *err)
{
    int64_t longest = gg_config_int(server->config, "push_rules.limits.rule_id_length");
    if ((int64_t)rule->id.n > longest)
        return gg_refuse(err, 413, "M_UNKNOWN", "Push rule ID length exceeds server limit (%zu bytes > %lld bytes).",
                         rule->id.n, (long long)longest);
    int rc = check_size(server, rule->conditions.n + rule->actions.n, err);
    struct change c = {.server = server, .user_id = user_id, .id = rule->id, .rule = rule};
    return rc ? rc : make_change(&c, "add_push_rule", add_txn, err);
}

int mx_push_delete_rule(struct mx_server *server, struct gg_str user_id, struct gg_str id, struct gg_error *err)
{
    struct change c = {.server = server, .user_id = user_id, .id = id};
    return make_change(&c, "delete_push_rule", delete_txn, err);
}

int mx_push_enable_rule(struct mx_server *server, struct gg_str user_id, struct gg_str id, bool enabled,
                        struct gg_error *err)
{
    struct change c = {.server = server, .user_id = user_id, .id = id, .enabled = enabled};
    return make_change(&c, "enable_push_rule", enable_txn, err);
}

int mx_push_set_actions(struct mx_server *server, struct gg_str user_id, struct gg_str id, struct gg_str actions,
                        struct gg_error *err)
{
    struct change c = {.server = server, .user_id = user_id, .id = id, .actions = actions};
    return make_change(&c, "set_push_rule_actions", actions_txn, err);
}

/* ---- from room to room ---- */

/* A condition that names the old room, with the new one in its place; any other as it is. */
static bool copy_condition(struct gg_buf *out, struct gg_str json, struct gg_str old_room, struct gg_str new_room,
                           struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_json *c;
    if (!gg_str_is(mx_json_string(mx_json_get(json, "key"), arena), "room_id") ||
        mx_json_parse(json, 1000, arena, &c, &err) != 0) {
        mx_push_write_json(out, json, arena);
        return false;
    }
    bool names = gg_str_eq(mx_json_text(mx_json_member(c, "pattern")), old_room);
    mx_json_set(c, arena, "pattern", mx_json_new_string(arena, new_room));
    struct gg_buf text = GG_BUF_INIT;
    mx_json_write(&text, c);
    mx_push_write_json(out, gg_buf_view(&text), arena);
    gg_buf_done(&text);
    return names;
}

/* The rule for the new room; false: it is not about the old one. */
static bool copy_rule(const struct mx_push_rule *from, struct gg_str old_room, struct gg_str new_room,
                      struct mx_push_new_rule *to, struct gg_arena *arena)
{
    bool names = false;
    size_t n = 0;
    struct gg_buf out = GG_BUF_INIT;
    struct mx_json_iter it = mx_json_iter(from->conditions_json);
    gg_buf_char(&out, '[');
    while (mx_json_is_array(from->conditions_json) && mx_json_next(&it)) {
        gg_buf_text(&out, n++ ? "," : "");
        names |= copy_condition(&out, it.value, old_room, new_room, arena);
    }
    gg_buf_char(&out, ']');
    size_t scope = from->id.n;
    while (scope && from->id.s[scope - 1] != '/')
        scope--;
    *to = (struct mx_push_new_rule){.conditions = gg_arena_str(arena, gg_buf_view(&out)), .actions = from->actions.json,
                                    .class = from->class};
    to->id = gg_str(gg_arena_printf(arena, "%.*s%.*s", (int)scope, from->id.s, GG_FMT(new_room)));
    gg_buf_done(&out);
    return names;
}

int mx_push_copy_room(struct mx_server *server, struct gg_str user_id, struct gg_str old_room_id,
                      struct gg_str new_room_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_push_rules *rules;
    int rc = mx_push_read_rules(server, user_id, arena, &rules, err);
    for (size_t i = 0; rc == 0 && i < rules->n; i++) {
        struct mx_push_new_rule rule;
        if (rules->rules[i].enabled && rules->rules[i].base < 0 &&
            copy_rule(&rules->rules[i], old_room_id, new_room_id, &rule, arena))
            rc = mx_push_add_rule(server, user_id, &rule, err);
    }
    gg_arena_free(arena);
    return rc;
}

int mx_push_copy_room_anywhere(struct mx_server *server, struct gg_str user_id, struct gg_str old_room_id,
                               struct gg_str new_room_id, struct gg_error *err)
{
    if (gg_stream_is_writer(server->push_rules))
        return mx_push_copy_room(server, user_id, old_room_id, new_room_id, err);
    struct gg_arena *arena = gg_arena_new();
    size_t n;
    const char *const *writers = gg_stream_writers(server->push_rules, &n);
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n),
                                gg_arena_strndup(arena, old_room_id.s, old_room_id.n),
                                gg_arena_strndup(arena, new_room_id.s, new_room_id.n), NULL};
    json_t *body = json_object(), *answer = NULL;
    int rc = gg_repl_call(server->host, writers[0], "copy_push_rules", args, body, &answer, err);
    json_decref(body);
    json_decref(answer);
    gg_arena_free(arena);
    return rc;
}
