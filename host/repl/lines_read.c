/* repl/lines_read.c: RDATA and POSITION of others (facts replication 4.2).
 *
 * What needs no read is done at once, on the loop. When rows were missed, a fiber of the stream fetches them, and what
 * arrives meanwhile waits its turn in the stream's queue. */
#include "repl/lines.h"

#include "main/host.h"
#include "repl/calls.h"

#include <ganglion/log.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { MAX_QUEUED = 50000, MAX_BATCH = 100000, FETCH_LIMIT = 100, RETRY_MS = 1000 };

struct line {                /* a POSITION or RDATA that waits */
    struct gg_list link;
    size_t n;
    char text[];
};

struct batch {               /* rows of one writer whose token has not come yet */
    struct gg_list link;
    struct gg_arena *arena;
    struct gg_row *rows;
    size_t n, cap;
    char instance[];
};

/* ---- words ---- */

static struct gg_str word(struct gg_str *rest)
{
    const char *space = rest->n > 0 ? memchr(rest->s, ' ', rest->n) : NULL;
    struct gg_str w = gg_strn(rest->s, space != NULL ? (size_t)(space - rest->s) : rest->n);
    *rest = space != NULL ? gg_strn(space + 1, rest->n - w.n - 1) : gg_strn(rest->s + rest->n, 0);
    return w;
}

static bool number(struct gg_str text, int64_t *out)
{
    char copy[24], *end;
    if (text.n == 0 || text.n >= sizeof(copy))
        return false;
    memcpy(copy, text.s, text.n);
    copy[text.n] = '\0';
    *out = strtoll(copy, &end, 10);
    return *end == '\0';
}

/* ---- batches ---- */

static void batch_free(struct batch *batch)
{
    gg_list_remove(&batch->link);
    gg_arena_free(batch->arena);
    free(batch);
}

static void drop_batches(struct gg_line_stream *s)
{
    while (!gg_list_empty(&s->batches))
        batch_free(GG_CONTAINER(s->batches.next, struct batch, link));
}

static struct batch *batch_of(struct gg_line_stream *s, const char *instance, bool make)
{
    GG_LIST_EACH(link, &s->batches) {
        struct batch *batch = GG_CONTAINER(link, struct batch, link);
        if (strcmp(batch->instance, instance) == 0)
            return batch;
    }
    if (!make)
        return NULL;
    struct batch *batch = calloc(1, sizeof(*batch) + strlen(instance) + 1);
    GG_ASSERT(batch != NULL);
    strcpy(batch->instance, instance); /* fits: allocated for it */
    batch->arena = gg_arena_new();
    gg_list_push(&s->batches, &batch->link);
    return batch;
}

static void batch_add(struct batch *batch, struct gg_str row)
{
    if (batch->n == MAX_BATCH)
        return; /* absurd; the rows that are lost are read again by the next POSITION with a gap */
    if (batch->n == batch->cap) {
        size_t cap = batch->cap != 0 ? batch->cap * 2 : 16;
        struct gg_row *rows = GG_NEW_ARRAY(batch->arena, struct gg_row, cap);
        if (batch->n > 0)
            memcpy(rows, batch->rows, batch->n * sizeof(*rows));
        batch->rows = rows;
        batch->cap = cap;
    }
    batch->rows[batch->n++] = (struct gg_row){batch->instance, 0, gg_arena_str(batch->arena, row)};
}

/* ---- RDATA ---- */

static void take_rows(struct gg_line_stream *s, const char *instance, int64_t token, struct gg_str last)
{
    struct batch *batch = batch_of(s, instance, true);
    batch_add(batch, last);
    bool known = token <= gg_stream_current(s->stream, instance) && !gg_stream_def(s->stream)->may_go_back;
    for (size_t i = 0; i < batch->n; i++)
        batch->rows[i].token = token;
    if (!known)
        gg_stream_take(s->stream, instance, token, batch->rows, batch->n);
    batch_free(batch);
}

static void read_rdata(struct gg_line_stream *s, const char *instance, struct gg_str rest)
{
    struct gg_str token = word(&rest);
    int64_t value;
    if (!s->connected)
        return; /* a POSITION comes, and what it tells is fetched */
    if (gg_str_is(token, "batch"))
        batch_add(batch_of(s, instance, true), rest);
    else if (number(token, &value))
        take_rows(s, instance, value, rest);
    else
        gg_warn(&logger, "RDATA %s of %s has the token %.*s", gg_stream_def(s->stream)->name, instance, GG_FMT(token));
}

