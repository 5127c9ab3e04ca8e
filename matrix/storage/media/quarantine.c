/* quarantine.c: quarantined_by of both tables of media, and the rows that tell of it. */
#include "storage/media/quarantine.h"

#include "userdata/streams.h"

enum { TRIES = 5 }; /* as often as gg_db_txn runs a body */

struct change {
    struct mx_server *server;
    struct gg_arena *arena;
    const struct mx_media_set *set;
    struct gg_str by;
    int64_t *ids[TRIES];
    size_t n[TRIES], tries;
    struct gg_fetched *rows; /* of the last try */
};

/* Content is told by its hash: whatever equals what is named goes with it. What is protected neither goes nor takes others with it. */
#define QUARANTINE(which_)                                                                                                  \
    "WITH named AS (SELECT * FROM unnest($2::text[], $3::text[]) AS n (origin, id)), ours AS (SELECT media_id, sha256 FROM"    \
    " local_media_repository WHERE media_id = ANY($1::text[])" which_ "), theirs AS (SELECT r.media_origin, r.media_id,"       \
    " r.sha256 FROM remote_media_cache r JOIN named n ON r.media_origin = n.origin AND r.media_id = n.id), hashes AS (SELECT"   \
    " sha256 FROM ours WHERE sha256 IS NOT NULL UNION SELECT sha256 FROM theirs WHERE sha256 IS NOT NULL), our_all AS (SELECT"   \
    " media_id FROM ours UNION SELECT m.media_id FROM local_media_repository m JOIN hashes h ON m.sha256 = h.sha256),"           \
    " their_all AS (SELECT media_origin, media_id FROM theirs UNION SELECT r.media_origin, r.media_id FROM remote_media_cache r"  \
    " JOIN hashes h ON r.sha256 = h.sha256), our_changed AS (UPDATE local_media_repository SET quarantined_by = $4 WHERE"        \
    " media_id IN (SELECT media_id FROM our_all)" which_ " RETURNING media_id), their_changed AS (UPDATE remote_media_cache SET"  \
    " quarantined_by = $4 WHERE (media_origin, media_id) IN (SELECT media_origin, media_id FROM their_all) RETURNING"            \
    " media_origin, media_id) SELECT NULL::text, media_id FROM our_changed UNION ALL SELECT media_origin, media_id FROM"         \
    " their_changed"
static const struct gg_stmt enter = {QUARANTINE(" AND NOT safe_from_quarantine")};
static const struct gg_stmt leave = {QUARANTINE("")};
static const struct gg_stmt tell = {
    "INSERT INTO quarantined_media_changes (stream_id, instance_name, origin, media_id, quarantined) SELECT id, $4::text, origin,"
    " media_id, $5::boolean FROM unnest($1::bigint[], $2::text[], $3::text[]) AS t (id, origin, media_id)"};

static struct gg_fetched row_of(struct change *c, int64_t id, struct gg_str origin, struct gg_str media_id)
{
    struct gg_buf row = GG_BUF_INIT;
    gg_buf_char(&row, '[');
    if (origin.s != NULL)
        gg_buf_json_string(&row, origin);
    else
        gg_buf_lit(&row, "null");
    gg_buf_char(&row, ',');
    gg_buf_json_string(&row, media_id);
    gg_buf_printf(&row, ",%s]", c->by.s != NULL ? "true" : "false");
    struct gg_fetched one = {id, gg_arena_str(c->arena, gg_buf_view(&row))};
    gg_buf_done(&row);
    return one;
}

