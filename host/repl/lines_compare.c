/* repl/lines_compare.c: looks for lines that were lost.
 *
 * A line that never came leaves no trace until its writer says where it stands. So now and then our positions are
 * compared with what the database has; where it is ahead, and still is a moment later, the rows are read. While Redis
 * is away this alone keeps the streams moving. */
#include "repl/lines_internal.h"

#include "main/host.h"

#include <ganglion/log.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

/* Of the time between two rounds: how much shorter it is while Redis is away, and how long a line may be on its way. */
enum { AWAY_PART = 30, GRACE_PART = 15, BUSY_MS = 500 };

static const struct gg_stmt positions = {"SELECT stream_name, instance_name, abs(stream_id) FROM stream_positions",
                                         GG_LANE_SCAN};

struct suspect { /* somebody's position that the database has ahead of us */
    struct suspect *next;
    struct gg_line_stream *s;
    const char *instance;
    int64_t token;
};

struct comparing {
    struct gg_lines *lines;
    struct gg_arena *arena;
    struct suspect *suspects;
};

/* ---- asking the database ---- */

void gg_lines_prepare_compare(struct gg_line_stream *s)
{
    const struct gg_stream_def *def = gg_stream_def(s->stream);
    if (def->sequence == NULL || def->position_name != NULL || def->tables == NULL || def->tables[0].table == NULL ||
        def->tables[0].instance_column == NULL || def->negative)
        return;
    const struct gg_stream_table *t = &def->tables[0];
    s->highest.sql =
        gg_arena_printf(s->lines->arena, "SELECT %s, max(%s)::bigint FROM %s WHERE %s > $1::bigint GROUP BY 1",
                        t->instance_column, t->id_column, t->table, t->id_column);
    s->highest.lane = GG_LANE_SCAN;
    s->compared = gg_stream_upto(s->stream);
}

static void suspect(struct comparing *c, struct gg_line_stream *s, struct gg_str instance, int64_t token)
{
    if (instance.s == NULL || instance.n > GG_LINE_MAX_WORD || gg_str_is(instance, c->lines->host->instance) ||
        token <= gg_stream_current(s->stream, instance.s))
        return;
    struct suspect *suspect = GG_NEW(c->arena, struct suspect);
    *suspect = (struct suspect){c->suspects, s, instance.s, token};
    c->suspects = suspect;
}

static struct gg_line_stream *stream_of(struct gg_lines *lines, struct gg_str position_name)
{
    for (size_t i = 0; i < lines->n; i++) {
        const struct gg_stream_def *def = gg_stream_def(lines->all[i].stream);
        if (def->sequence != NULL && def->position_name != NULL && gg_str_is(position_name, def->position_name))
            return &lines->all[i];
    }
    return NULL;
}

static int ask_positions(struct comparing *c, struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(c->lines->host->db, &positions, GG_NO_PARAMS, c->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++) {
        struct gg_line_stream *s = stream_of(c->lines, gg_rows_str(rows, i, 0));
        if (s != NULL)
            suspect(c, s, gg_rows_str(rows, i, 1), gg_rows_i64(rows, i, 2));
    }
    return rc;
}

static int ask_highest(struct comparing *c, struct gg_line_stream *s, struct gg_error *err)
{
    struct gg_rows *rows;
    int64_t seen = gg_stream_max_seen(s->stream);
    int rc = gg_db_read(c->lines->host->db, &s->highest, GG_PARAMS(gg_p_i64(s->compared)), c->arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        suspect(c, s, gg_rows_str(rows, i, 0), gg_rows_i64(rows, i, 1));
    if (rc == 0) /* what committed late below it is found by its writer's next row */
        s->compared = seen;
    return rc;
}

/* ---- judging ---- */

static bool still_behind(const struct suspect *suspect)
{
    return gg_stream_current(suspect->s->stream, suspect->instance) < suspect->token;
}

/* Rows of another writer may be under way; what stays busy for longer is looked at in the next round. */
static GG_YIELDS int wait_while_busy(const struct suspect *suspect)
{
    int64_t deadline = gg_deadline(BUSY_MS);
    int rc = 0;
    while (rc == 0 && suspect->s->busy && gg_now_ms() < deadline)
        rc = gg_sleep(BUSY_MS / 100);
    return rc;
}

static void heal(struct gg_lines *lines, const struct suspect *suspect)
{
    if (gg_lines_connected(lines))
        gg_info(&logger, "no line told that %s of %s is at %lld; reading from %lld", gg_stream_def(suspect->s->stream)->name,
                suspect->instance, (long long)suspect->token,
                (long long)gg_stream_current(suspect->s->stream, suspect->instance));
    gg_lines_heal(suspect->s, gg_str(suspect->instance), suspect->token);
}

static int compare(struct comparing *c, struct gg_error *err)
{
    int rc = ask_positions(c, err);
    for (size_t i = 0; rc == 0 && i < c->lines->n; i++)
        if (c->lines->all[i].highest.sql != NULL)
            rc = ask_highest(c, &c->lines->all[i], err);
    if (rc == 0 && c->suspects != NULL && gg_lines_connected(c->lines)) /* a line may be on its way */
        rc = gg_sleep(c->lines->compare_ms / GRACE_PART);
    for (const struct suspect *suspect = c->suspects; rc == 0 && suspect != NULL; suspect = suspect->next) {
        rc = wait_while_busy(suspect);
        if (rc == 0 && still_behind(suspect))
            heal(c->lines, suspect);
    }
    return rc;
}

void gg_lines_compare_main(void *arg)
{
    struct gg_lines *lines = arg;
    while (gg_sleep(gg_lines_connected(lines) ? lines->compare_ms : lines->compare_ms / AWAY_PART) == 0) {
        struct gg_error err = GG_ERROR_INIT;
        struct comparing c = {lines, gg_arena_new(), NULL};
        if (compare(&c, &err) != 0 && !gg_cancelled())
            gg_debug(&logger, "comparing positions: %s", err.message);
        gg_arena_free(c.arena);
    }
}