/* ---- POSITION ---- */

/* Does the POSITION say that rows were missed? What needs no fetch is done. */
static bool read_position(struct gg_line_stream *s, const char *instance, struct gg_str rest, int64_t *from, int64_t *to)
{
    struct gg_str prev_word = word(&rest), new_word = word(&rest);
    int64_t prev, next;
    if (!number(prev_word, &prev) || !number(new_word, &next))
        return false;
    bool back = gg_stream_def(s->stream)->may_go_back;
    int64_t current = gg_stream_current(s->stream, instance);
    if (s->connected && next <= current && !back)
        return false;
    s->connected = false;
    drop_batches(s);
    if (prev <= current && current <= next) {
        gg_stream_take(s->stream, instance, next, NULL, 0);
        s->connected = true;
        return false;
    }
    if (current > next && !back) { /* the writer is behind what we know of it: nothing to read */
        s->connected = true;
        return false;
    }
    *from = current <= next ? current : 0; /* it went back: its memory began anew */
    *to = next;
    return true;
}

static int fetch(struct gg_lines *lines, struct gg_line_stream *s, const char *instance, int64_t from, int64_t to,
                 struct gg_arena *arena, struct gg_fetched **rows, size_t *n, int64_t *reached, struct gg_error *err)
{
    const struct gg_stream_def *def = gg_stream_def(s->stream);
    if (def->sequence != NULL && def->fetch != NULL)
        return def->fetch(gg_stream_self(s->stream), s->stream, instance, from, to, FETCH_LIMIT, arena, rows, n, reached, err);
    if (def->sequence != NULL) { /* kept in the database, and nobody here reads its rows */
        *n = 0;
        *reached = to;
        return 0;
    }
    return gg_calls_fetch_stream(lines->host, instance, def->name, from, to, arena, rows, n, reached, err);
}

/* Applies rows grouped by token. Returns the last token. */
static void apply(struct gg_line_stream *s, const char *instance, const struct gg_fetched *rows, size_t n, struct gg_arena *arena)
{
    struct gg_row *group = GG_NEW_ARRAY(arena, struct gg_row, n + 1);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && rows[end].token == rows[i].token; end++)
            group[end - i] = (struct gg_row){instance, rows[end].token, rows[end].row};
        gg_stream_take(s->stream, instance, rows[i].token, group, end - i);
    }
}

/* Reads what was missed, however many tries it takes: until then the stream stays unconnected. */
static void catch_up(struct gg_lines *lines, struct gg_line_stream *s, const char *instance, int64_t from, int64_t to)
{
    const char *name = gg_stream_def(s->stream)->name;
    bool told = false;
    while (!gg_cancelled()) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct gg_fetched *rows;
        size_t n = 0;
        int64_t reached = from;
        int rc = fetch(lines, s, instance, from, to, arena, &rows, &n, &reached, &err);
        if (rc == 0)
            apply(s, instance, rows, n, arena);
        gg_arena_free(arena);
        if (rc == 0 && reached >= to)
            break;
        if (rc == 0) {
            from = reached;
            continue;
        }
        if (!told)
            gg_warn(&logger, "reading the stream %s of %s from %lld to %lld: %s; trying on", name, instance, (long long)from,
                    (long long)to, err.message);
        told = true;
        if (gg_sleep(RETRY_MS) != 0)
            return;
    }
    gg_stream_take(s->stream, instance, to, NULL, 0);
    s->connected = true;
}

/* ---- one line after the other ---- */

struct missed {
    struct gg_lines *lines;
    struct gg_line_stream *s;
    int64_t from, to;
    char instance[];
};

static bool handle(struct gg_lines *lines, struct gg_line_stream *s, struct gg_str line, struct missed **missed);

