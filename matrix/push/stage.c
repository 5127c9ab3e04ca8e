/* matrix/push/stage.c: results for events that another process writes wait in event_push_actions_staging for it. */
#include "push/evaluate.h"
#include "push/push.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.matrix.push"};

static const struct gg_stmt insert_staged = {
    "INSERT INTO event_push_actions_staging (event_id, user_id, actions, notif, highlight, unread, thread_id)"
    " SELECT e, u, a, n::int, h::int, r::int, t FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[],"
    " $5::boolean[], $6::boolean[], $7::text[]) x (e, u, a, n, h, r, t)", 0};
static const struct gg_stmt delete_staged = {
    "DELETE FROM event_push_actions_staging WHERE event_id = ANY ($1::text[])", 0};

static size_t count(const struct mx_persist_item *items, size_t n)
{
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += items[i].n_push;
    return total;
}

int mx_push_stage(struct mx_server *server, const struct mx_persist_item *items, size_t n, struct gg_error *err)
{
    size_t total = count(items, n), k = 0;
    if (!total)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *texts[4];
    bool *flags[3];
    for (size_t c = 0; c < GG_COUNT(texts); c++)
        texts[c] = GG_NEW_ARRAY(arena, struct gg_str, total);
    for (size_t c = 0; c < GG_COUNT(flags); c++)
        flags[c] = GG_NEW_ARRAY(arena, bool, total);
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; p < items[i].n_push; p++, k++) {
            const struct mx_push_action *a = &items[i].push[p];
            texts[0][k] = items[i].event->event_id;
            texts[1][k] = a->user_id;
            texts[2][k] = a->actions;
            texts[3][k] = a->thread_id;
            flags[0][k] = a->notify;
            flags[1][k] = a->highlight;
            flags[2][k] = a->unread;
        }
    int rc = gg_db_write(server->db, &insert_staged,
                         GG_PARAMS(gg_p_texts(texts[0], total), gg_p_texts(texts[1], total), gg_p_texts(texts[2], total),
                                   gg_p_bools(flags[0], total), gg_p_bools(flags[1], total), gg_p_bools(flags[2], total),
                                   gg_p_texts(texts[3], total)),
                         arena, NULL, err);
    gg_arena_free(arena);
    return rc;
}

void mx_push_unstage(struct mx_server *server, const struct mx_persist_item *items, size_t n)
{
    struct gg_error err = GG_ERROR_INIT;
    if (!count(items, n))
        return;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n);
    for (size_t i = 0; i < n; i++)
        ids[i] = items[i].event->event_id;
    if (gg_db_write(server->db, &delete_staged, GG_PARAMS(gg_p_texts(ids, n)), arena, NULL, &err) != 0)
        gg_warn(&logger, "staged notifications are left behind: %s", err.message);
    gg_arena_free(arena);
}
