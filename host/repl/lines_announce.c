/* repl/lines_announce.c: what this process has written, told to the others (facts replication 4.1).
 *
 * Runs at the end of a turn of the loop, so that many commits of one turn leave in one write. Rows that a writer handed
 * over are sent as they are; others are read from the stream's source by a fiber of the stream. */
#include "repl/lines_internal.h"

#include "main/host.h"

#include <ganglion/log.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { FETCH_LIMIT = 100, RETRY_MS = 1000 };

static bool writes(const struct gg_line_stream *s)
{
    return gg_stream_is_writer(s->stream) && !gg_stream_def(s->stream)->quiet;
}

static int64_t current_of(const struct gg_line_stream *s)
{
    return gg_stream_current(s->stream, s->lines->host->instance);
}

static bool due(const struct gg_line_stream *s)
{
    return writes(s) && current_of(s) != s->last;
}

/* ---- saying ---- */

static void publish(const struct gg_line_stream *s)
{
    struct gg_lines *lines = s->lines;
    gg_lines_publish(lines, gg_lines_channel_for(lines, gg_str(gg_stream_def(s->stream)->name)),
                     gg_buf_view(&lines->text));
}

static struct gg_buf *begin(const struct gg_line_stream *s, const char *command)
{
    struct gg_buf *text = &s->lines->text;
    gg_buf_clear(text);
    gg_buf_text(text, command);
    gg_buf_char(text, ' ');
    gg_buf_text(text, gg_stream_def(s->stream)->name);
    gg_buf_char(text, ' ');
    gg_buf_text(text, s->lines->host->instance);
    gg_buf_char(text, ' ');
    return text;
}

static void say_position(const struct gg_line_stream *s, int64_t from, int64_t to)
{
    struct gg_buf *text = begin(s, "POSITION");
    gg_buf_i64(text, from);
    gg_buf_char(text, ' ');
    gg_buf_i64(text, to);
    publish(s);
}

/* All but the last row of equal tokens say "batch": a reader applies them together. */
static void say_rows(const struct gg_line_stream *s, const struct gg_fetched *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct gg_buf *text = begin(s, "RDATA");
        if (i + 1 < n && rows[i + 1].token == rows[i].token)
            gg_buf_lit(text, "batch");
        else
            gg_buf_i64(text, rows[i].token);
        gg_buf_char(text, ' ');
        gg_buf_str(text, rows[i].row);
        publish(s);
    }
}

/* Rows of (last, reached], and where they leave us. */
static void say(struct gg_line_stream *s, const struct gg_fetched *rows, size_t n, int64_t reached)
{
    say_rows(s, rows, n);
    if (n > 0 && rows[n - 1].token < reached)
        say_position(s, rows[n - 1].token, reached);
    /* A stream that everybody writes moves by everybody's rows: to echo each would never end. */
    else if (n == 0 && (!s->everybody || gg_stream_allocated_since(s->stream, s->last)))
        say_position(s, s->last, reached);
    s->last = reached;
    gg_stream_forget_handed(s->stream, reached);
}

/* What nobody can hear is told by the POSITION after Redis has come back. */
static void skip(struct gg_line_stream *s)
{
    s->last = current_of(s);
    gg_stream_forget_handed(s->stream, s->last);
}

/* Says what can be said without a read. False: rows must be read. */
static bool say_at_once(struct gg_line_stream *s)
{
    const struct gg_fetched *rows;
    size_t n;
    int64_t current = current_of(s);
    if (gg_stream_minimal_local(s->stream) <= s->last) {
        say(s, NULL, 0, current);
        return true;
    }
    if (gg_stream_def(s->stream)->sequence == NULL || !gg_stream_handed(s->stream, s->last, current, &rows, &n))
        return false; /* in memory: its owner gives the rows */
    say(s, rows, n, current);
    return true;
}

/* ---- reading what was not handed over ---- */

static int read_and_say(struct gg_line_stream *s, struct gg_error *err)
{
    const struct gg_stream_def *def = gg_stream_def(s->stream);
    struct gg_arena *arena = gg_arena_new();
    struct gg_fetched *rows = NULL;
    int64_t current = current_of(s), reached = current;
    size_t n = 0;
    int rc = 0;
    if (def->fetch != NULL)
        rc = def->fetch(gg_stream_self(s->stream), s->stream, s->lines->host->instance, s->last, current, FETCH_LIMIT,
                        arena, &rows, &n, &reached, err);
    if (rc == 0 && n > 0 && rows[n - 1].token > reached)
        reached = rows[n - 1].token;
    if (rc == 0 && gg_lines_connected(s->lines))
        say(s, rows, n, reached > s->last ? reached : current);
    gg_arena_free(arena);
    return rc;
}

static void read_main(void *arg)
{
    struct gg_line_stream *s = arg;
    while (due(s) && !gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        if (!gg_lines_connected(s->lines))
            skip(s);
        else if (!say_at_once(s) && read_and_say(s, &err) != 0 && !gg_cancelled()) {
            gg_warn(&logger, "reading the stream %s to announce it: %s; trying on", gg_stream_def(s->stream)->name,
                    err.message);
            (void)gg_sleep(RETRY_MS);
        }
    }
    s->reading = false;
}

/* ---- at the end of a turn ---- */

static void run_stream(struct gg_line_stream *s, bool connected)
{
    if (s->lines->announce_due && connected)
        say_position(s, s->last, s->last);
    if (s->reading || !due(s))
        return;
    if (!connected)
        skip(s);
    else if (!say_at_once(s))
        s->reading = gg_spawn(s->lines->scope, "announce", read_main, s) != NULL;
}

static void at_turn_end(void *arg)
{
    struct gg_lines *lines = arg;
    bool connected = gg_lines_connected(lines);
    lines->turn_due = false;
    if (!lines->announcing)
        return;
    for (size_t i = 0; i < lines->n; i++)
        if (writes(&lines->all[i]))
            run_stream(&lines->all[i], connected);
    lines->announce_due = false; /* away: when Redis is back it is due again */
}

void gg_lines_poke(void *self)
{
    struct gg_lines *lines = self;
    if (lines->turn_due || !lines->announcing)
        return;
    lines->turn_due = true;
    gg_at_turn_end(at_turn_end, lines);
}

void gg_lines_announce_all(struct gg_lines *lines)
{
    lines->announce_due = true;
    gg_lines_poke(lines);
}
