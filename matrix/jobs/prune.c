/* matrix/jobs/prune.c: the text of one event made less, with the row that asked for it. */
#include "jobs/prune.h"

#include <ganglion/matrix/cache.h>

struct work {
    const struct mx_event *pruned; /* NULL: nothing of an event changes */
    const struct gg_stmt *done;
    struct gg_str key;
    struct mx_forget forget;
};

static int body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    static const struct gg_stmt prune = {"UPDATE event_json SET json = $2 WHERE event_id = $1", 0};
    struct work *w = arg;
    int rc = 0;
    mx_forget_again(&w->forget);
    if (w->pruned != NULL) {
        rc = gg_txn_queue(txn, &prune, GG_PARAMS(gg_p_str(w->pruned->event_id), gg_p_str(w->pruned->json)), err);
        mx_forget_add(&w->forget, "_get_event_cache", &w->pruned->event_id, 1);
    }
    if (rc == 0)
        rc = gg_txn_queue(txn, w->done, GG_PARAMS(gg_p_str(w->key)), err);
    return rc == 0 ? mx_forget_write(&w->forget, txn, err) : rc;
}

int mx_prune_event(struct mx_server *server, const char *name, const struct mx_event *raw, const struct gg_stmt *done,
                   struct gg_str key, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_event *pruned = raw != NULL ? mx_event_redacted(raw, (struct gg_str){0}) : NULL;
    struct work w = {.pruned = pruned, .done = done, .key = key};
    mx_forget_begin(&w.forget, server, arena);
    int rc = gg_db_txn(server->db, name, 0, body, &w, err);
    mx_forget_end(&w.forget, gg_maybe_committed(rc));
    mx_event_unref(pruned);
    return rc;
}
