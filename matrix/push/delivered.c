/* matrix/push/delivered.c: how far each pusher is: on the process that pushes.
 *
 * A message is told to many devices in the same moment; that it was told to them is written together. */
#include "push/push.h"

#include <ganglion/matrix/pushers.h>
#include <stdio.h>

static const struct gg_stmt delivered = {
    "UPDATE pushers p SET last_stream_ordering = d.upto, last_success = COALESCE(d.at, p.last_success)"
    " FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[]) WITH ORDINALITY"
    " AS d (app_id, pushkey, user_name, upto, at, i)"
    " WHERE p.app_id = d.app_id AND p.pushkey = d.pushkey AND p.user_name = d.user_name RETURNING d.i", 0};
static const struct gg_stmt failing = {
    "UPDATE pushers SET failing_since = $4 WHERE app_id = $1 AND pushkey = $2 AND user_name = $3", 0};

struct telling {
    struct gg_gather_call call;
    const struct mx_pusher *pusher;
    int64_t upto, at; /* at: when, GG_NULL_I64: nobody took it */
    bool there;
};

static int write_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *names[3];
    int64_t *numbers[2];
    struct gg_rows *rows;
    for (size_t c = 0; c < GG_COUNT(names); c++)
        names[c] = GG_NEW_ARRAY(arena, struct gg_str, n);
    for (size_t c = 0; c < GG_COUNT(numbers); c++)
        numbers[c] = GG_NEW_ARRAY(arena, int64_t, n);
    for (size_t i = 0; i < n; i++) {
        const struct telling *t = GG_CONTAINER(calls[i], struct telling, call);
        names[0][i] = t->pusher->app_id;
        names[1][i] = t->pusher->pushkey;
        names[2][i] = t->pusher->user_id;
        numbers[0][i] = t->upto;
        numbers[1][i] = t->at;
    }
    int rc = gg_db_write(server->db, &delivered, GG_PARAMS(gg_p_texts(names[0], n), gg_p_texts(names[1], n), gg_p_texts(names[2], n),
                                                           gg_p_i64s(numbers[0], n), gg_p_i64s(numbers[1], n)), arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        GG_CONTAINER(calls[gg_rows_i64(rows, i, 0) - 1], struct telling, call)->there = true;
    gg_arena_free(arena);
    return rc;
}

const struct gg_gather_def mx_push_told_gather = {
    .name = "pushers", .run = write_together, .max_weight = GG_GATHER_MAX, .at_once = 1, .linger = true};

int mx_pusher_delivered(struct mx_server *server, const struct mx_pusher *pusher, int64_t stream_ordering, bool success,
                        bool *there_out, struct gg_error *err)
{
    char id[24]; /* a pusher is set in one run once */
    struct telling t = {.pusher = pusher, .upto = stream_ordering, .at = success ? gg_wall_ms() : GG_NULL_I64, .call = {.weight = 1}};
    snprintf(id, sizeof(id), "%lld", (long long)pusher->id);
    t.call.key = gg_str(id);
    int rc = gg_gather(server->push->told, &t.call, err);
    *there_out = t.there;
    return rc;
}

int mx_pusher_failing(struct mx_server *server, const struct mx_pusher *pusher, int64_t since_ms, struct gg_error *err)
{
    return gg_db_write(server->db, &failing,
                       GG_PARAMS(gg_p_str(pusher->app_id), gg_p_str(pusher->pushkey), gg_p_str(pusher->user_id),
                                 since_ms != 0 ? gg_p_i64(since_ms) : gg_p_null()),
                       NULL, NULL, err);
}
