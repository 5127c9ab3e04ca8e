/* matrix/presence/save.c: rows that wait to be written; all that wait go together in one transaction. */
#include "presence/internal.h"

enum { MAX_ROWS = 500 };

void mx_presence_save_init(struct mx_presence_save *save, struct mx_server *server)
{
    save->server = server;
    gg_list_init(&save->due);
    gg_mutex_init(&save->writing);
}

void mx_presence_save_add(struct mx_presence_save *save, struct mx_presence_pending *pending)
{
    if (gg_list_empty(&pending->link))
        gg_list_push(&save->due, &pending->link);
}

struct batch {
    struct gg_arena *arena;
    struct mx_presence_row rows[MAX_ROWS];
    struct mx_presence_pending *taken[MAX_ROWS];
    int64_t ids[MAX_ROWS];
    size_t n;
};

/* What is due changes while it is written: copies. */
static void take(struct mx_presence_save *save, struct batch *b, int64_t now)
{
    struct gg_list *link;
    while (b->n < MAX_ROWS && (link = gg_list_pop(&save->due)) != NULL) {
        struct mx_presence_pending *pending = GG_CONTAINER(link, struct mx_presence_pending, link);
        struct mx_presence_row *row = &b->rows[b->n];
        pending->state.last_federation_ts = now;
        pending->writing = true;
        row->user_id = gg_arena_str(b->arena, pending->user_id);
        row->state = pending->state;
        if (pending->state.status_msg.s != NULL)
            row->state.status_msg = gg_arena_str(b->arena, pending->state.status_msg);
        b->taken[b->n++] = pending;
    }
}

static void announce(struct mx_presence_save *save, struct batch *b)
{
    struct gg_fetched *fetched = GG_NEW_ARRAY(b->arena, struct gg_fetched, b->n);
    struct gg_buf row = GG_BUF_INIT;
    for (size_t i = 0; i < b->n; i++) {
        gg_buf_clear(&row);
        mx_presence_write_row(&row, b->rows[i].user_id, &b->rows[i].state);
        fetched[i] = (struct gg_fetched){b->ids[i], gg_arena_str(b->arena, gg_buf_view(&row))};
    }
    gg_buf_done(&row);
    gg_stream_finish_rows(save->server->presence, b->ids, b->n, fetched, b->n);
}

static int write_some(struct mx_presence_save *save, struct gg_error *err)
{
    struct batch *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return gg_fail(err, GG_E_NOMEM, "out of memory");
    b->arena = gg_arena_new();
    take(save, b, gg_wall_ms());
    int rc = gg_stream_allocate(save->server->presence, NULL, b->n, b->ids, err);
    bool allocated = rc == 0;
    for (size_t i = 0; allocated && i < b->n; i++)
        b->rows[i].stream_id = b->ids[i];
    if (rc == 0)
        rc = mx_presence_store(save->server, b->rows, b->n, err);
    if (rc == 0)
        announce(save, b);
    else if (allocated)
        gg_stream_finish_rows(save->server->presence, b->ids, b->n, NULL, 0);
    for (size_t i = 0; i < b->n; i++) {
        b->taken[i]->writing = false;
        if (rc != 0)
            mx_presence_save_add(save, b->taken[i]);
    }
    gg_arena_free(b->arena);
    free(b);
    return rc;
}

int mx_presence_save_now(struct mx_presence_save *save, struct gg_error *err)
{
    int rc = gg_mutex_lock(&save->writing, GG_FOREVER);
    if (rc != 0)
        return gg_fail(err, rc, "waiting to write presence");
    gg_shield_begin(); /* ids that were taken must be finished */
    while (rc == 0 && !gg_list_empty(&save->due))
        rc = write_some(save, err);
    gg_shield_end();
    gg_mutex_unlock(&save->writing);
    return rc;
}
