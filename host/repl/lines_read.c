/* repl/lines_read.c: RDATA and POSITION of others (facts replication 4.2).
 *
 * What needs no read is done at once, on the loop. Whether we have all rows of a stream so far is kept for each of its
 * writers: two of them may not stand in for each other. */
#include "repl/lines_internal.h"

#include "main/host.h"

#include <ganglion/log.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { MAX_WRITERS = 2000, MAX_BATCH_ROWS = 100000, MAX_BATCH_BYTES = 64 << 20 };

/* ---- writers and their batches ---- */

static struct gg_line_writer *writer_of(struct gg_line_stream *s, struct gg_str name)
{
    GG_LIST_EACH (link, &s->writers) {
        struct gg_line_writer *writer = GG_CONTAINER(link, struct gg_line_writer, link);
        if (gg_str_is(name, writer->name))
            return writer;
    }
    if (s->n_writers == MAX_WRITERS)
        return NULL;
    struct gg_line_writer *writer = calloc(1, sizeof(*writer) + name.n + 1);
    GG_ASSERT(writer != NULL);
    memcpy(writer->name, name.s, name.n);
    gg_list_push(&s->writers, &writer->link);
    s->n_writers++;
    return writer;
}

void gg_lines_drop_batch(struct gg_line_writer *writer)
{
    gg_arena_free(writer->arena);
    writer->arena = NULL;
    writer->rows = NULL;
    writer->n = writer->cap = 0;
}

static void grow(struct gg_line_writer *writer)
{
    size_t cap = writer->cap != 0 ? writer->cap * 2 : 16;
    struct gg_row *rows = GG_NEW_ARRAY(writer->arena, struct gg_row, cap);
    if (writer->n > 0)
        memcpy(rows, writer->rows, writer->n * sizeof(*rows));
    writer->rows = rows;
    writer->cap = cap;
}

/* False: too much to keep; the rows are to be read from the database in place. */
static bool batch_add(struct gg_line_writer *writer, struct gg_str row)
{
    if (writer->arena == NULL)
        writer->arena = gg_arena_new();
    if (writer->n == MAX_BATCH_ROWS || gg_arena_used(writer->arena) + row.n > MAX_BATCH_BYTES) {
        gg_lines_drop_batch(writer);
        return false;
    }
    if (writer->n == writer->cap)
        grow(writer);
    writer->rows[writer->n++] = (struct gg_row){writer->name, 0, gg_arena_str(writer->arena, row)};
    return true;
}

/* ---- RDATA ---- */

static bool is_news(const struct gg_line_stream *s, const char *writer, int64_t token)
{
    return token > gg_stream_current(s->stream, writer) || gg_stream_def(s->stream)->may_go_back;
}

static void take_rows(struct gg_line_stream *s, struct gg_line_writer *writer, const struct gg_line *line)
{
    struct gg_row alone = {writer->name, line->token, line->row}, *rows = &alone;
    size_t n = 1;
    if (writer->n > 0) {
        (void)batch_add(writer, line->row);
        rows = writer->rows;
        n = writer->n;
    }
    for (size_t i = 0; i < n; i++)
        rows[i].token = line->token;
    if (is_news(s, writer->name, line->token))
        gg_stream_take(s->stream, writer->name, line->token, rows, n);
    gg_lines_drop_batch(writer);
}

static bool is_in_database(const struct gg_line_stream *s)
{
    const struct gg_stream_def *def = gg_stream_def(s->stream);
    return def->sequence != NULL && def->fetch != NULL;
}

/* A row that does not follow on what we have. False: rows are fetched. */
static bool take_loose_row(struct gg_line_stream *s, struct gg_line_writer *writer, const struct gg_line *line)
{
    gg_lines_drop_batch(writer);
    /* A POSITION comes, and what it tells is fetched; but if that is lost, the table knows too. */
    if (line->batch || !is_in_database(s) || !is_news(s, writer->name, line->token))
        return true;
    gg_lines_catch_up(s, writer, gg_stream_current(s->stream, writer->name), line->token, true);
    return false;
}

