/* accounts_deactivate.c: the end of an account in the database. */
#include "storage/accounts_deactivate.h"

#include <ganglion/matrix/cache.h>

/* Each takes the user's id. */
static const struct gg_stmt always[] = {
    {"UPDATE users SET password_hash = NULL, deactivated = 1 WHERE name = $1", 0},
    {"INSERT INTO users_pending_deactivation (user_id) VALUES ($1)", 0},
    {"DELETE FROM user_threepids WHERE user_id = $1", 0},
    {"DELETE FROM user_threepid_id_server WHERE user_id = $1", 0},
    {"DELETE FROM user_directory WHERE user_id = $1", 0},
    {"DELETE FROM user_directory_search WHERE user_id = $1", 0},
    {"DELETE FROM users_in_public_rooms WHERE user_id = $1", 0},
    {"DELETE FROM users_who_share_private_rooms WHERE user_id = $1 OR other_user_id = $1", 0},
    {"DELETE FROM account_validity WHERE user_id = $1", 0},
    {"DELETE FROM account_data WHERE user_id = $1", 0},
    {"DELETE FROM room_account_data WHERE user_id = $1", 0},
    {"DELETE FROM ignored_users WHERE ignorer_user_id = $1", 0},
    {"DELETE FROM push_rules WHERE user_name = $1", 0},
    {"DELETE FROM push_rules_enable WHERE user_name = $1", 0},
    {"DELETE FROM thread_subscriptions WHERE user_id = $1", 0},
    {"DELETE FROM e2e_room_keys WHERE user_id = $1", 0},
    {"DELETE FROM e2e_room_keys_versions WHERE user_id = $1", 0},
};
static const struct gg_stmt when_erasing[] = {
    {"DELETE FROM profiles WHERE full_user_id = $1", 0},
    {"INSERT INTO erased_users (user_id) VALUES ($1) ON CONFLICT DO NOTHING", 0},
};
static const char *const forgotten[] = {
    "get_user_deactivated_status",
    "get_user_by_id",
    "is_guest",
    "get_expiration_ts_for_user",
    "get_account_data_for_room_and_type",
    "get_global_account_data_for_user",
    "get_room_account_data_for_user",
    "get_global_account_data_by_type_for_user",
    "get_account_data_for_room",
    "get_push_rules_for_user",
    "get_subscription_for_thread",
    "ignored_users",
};

struct ending {
    struct gg_str user_id;
    bool erase;
    struct mx_forget forget;
};

static int end_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct ending *e = arg;
    int status = 0;
    mx_forget_again(&e->forget);
    for (size_t i = 0; !status && i < GG_COUNT(always); i++)
        status = gg_txn_queue(txn, &always[i], GG_PARAMS(gg_p_str(e->user_id)), err);
    for (size_t i = 0; !status && e->erase && i < GG_COUNT(when_erasing); i++)
        status = gg_txn_queue(txn, &when_erasing[i], GG_PARAMS(gg_p_str(e->user_id)), err);
    for (size_t i = 0; i < GG_COUNT(forgotten); i++)
        mx_forget_add(&e->forget, forgotten[i], &e->user_id, 1);
    mx_forget_add(&e->forget, "ignored_by", NULL, 0); /* whom the user ignored is gone by now: all of them */
    if (e->erase)
        mx_forget_add(&e->forget, "is_user_erased", &e->user_id, 1);
    return status ? status : mx_forget_write(&e->forget, txn, err);
}

int mx_users_end(struct mx_server *server, struct gg_str user_id, bool erase, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct ending e = {.user_id = user_id, .erase = erase};
    mx_forget_begin(&e.forget, server, arena);
    int status = gg_db_txn(server->db, "deactivate", 0, end_body, &e, err);
    mx_forget_end(&e.forget, gg_maybe_committed(status));
    gg_arena_free(arena);
    return status;
}

int mx_users_leaving(struct mx_server *server, struct gg_arena *arena, struct gg_str **out, size_t *n_out,
                     struct gg_error *err)
{
    static const struct gg_stmt stmt = {"SELECT DISTINCT user_id FROM users_pending_deactivation LIMIT 100",
                                        GG_LANE_SCAN};
    struct gg_rows *rows;
    int status = gg_db_read(server->db, &stmt, GG_NO_PARAMS, arena, &rows, err);
    if (status)
        return status;
    *n_out = gg_rows_count(rows);
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; i < *n_out; i++)
        (*out)[i] = gg_rows_str(rows, i, 0);
    return 0;
}

int mx_users_left(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    static const struct gg_stmt stmt = {"DELETE FROM users_pending_deactivation WHERE user_id = $1", 0};
    return gg_db_write(server->db, &stmt, GG_PARAMS(gg_p_str(user_id)), NULL, NULL, err);
}
