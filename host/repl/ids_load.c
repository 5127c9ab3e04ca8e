/* host/repl/ids_load.c: where all streams stand when the process starts, and whether the database agrees with itself.
 *
 * One transaction on one connection, READ COMMITTED: what is read later is not
 * older. A table is read before its sequence, so that a writer at work does not
 * look like a sequence that is behind. */
#include "repl/ids_internal.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.repl.ids"};

/* Runs of ids that are read at start; beyond them a gap closes by positions alone. */
#define MAX_ISLANDS "4096"

static const struct gg_stmt position_rows = {
    "SELECT instance_name, abs(stream_id) FROM stream_positions WHERE stream_name = $1", 0};
static const struct gg_stmt remove_unknown = {
    "DELETE FROM stream_positions WHERE stream_name = $1 AND instance_name <> ALL ($2::text[])", 0};
static const struct gg_stmt set_sequence = {"SELECT setval($1::text::regclass, $2::bigint)", 0};

struct loading {
    struct gg_streams *streams;
    struct gg_txn *txn;
    struct gg_arena *arena;
    struct gg_error *err;
};

/* What was found about one stream. */
struct found {
    struct gg_rows **tables; /* the highest id of each */
    struct gg_rows *positions, *sequence, *islands;
    int64_t top, last;       /* of the tables, of the sequence */
};

static const struct gg_stmt *make_stmt(struct loading *l, const char *sql)
{
    /* In the streams' own arena: connections remember statements by address. */
    struct gg_stmt *stmt = GG_NEW(l->streams->arena, struct gg_stmt);
    stmt->sql = sql;
    return stmt;
}

static int queue(struct loading *l, const char *sql, struct gg_rows **rows_out)
{
    return gg_txn_queue_rows(l->txn, make_stmt(l, sql), GG_NO_PARAMS, l->arena, rows_out, l->err);
}

static size_t count_tables(const struct gg_stream *stream)
{
    size_t n = 0;
    while (stream->def.tables && stream->def.tables[n].table)
        n++;
    return n;
}

/* ---- first round: tables, positions, sequence ---- */

static int ask(struct loading *l, const struct gg_stream *stream, struct found *f)
{
    const char *sign = stream->def.negative ? "-min" : "max";
    size_t n = count_tables(stream);
    int rc = 0;
    f->tables = GG_NEW_ARRAY(l->arena, struct gg_rows *, n + 1);
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct gg_stream_table *t = &stream->def.tables[i];
        rc = queue(l, gg_arena_printf(l->streams->arena, "SELECT greatest(%s(%s), 0)::bigint FROM %s", sign,
                                      t->id_column, t->table),
                   &f->tables[i]);
    }
    if (rc == 0 && stream->def.position_name)
        rc = gg_txn_queue_rows(l->txn, &position_rows, GG_PARAMS(gg_p_text(stream->def.position_name)), l->arena,
                               &f->positions, l->err);
    if (rc == 0)
        rc = queue(l, gg_arena_printf(l->streams->arena,
                                      "SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM %s",
                                      stream->def.sequence),
                   &f->sequence);
    return rc;
}

/* ---- checks ---- */

static int mend_sequence(struct loading *l, const struct gg_stream *stream, struct found *f)
{
    gg_warn(&logger, "the sequence %s was at %lld, behind the tables of %s at %lld: moved", stream->def.sequence,
            (long long)f->last, stream->def.name, (long long)f->top);
    f->last = f->top;
    return gg_txn_queue(l->txn, &set_sequence, GG_PARAMS(gg_p_text(stream->def.sequence), gg_p_i64(f->top)), l->err);
}

static int check(struct loading *l, const struct gg_stream *stream, struct found *f)
{
    int rc = 0;
    f->last = gg_rows_i64(f->sequence, 0, 0);
    for (size_t i = 0; i < count_tables(stream); i++) {
        int64_t top = gg_rows_i64(f->tables[i], 0, 0);
        f->top = top > f->top ? top : f->top;
    }
    if (f->top > f->last)
        rc = mend_sequence(l, stream, f);
    for (size_t i = 0; rc == 0 && f->positions && i < gg_rows_count(f->positions); i++) {
        int64_t at = gg_rows_i64(f->positions, i, 1);
        if (at > f->last)
            rc = gg_fail(l->err, GG_E_CONFLICT,
                         "stream_positions has %s of %.64s at %lld, but the sequence %s is only at %lld: the database "
                         "contradicts itself (restored in parts?)",
                         stream->def.position_name, gg_rows_str(f->positions, i, 0).s, (long long)at,
                         stream->def.sequence, (long long)f->last);
    }
    return rc;
}

static int remove_strangers(struct loading *l, const struct gg_stream *stream)
{
    if (!stream->def.position_name || stream->everybody)
        return 0;
    struct gg_str *names = GG_NEW_ARRAY(l->arena, struct gg_str, stream->n_writers + 1);
    for (size_t i = 0; i < stream->n_writers; i++)
        names[i] = gg_str(stream->writers[i]);
    return gg_txn_queue(l->txn, &remove_unknown,
                        GG_PARAMS(gg_p_text(stream->def.position_name), gg_p_texts(names, stream->n_writers)), l->err);
}

/* ---- positions ---- */

static void set_positions(struct gg_stream *stream, const struct found *f)
{
    struct gg_ids *ids = &stream->ids;
    int64_t low = INT64_MAX;
    for (size_t i = 0; f->positions && i < gg_rows_count(f->positions); i++) {
        struct gg_writer *w = (struct gg_writer *)gg_ids_find(ids, gg_rows_str(f->positions, i, 0).s);
        if (w && w->configured) {
            w->pos = gg_rows_i64(f->positions, i, 1);
            w->known = true;
        }
    }
    if (ids->me && !stream->everybody) { /* nobody else draws ids for us, so all that was drawn is done */
        ids->me->pos = f->last;
        ids->me->known = true;
    }
    for (size_t i = 0; i < ids->n_writers; i++) {
        if (ids->writers[i]->known && ids->writers[i]->pos < low)
            low = ids->writers[i]->pos;
    }
    ids->upto = low != INT64_MAX ? low : f->top > 1 ? f->top : 1;
}

