/* quarantined.c: media that is quarantined already is told on the stream of such changes (update
 * flag_existing_quarantined_media), by a process that may write it. */
#include "updates/updates.h"

#include <ganglion/matrix/json.h>

enum { TRIES = 5 }; /* as often as gg_db_txn runs a body */

/* Local media first ('' as the server), then others'; one list, so that one key says how far it is. */
static const struct gg_stmt page = {
    "SELECT * FROM (SELECT ''::text AS origin, media_id FROM local_media_repository WHERE quarantined_by IS NOT NULL"
    " UNION ALL SELECT media_origin, media_id FROM remote_media_cache WHERE quarantined_by IS NOT NULL) q"
    " WHERE (origin, media_id) > ($1, $2) ORDER BY origin, media_id LIMIT $3", GG_LANE_SCAN};
static const struct gg_stmt tell = {
    "INSERT INTO quarantined_media_changes (stream_id, instance_name, origin, media_id, quarantined)"
    " SELECT id, $4, NULLIF(origin, ''), media, true FROM unnest($1::bigint[], $2::text[], $3::text[]) u(id, origin, media)", 0};

struct turn {
    struct mx_update_step *step;
    struct gg_str *origins, *media;
    size_t n, tries;
    int64_t *ids[TRIES];
};

bool mx_update_may_tell_quarantined(const struct mx_server *server)
{
    return gg_stream_is_writer(server->quarantined_media);
}

static int note(struct gg_txn *txn, struct turn *t, struct gg_error *err)
{
    struct gg_buf json = GG_BUF_INIT;
    gg_buf_lit(&json, "{\"ganglion_origin\":");
    gg_buf_json_string(&json, t->origins[t->n - 1]);
    gg_buf_lit(&json, ",\"ganglion_media_id\":");
    gg_buf_json_string(&json, t->media[t->n - 1]);
    gg_buf_char(&json, '}');
    int rc = mx_update_note_json(txn, t->step, json.data, err);
    gg_buf_done(&json);
    return rc;
}

static int body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct turn *t = arg;
    struct mx_server *server = t->step->server;
    int64_t *ids = GG_NEW_ARRAY(t->step->arena, int64_t, t->n);
    int rc = gg_stream_allocate(server->quarantined_media, txn, t->n, ids, err);
    if (rc < 0)
        return rc;
    t->ids[t->tries++] = ids;
    rc = gg_txn_queue(txn, &tell,
                      GG_PARAMS(gg_p_i64s(ids, t->n), gg_p_texts(t->origins, t->n), gg_p_texts(t->media, t->n),
                                gg_p_text(gg_host_instance(server->host))),
                      err);
    return rc == 0 ? note(txn, t, err) : rc;
}

static struct gg_fetched *stream_rows(const struct turn *t, const int64_t *ids)
{
    struct gg_fetched *rows = GG_NEW_ARRAY(t->step->arena, struct gg_fetched, t->n);
    for (size_t i = 0; i < t->n; i++) {
        struct gg_buf row = GG_BUF_INIT;
        gg_buf_char(&row, '[');
        if (t->origins[i].n > 0)
            gg_buf_json_string(&row, t->origins[i]);
        else
            gg_buf_lit(&row, "null");
        gg_buf_char(&row, ',');
        gg_buf_json_string(&row, t->media[i]);
        gg_buf_lit(&row, ",true]");
        rows[i] = (struct gg_fetched){ids[i], gg_arena_str(t->step->arena, gg_buf_view(&row))};
        gg_buf_done(&row);
    }
    return rows;
}

int mx_update_quarantined(struct mx_update_step *step, struct gg_error *err)
{
    struct gg_str origin = mx_update_progress(step, "ganglion_origin"), media = mx_update_progress(step, "ganglion_media_id");
    struct turn t = {.step = step};
    struct gg_rows *rows;
    int rc = gg_db_read(step->server->db, &page,
                        GG_PARAMS(gg_p_str(origin.s != NULL ? origin : GG_STR("")),
                                  gg_p_str(media.s != NULL ? media : GG_STR("")), gg_p_i64(step->batch)),
                        step->arena, &rows, err);
    if (rc < 0 || gg_rows_count(rows) == 0)
        return rc < 0 ? rc : mx_update_end(step, err);
    t.n = gg_rows_count(rows);
    t.origins = GG_NEW_ARRAY(step->arena, struct gg_str, t.n);
    t.media = GG_NEW_ARRAY(step->arena, struct gg_str, t.n);
    for (size_t i = 0; i < t.n; i++) {
        t.origins[i] = gg_rows_str(rows, i, 0);
        t.media[i] = gg_rows_str(rows, i, 1);
    }
    step->items = (int64_t)t.n;
    rc = gg_db_txn(step->server->db, "quarantined_media", 0, body, &t, err);
    for (size_t i = 0; i < t.tries; i++) {
        bool written = gg_maybe_committed(rc) && i == t.tries - 1;
        gg_stream_finish_rows(step->server->quarantined_media, t.ids[i], t.n, written ? stream_rows(&t, t.ids[i]) : NULL,
                              written ? t.n : 0);
    }
    return rc;
}