/* False: rows are fetched. */
static bool take_rdata(struct gg_line_stream *s, struct gg_line_writer *writer, const struct gg_line *line)
{
    if (!writer->connected)
        return take_loose_row(s, writer, line);
    if (!line->batch)
        take_rows(s, writer, line);
    else if (!batch_add(writer, line->row))
        writer->connected = false;
    return true;
}

/* ---- POSITION ---- */

/* False: rows are fetched. */
static bool take_position(struct gg_line_stream *s, struct gg_line_writer *writer, const struct gg_line *line)
{
    bool back = gg_stream_def(s->stream)->may_go_back;
    int64_t current = gg_stream_current(s->stream, writer->name);
    if (writer->connected && line->token <= current && !back)
        return true;
    writer->connected = false;
    gg_lines_drop_batch(writer);
    if (line->prev <= current && current <= line->token)
        gg_stream_take(s->stream, writer->name, line->token, NULL, 0);
    else if (current <= line->token || back) { /* below: it went back, its memory began anew */
        gg_lines_catch_up(s, writer, current <= line->token ? current : 0, line->token, true);
        return false;
    }
    writer->connected = true;
    return true;
}

/* Nobody here wants the rows: only the position counts. */
static void skip_rows(struct gg_line_stream *s, const char *writer, const struct gg_line *line)
{
    if (!line->batch && is_news(s, writer, line->token))
        gg_stream_foreign(s->stream, writer, line->token, line->kind == GG_LINE_RDATA);
}

bool gg_lines_handle(struct gg_line_stream *s, const struct gg_line *line)
{
    struct gg_line_writer *writer = writer_of(s, line->instance);
    if (writer == NULL) {
        gg_lines_complain(s->lines, "too many writers", line->instance);
        return true;
    }
    if (!gg_stream_followed(s->stream)) {
        skip_rows(s, writer->name, line);
        return true;
    }
    return line->kind == GG_LINE_RDATA ? take_rdata(s, writer, line) : take_position(s, writer, line);
}

/* ---- one line ---- */

static struct gg_line_stream *find_stream(struct gg_lines *lines, struct gg_str name)
{
    for (size_t i = 0; i < lines->n; i++)
        if (gg_str_is(name, gg_stream_def(lines->all[i].stream)->name))
            return &lines->all[i];
    return NULL;
}

/* Our own lines come back. One that we did not say is of a second process with our name. */
static void judge_own(struct gg_lines *lines, const struct gg_line_stream *s, struct gg_str text,
                      const struct gg_line *line)
{
    if (!lines->announcing) {
        lines->twin = true;
        gg_cond_broadcast(&lines->came);
    } else if (line->token > gg_stream_current(s->stream, lines->host->instance)) {
        gg_lines_complain(lines, "another process uses our name", text);
    }
}

void gg_lines_read(struct gg_lines *lines, struct gg_str text, const struct gg_line *line)
{
    struct gg_line_stream *s = find_stream(lines, line->stream);
    if (s == NULL)
        gg_debug(&logger, "a line of the unknown stream %.*s", GG_FMT(line->stream));
    else if (gg_str_is(line->instance, lines->host->instance))
        judge_own(lines, s, text, line);
    else if (s->busy)
        gg_lines_wait_its_turn(s, text);
    else
        (void)gg_lines_handle(s, line);
}

/* ---- without a line ---- */

void gg_lines_heal(struct gg_line_stream *s, struct gg_str name, int64_t token)
{
    struct gg_line_writer *writer = writer_of(s, name);
    if (writer == NULL || s->busy)
        return;
    if (!gg_stream_followed(s->stream))
        gg_stream_foreign(s->stream, writer->name, token, false);
    else /* of rows above token lines may have been lost, too: the next line does not follow on these */
        gg_lines_catch_up(s, writer, gg_stream_current(s->stream, writer->name), token, false);
}

void gg_lines_forget_writers(struct gg_line_stream *s)
{
    gg_lines_drop_queue(s);
    s->epoch++;
    GG_LIST_EACH (link, &s->writers) {
        struct gg_line_writer *writer = GG_CONTAINER(link, struct gg_line_writer, link);
        writer->connected = false;
        gg_lines_drop_batch(writer);
    }
}

void gg_lines_forget_connections(struct gg_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++)
        gg_lines_forget_writers(&lines->all[i]);
}