/* ---- second round: ids above the lowest position, as runs ---- */

static void add_source(struct gg_buf *sql, const struct gg_stream *stream, const struct gg_stream_table *t, bool first)
{
    const char *minus = stream->def.negative ? "-" : "";
    gg_buf_printf(sql, "%sSELECT (%s%s)::bigint AS id, ", first ? "" : " UNION ALL ", minus, t->id_column);
    if (t->instance_column)
        gg_buf_printf(sql, "coalesce(%s, 'master') = $2", t->instance_column);
    else
        gg_buf_printf(sql, "false");
    gg_buf_printf(sql, " AS mine FROM %s WHERE %s %s $1::bigint", t->table, t->id_column,
                  stream->def.negative ? "<=" : ">=");
}

static int ask_islands(struct loading *l, const struct gg_stream *stream, struct found *f)
{
    struct gg_buf sql = GG_BUF_INIT;
    size_t n = count_tables(stream);
    if (n == 0)
        return 0;
    gg_buf_printf(&sql, "WITH ids AS (SELECT id, bool_or(mine) AS mine FROM (");
    for (size_t i = 0; i < n; i++)
        add_source(&sql, stream, &stream->def.tables[i], i == 0);
    gg_buf_printf(&sql, ") AS rows GROUP BY id), runs AS (SELECT id, mine, id - row_number() OVER (ORDER BY id) AS run"
                        " FROM ids) SELECT min(id), max(id), max(id) FILTER (WHERE mine AND $2::text <> '')"
                        " FROM runs GROUP BY run ORDER BY 1 LIMIT " MAX_ISLANDS);
    const struct gg_stmt *stmt = make_stmt(l, gg_arena_strdup(l->streams->arena, sql.data));
    gg_buf_done(&sql);
    int64_t from = stream->def.negative ? -stream->ids.upto : stream->ids.upto;
    return gg_txn_queue_rows(l->txn, stmt, GG_PARAMS(gg_p_i64(from), gg_p_text(l->streams->options.instance)),
                             l->arena, &f->islands, l->err);
}

static void settle(struct gg_stream *stream, const struct found *f)
{
    struct gg_ids *ids = &stream->ids;
    for (size_t i = 0; f->islands && i < gg_rows_count(f->islands); i++) {
        int64_t mine = gg_rows_i64(f->islands, i, 2);
        if (ids->me && ids->me->known && mine > ids->me->pos)
            ids->me->pos = mine;
        gg_ids_persisted(ids, gg_rows_i64(f->islands, i, 0), gg_rows_i64(f->islands, i, 1));
    }
    ids->max_seen = ids->upto > ids->max_seen ? ids->upto : ids->max_seen;
    for (size_t i = 0; i < ids->n_writers; i++) {
        struct gg_writer *w = ids->writers[i];
        if (!w->known)
            w->pos = ids->upto;
        w->known = true;
        ids->max_seen = w->pos > ids->max_seen ? w->pos : ids->max_seen;
    }
    ids->local_max = ids->max_seen;
    stream->handed.hole = ids->local_max;
    stream->handed.told = gg_stream_minimal_local(stream);
}

/* ---- all of it ---- */

static GG_YIELDS int load_all(struct loading *l, struct found *found)
{
    struct gg_streams *s = l->streams;
    int rc = 0;
    for (size_t i = 0; i < s->n && rc == 0; i++)
        rc = s->at[i]->def.sequence ? ask(l, s->at[i], &found[i]) : 0;
    if (rc == 0)
        rc = gg_txn_flush(l->txn, l->err);
    for (size_t i = 0; i < s->n && rc == 0; i++) {
        if (!s->at[i]->def.sequence)
            continue;
        rc = check(l, s->at[i], &found[i]);
        if (rc == 0)
            rc = remove_strangers(l, s->at[i]);
        set_positions(s->at[i], &found[i]);
        if (rc == 0)
            rc = ask_islands(l, s->at[i], &found[i]);
    }
    return rc ? rc : gg_instances_load(s, l->txn, l->err);
}

static int load_body(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    struct gg_streams *streams = arg;
    struct loading l = {streams, txn, gg_arena_new(), err};
    struct found *found = GG_NEW_ARRAY(l.arena, struct found, streams->n + 1);
    int rc = load_all(&l, found);
    for (size_t i = 0; i < streams->n && rc == 0; i++) {
        if (streams->at[i]->def.sequence)
            settle(streams->at[i], &found[i]);
    }
    gg_arena_free(l.arena);
    return rc;
}

/* Streams in memory have a token of 0 until their writer says otherwise. */
static void start_in_memory(struct gg_stream *stream)
{
    for (size_t i = 0; i < stream->ids.n_writers; i++)
        stream->ids.writers[i]->known = true;
}

int gg_streams_load(struct gg_streams *streams, struct gg_db *db, struct gg_error *err)
{
    GG_ASSERT(!streams->loaded);
    int rc = gg_db_txn(db, "load_stream_positions", GG_TXN_READ_COMMITTED, load_body, streams, err);
    if (rc)
        return rc;
    for (size_t i = 0; i < streams->n; i++) {
        if (!streams->at[i]->def.sequence)
            start_in_memory(streams->at[i]);
    }
    streams->options.db = db;
    streams->loaded = true;
    return 0;
}