static int tell_all(struct gg_txn *txn, struct change *c, const struct gg_rows *rows, size_t n, struct gg_error *err)
{
    int64_t *ids = GG_NEW_ARRAY(c->arena, int64_t, n);
    struct gg_str *origins = GG_NEW_ARRAY(c->arena, struct gg_str, n), *media = GG_NEW_ARRAY(c->arena, struct gg_str, n);
    int rc = gg_stream_allocate(c->server->quarantined_media, txn, n, ids, err);
    if (rc != 0)
        return rc;
    c->ids[c->tries - 1] = ids;
    c->n[c->tries - 1] = n;
    c->rows = GG_NEW_ARRAY(c->arena, struct gg_fetched, n);
    for (size_t i = 0; i < n; i++) {
        origins[i] = gg_rows_str(rows, i, 0);
        media[i] = gg_rows_str(rows, i, 1);
        c->rows[i] = row_of(c, ids[i], origins[i], media[i]);
    }
    return gg_txn_queue(txn, &tell,
                        GG_PARAMS(gg_p_i64s(ids, n), gg_p_texts(origins, n), gg_p_texts(media, n),
                                  gg_p_text(gg_host_instance(c->server->host)), gg_p_bool(c->by.s != NULL)),
                        err);
}

static int change_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct change *c = arg;
    struct gg_rows *rows;
    c->tries++;
    int rc = gg_txn_exec(txn, c->by.s != NULL ? &enter : &leave,
                         GG_PARAMS(gg_p_texts(c->set->local_ids, c->set->n_local), gg_p_texts(c->set->origins, c->set->n_remote),
                                   gg_p_texts(c->set->remote_ids, c->set->n_remote), gg_p_str(c->by)),
                         c->arena, &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    return n > 0 ? tell_all(txn, c, rows, n, err) : rc;
}

int mx_quarantine_write(struct mx_server *server, const struct mx_media_set *set, struct gg_str by, int64_t *n_out,
                        struct gg_error *err)
{
    struct change c = {.server = server, .arena = gg_arena_new(), .set = set, .by = by};
    int rc = gg_db_txn(server->db, "quarantine", 0, change_body, &c, err);
    *n_out = 0;
    for (size_t i = 0; i < c.tries && i < TRIES; i++) {
        bool written = gg_maybe_committed(rc) && i == c.tries - 1;
        if (c.n[i] > 0)
            gg_stream_finish_rows(server->quarantined_media, c.ids[i], c.n[i], c.rows, written ? c.n[i] : 0);
        *n_out = written ? (int64_t)c.n[i] : 0;
    }
    gg_arena_free(c.arena);
    return rc;
}

/* ---- reading ---- */

static const struct gg_stmt select_changes = {
    "SELECT coalesce(json_agg(json_build_object('origin', coalesce(origin, $4::text), 'media_id', media_id, 'quarantined',"
    " quarantined) ORDER BY stream_id), '[]')::text, count(*), coalesce(max(stream_id), 0)::bigint FROM (SELECT * FROM"
    " quarantined_media_changes WHERE stream_id > $1 AND stream_id <= $2 ORDER BY stream_id LIMIT $3) c", GG_LANE_SCAN};

int mx_quarantine_changes(struct mx_server *server, int64_t from, int64_t to, int64_t limit, struct gg_arena *arena,
                          struct gg_str *json_out, int64_t *reached_out, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_changes,
                        GG_PARAMS(gg_p_i64(from), gg_p_i64(to), gg_p_i64(limit), gg_p_text(server->name)), arena, &rows, err);
    if (rc != 0)
        return rc;
    *json_out = gg_rows_str(rows, 0, 0);
    *reached_out = gg_rows_i64(rows, 0, 1) < limit ? to : gg_rows_i64(rows, 0, 2);
    return 0;
}

static const struct gg_stmt select_stream = {
    "SELECT stream_id::bigint, origin, media_id, quarantined::text FROM quarantined_media_changes WHERE stream_id > $1 AND"
    " stream_id <= $2 ORDER BY stream_id LIMIT $3", GG_LANE_SCAN};

int mx_quarantine_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                        struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    return mx_fetch_rows(self, &select_stream, "ttj", from, to, limit, arena, out, n_out, reached, err);
}
