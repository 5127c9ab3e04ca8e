/* repl/lines_announce.c: what this process has written, told to the others (facts replication 4.1).
 *
 * Runs at the end of a turn of the loop, so that many commits of one turn leave in one write. Rows that a writer handed
 * over are sent as they are; others are read from the stream's source by a fiber. */
#include "repl/lines.h"

#include "main/host.h"

#include <ganglion/log.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { FETCH_LIMIT = 100, RETRY_MS = 1000 };

static void say_position(struct gg_lines *lines, const struct gg_line_stream *s, int64_t from, int64_t to)
{
    struct gg_buf rest = GG_BUF_INIT;
    gg_buf_printf(&rest, "%s %s %lld %lld", gg_stream_def(s->stream)->name, lines->host->instance, (long long)from, (long long)to);
    gg_repl_send(lines->host, "POSITION", gg_buf_view(&rest));
    gg_buf_done(&rest);
}

/* All but the last row of equal tokens say "batch": a reader applies them together. */
static void say_rows(struct gg_lines *lines, const struct gg_line_stream *s, const struct gg_fetched *rows, size_t n)
{
    struct gg_buf rest = GG_BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        gg_buf_clear(&rest);
        gg_buf_printf(&rest, "%s %s ", gg_stream_def(s->stream)->name, lines->host->instance);
        if (i + 1 < n && rows[i + 1].token == rows[i].token)
            gg_buf_lit(&rest, "batch");
        else
            gg_buf_i64(&rest, rows[i].token);
        gg_buf_char(&rest, ' ');
        gg_buf_str(&rest, rows[i].row);
        gg_repl_send(lines->host, "RDATA", gg_buf_view(&rest));
    }
    gg_buf_done(&rest);
}

/* Rows up to `reached`, and where they leave us. */
static void say(struct gg_lines *lines, struct gg_line_stream *s, const struct gg_fetched *rows, size_t n, int64_t reached)
{
    const struct gg_stream_def *def = gg_stream_def(s->stream);
    /* A stream that everybody writes moves by everybody's rows: to echo each would never end. */
    bool everybody = def->writers_key != NULL && def->writers_key[0] == '*';
    if (n > 0) {
        say_rows(lines, s, rows, n);
        if (rows[n - 1].token < reached)
            say_position(lines, s, rows[n - 1].token, reached);
    } else if (!everybody || gg_stream_allocated_since(s->stream, s->last)) {
        say_position(lines, s, s->last, reached);
    }
    s->last = reached;
    gg_stream_forget_handed(s->stream, reached);
}

static bool due(const struct gg_lines *lines, const struct gg_line_stream *s)
{
    return gg_stream_is_writer(s->stream) && gg_stream_current(s->stream, lines->host->instance) != s->last;
}

/* Says what can be said without a read. False: rows must be read. */
static bool say_at_once(struct gg_lines *lines, struct gg_line_stream *s)
{
    int64_t current = gg_stream_current(s->stream, lines->host->instance);
    const struct gg_fetched *rows;
    size_t n;
    if (current < s->last) {
        s->last = current; /* an in-memory stream that began anew */
        return true;
    }
    if (gg_stream_minimal_local(s->stream) <= s->last) {
        say(lines, s, NULL, 0, current);
        return true;
    }
    if (!gg_stream_handed(s->stream, s->last, current, &rows, &n))
        return false;
    say(lines, s, rows, n, current);
    return true;
}

static int read_and_say(struct gg_lines *lines, struct gg_line_stream *s, struct gg_error *err)
{
    const struct gg_stream_def *def = gg_stream_def(s->stream);
    int64_t current = gg_stream_current(s->stream, lines->host->instance), reached = current;
    struct gg_arena *arena = gg_arena_new();
    struct gg_fetched *rows = NULL;
    size_t n = 0;
    int rc = def->fetch == NULL ? 0 : def->fetch(gg_stream_self(s->stream), s->stream, lines->host->instance, s->last, current,
                                                 FETCH_LIMIT, arena, &rows, &n, &reached, err);
    if (rc == 0 && lines->started)
        say(lines, s, rows, n, reached);
    gg_arena_free(arena);
    return rc;
}

static void fetch_and_say(void *arg)
{
    struct gg_lines *lines = arg;
    for (size_t i = 0; i < lines->n && !gg_cancelled();) {
        struct gg_line_stream *s = &lines->all[i];
        struct gg_error err = GG_ERROR_INIT;
        if (!due(lines, s) || !gg_lines_connected(lines->host) || say_at_once(lines, s)) {
            i++;
            continue;
        }
        if (read_and_say(lines, s, &err) == 0)
            continue;
        gg_warn(&logger, "reading the stream %s to announce it: %s; trying on", gg_stream_def(s->stream)->name, err.message);
        if (gg_sleep(RETRY_MS) != 0)
            break;
    }
    lines->fetching = false;
    gg_lines_poke(lines);
}

static void at_turn_end(void *arg)
{
    struct gg_lines *lines = arg;
    bool must_read = false;
    lines->turn_due = false;
    if (!lines->started)
        return;
    bool connected = lines->redis != NULL && gg_lines_connected(lines->host);
    for (size_t i = 0; i < lines->n; i++) {
        struct gg_line_stream *s = &lines->all[i];
        if (!due(lines, s) && !lines->announce_due)
            continue;
        if (!gg_stream_is_writer(s->stream))
            continue;
        if (!connected) { /* what nobody can hear is told by the POSITION after the reconnect */
            s->last = gg_stream_current(s->stream, lines->host->instance);
            gg_stream_forget_handed(s->stream, s->last);
            continue;
        }
        if (lines->announce_due)
            say_position(lines, s, s->last, s->last);
        if (due(lines, s) && !lines->fetching && !say_at_once(lines, s))
            must_read = true;
    }
    if (connected)
        lines->announce_due = false;
    if (must_read && !lines->fetching)
        lines->fetching = gg_spawn(lines->scope, "announce", fetch_and_say, lines) != NULL;
}

void gg_lines_poke(void *self)
{
    struct gg_lines *lines = self;
    if (lines->turn_due || !lines->started)
        return;
    lines->turn_due = true;
    gg_at_turn_end(at_turn_end, lines);
}

void gg_lines_announce_all(struct gg_lines *lines)
{
    lines->announce_due = true;
    gg_lines_poke(lines);
}