static void work_off(void *arg)
{
    struct missed *missed = arg;
    struct gg_lines *lines = missed->lines;
    struct gg_line_stream *s = missed->s;
    while (missed != NULL) {
        catch_up(lines, s, missed->instance, missed->from, missed->to);
        free(missed);
        missed = NULL;
        struct gg_list *link;
        while (missed == NULL && !gg_cancelled() && (link = gg_list_pop(&s->queue)) != NULL) {
            struct line *line = GG_CONTAINER(link, struct line, link);
            s->queued--;
            (void)handle(lines, s, gg_strn(line->text, line->n), &missed);
            free(line);
        }
    }
    s->busy = false;
}

/* False: it was no line of a stream. *missed is set when rows must be fetched first. */
static bool handle(struct gg_lines *lines, struct gg_line_stream *s, struct gg_str line, struct missed **missed)
{
    struct gg_str command = word(&line), stream = word(&line), instance = word(&line);
    char name[256];
    (void)stream;
    if (instance.n == 0 || instance.n >= sizeof(name))
        return false;
    memcpy(name, instance.s, instance.n);
    name[instance.n] = '\0';
    if (gg_str_is(command, "RDATA")) {
        read_rdata(s, name, line);
        return true;
    }
    int64_t from, to;
    if (!read_position(s, name, line, &from, &to))
        return true;
    *missed = calloc(1, sizeof(**missed) + instance.n + 1);
    GG_ASSERT(*missed != NULL);
    (*missed)->lines = lines;
    (*missed)->s = s;
    (*missed)->from = from;
    (*missed)->to = to;
    memcpy((*missed)->instance, name, instance.n);
    return true;
}

static void wait_its_turn(struct gg_lines *lines, struct gg_line_stream *s, struct gg_str text)
{
    if (s->queued >= MAX_QUEUED) { /* too far behind to keep every line: ask for positions anew and read from there */
        gg_warn(&logger, "too many lines of %s wait; reading from the database instead", gg_stream_def(s->stream)->name);
        struct gg_list *link;
        while ((link = gg_list_pop(&s->queue)) != NULL)
            free(GG_CONTAINER(link, struct line, link));
        s->queued = 0;
        s->connected = false;
        gg_repl_send(lines->host, "REPLICATE", GG_STR(""));
        return;
    }
    struct line *line = malloc(sizeof(*line) + text.n);
    GG_ASSERT(line != NULL);
    gg_list_init(&line->link);
    line->n = text.n;
    memcpy(line->text, text.s, text.n);
    gg_list_push(&s->queue, &line->link);
    s->queued++;
}

static void read_stream_line(struct gg_lines *lines, struct gg_str line, struct gg_str stream)
{
    char name[64];
    if (stream.n == 0 || stream.n >= sizeof(name))
        return;
    memcpy(name, stream.s, stream.n);
    name[stream.n] = '\0';
    struct gg_stream *found = gg_streams_find(lines->streams, name);
    struct gg_line_stream *s = found != NULL ? gg_stream_lines(found) : NULL;
    if (s == NULL) {
        gg_debug(&logger, "a line of the unknown stream %s", name);
        return;
    }
    if (s->busy) {
        wait_its_turn(lines, s, line);
        return;
    }
    struct missed *missed = NULL;
    (void)handle(lines, s, line, &missed);
    if (missed == NULL)
        return;
    s->busy = gg_spawn(lines->scope, "catch up", work_off, missed) != NULL;
    if (!s->busy)
        free(missed);
}

void gg_lines_read_line(struct gg_lines *lines, struct gg_str line)
{
    struct gg_str rest = line, command = word(&rest);
    if (gg_str_is(command, "REPLICATE")) {
        if (lines->started)
            gg_lines_announce_all(lines);
        return;
    }
    if (!gg_str_is(command, "RDATA") && !gg_str_is(command, "POSITION"))
        return;
    struct gg_str stream = word(&rest), instance = word(&rest);
    if (gg_str_is(instance, lines->host->instance)) {
        if (!lines->started)
            lines->twin = true; /* we have said nothing yet, so somebody else has */
        return;
    }
    read_stream_line(lines, line, stream);
}

void gg_lines_forget_connections(struct gg_lines *lines)
{
    for (size_t i = 0; i < lines->n; i++) {
        struct gg_list *link;
        lines->all[i].connected = false;
        drop_batches(&lines->all[i]);
        while ((link = gg_list_pop(&lines->all[i].queue)) != NULL)
            free(GG_CONTAINER(link, struct line, link));
        lines->all[i].queued = 0;
    }
}
