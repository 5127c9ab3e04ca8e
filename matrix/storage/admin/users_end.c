/* users_end.c: passwords that administrators set, and accounts that they bring back. */
#include <ganglion/matrix/cache.h>

#include "storage/admin/users.h"
#include "storage/change.h"

int mx_admin_user_set_hash(struct mx_server *server, struct gg_str user_id, struct gg_str hash, int64_t *n_out,
                           struct gg_error *err)
{
    static const char *const caches[] = {"get_user_by_id", NULL};
    static const struct gg_stmt stmt = {"UPDATE users SET password_hash = $2 WHERE name = $1", 0};
    return mx_change_and_forget(server, &stmt, GG_PARAMS(gg_p_str(user_id), gg_p_str(hash)), caches, user_id, n_out, err);
}

struct revival {
    struct gg_str user_id;
    struct mx_forget forget;
};

static int revive_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt stmts[] = {{"UPDATE users SET deactivated = 0 WHERE name = $1", 0},
                                           {"DELETE FROM erased_users WHERE user_id = $1", 0},
                                           {"DELETE FROM users_pending_deactivation WHERE user_id = $1", 0}};
    static const char *const caches[] = {"get_user_deactivated_status", "get_user_by_id", "is_guest", "is_user_erased"};
    struct revival *r = arg;
    int status = 0;
    mx_forget_again(&r->forget);
    for (size_t i = 0; !status && i < GG_COUNT(stmts); i++)
        status = gg_txn_queue(txn, &stmts[i], GG_PARAMS(gg_p_str(r->user_id)), err);
    for (size_t i = 0; i < GG_COUNT(caches); i++)
        mx_forget_add(&r->forget, caches[i], &r->user_id, 1);
    return status ? status : mx_forget_write(&r->forget, txn, err);
}

int mx_admin_user_revive(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct revival r = {.user_id = user_id};
    mx_forget_begin(&r.forget, server, arena);
    int status = gg_db_txn(server->db, "revive user", 0, revive_body, &r, err);
    mx_forget_end(&r.forget, gg_maybe_committed(status));
    gg_arena_free(arena);
    return status;
}
