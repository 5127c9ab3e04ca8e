/* repl/lines_catch_up.c: reads the rows of a stream that we missed.
 *
 * A fiber of the stream reads them, from the database or from the writer's memory, however many tries it takes. What
 * arrives for the stream meanwhile waits its turn. */
#include "repl/lines_internal.h"

#include "main/host.h"
#include "repl/calls.h"

#include <ganglion/log.h>
#include <ganglion/metrics.h>
#include <stdlib.h>

static struct gg_logger logger = {.name = "ganglion.replication"};
static struct gg_metric gaps = {.name = "ganglion_replication_gaps_total",
                                .type = GG_COUNTER,
                                .help = "Times that rows of a stream had to be read because no line brought them",
                                .label = {"stream"}};

enum { MAX_QUEUED = 50000, MAX_QUEUED_BYTES = 64 << 20, FETCH_LIMIT = 100, RETRY_MS = 1000, MAX_RETRY_MS = 30000 };

struct waiting { /* a POSITION or RDATA */
    struct gg_list link;
    size_t n;
    char text[];
};

struct gap {
    struct gg_line_stream *s;
    struct gg_line_writer *writer;
    int64_t from, to;
    unsigned epoch;
    bool follows_on;
};

/* ---- lines that wait ---- */

void gg_lines_drop_queue(struct gg_line_stream *s)
{
    for (struct gg_list *link; (link = gg_list_pop(&s->queue)) != NULL;)
        free(GG_CONTAINER(link, struct waiting, link));
    s->queued = s->queued_bytes = 0;
}

static void all_anew(struct gg_line_stream *s)
{
    gg_lines_forget_writers(s);
    gg_repl_send(s->lines->host, "REPLICATE", GG_STR(""));
}

void gg_lines_wait_its_turn(struct gg_line_stream *s, struct gg_str text)
{
    if (s->queued >= MAX_QUEUED || s->queued_bytes + text.n > MAX_QUEUED_BYTES) {
        gg_warn(&logger, "too many lines of %s wait; reading rows instead", gg_stream_def(s->stream)->name);
        all_anew(s);
        return;
    }
    struct waiting *waiting = malloc(sizeof(*waiting) + text.n);
    GG_ASSERT(waiting != NULL);
    gg_list_init(&waiting->link);
    waiting->n = text.n;
    memcpy(waiting->text, text.s, text.n);
    gg_list_push(&s->queue, &waiting->link);
    s->queued++;
    s->queued_bytes += text.n;
}

/* Until the queue is empty, or a line of it needs rows again (then another fiber goes on). */
static void work_off(struct gg_line_stream *s)
{
    struct gg_list *link;
    bool go_on = true;
    while (go_on && (link = gg_list_pop(&s->queue)) != NULL) {
        struct waiting *waiting = GG_CONTAINER(link, struct waiting, link);
        struct gg_line line;
        s->queued--;
        s->queued_bytes -= waiting->n;
        if (gg_line_parse(gg_strn(waiting->text, waiting->n), &line))
            go_on = gg_lines_handle(s, &line);
        free(waiting);
    }
}

/* ---- rows ---- */

static int fetch(const struct gap *gap, struct gg_arena *arena, struct gg_fetched **rows, size_t *n, int64_t *reached,
                 struct gg_error *err)
{
    const struct gg_stream_def *def = gg_stream_def(gap->s->stream);
    if (def->sequence != NULL && def->fetch != NULL)
        return def->fetch(gg_stream_self(gap->s->stream), gap->s->stream, gap->writer->name, gap->from, gap->to,
                          FETCH_LIMIT, arena, rows, n, reached, err);
    return gg_calls_fetch_stream(gap->s->lines->host, gap->writer->name, def->name, gap->from, gap->to, arena, rows, n,
                                 reached, err);
}

/* Applies rows grouped by token. */
static void apply(const struct gap *gap, const struct gg_fetched *rows, size_t n, struct gg_arena *arena)
{
    struct gg_row *group = GG_NEW_ARRAY(arena, struct gg_row, n + 1);
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i; end < n && rows[end].token == rows[i].token; end++)
            group[end - i] = (struct gg_row){gap->writer->name, rows[end].token, rows[end].row};
        gg_stream_take(gap->s->stream, gap->writer->name, rows[i].token, group, end - i);
    }
}

static int read_some(struct gap *gap, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_fetched *rows = NULL;
    size_t n = 0;
    int64_t reached = gap->to;
    int rc = fetch(gap, arena, &rows, &n, &reached, err);
    if (rc == 0)
        apply(gap, rows, n, arena);
    if (rc == 0) /* whoever says that there is more and gives none would keep us for ever */
        gap->from = reached > gap->from ? reached : gap->to;
    gg_arena_free(arena);
    return rc;
}

static bool outdated(const struct gap *gap)
{
    return gap->epoch != gap->s->epoch || gg_cancelled();
}

/* The writer counts as connected only if no line can have been lost since. */
static void read_all(struct gap *gap)
{
    const char *name = gg_stream_def(gap->s->stream)->name;
    int64_t pause = RETRY_MS;
    gg_metric_add(&gaps, 1, GG_LABELS(name));
    while (gap->from < gap->to && !outdated(gap)) {
        struct gg_error err = GG_ERROR_INIT;
        if (read_some(gap, &err) == 0)
            continue;
        if (pause == RETRY_MS && !gg_cancelled())
            gg_warn(&logger, "reading the stream %s of %s from %lld to %lld: %s; trying on", name, gap->writer->name,
                    (long long)gap->from, (long long)gap->to, err.message);
        (void)gg_sleep(pause);
        pause = pause * 2 < MAX_RETRY_MS ? pause * 2 : MAX_RETRY_MS;
    }
    if (gap->from < gap->to)
        return;
    gg_stream_take(gap->s->stream, gap->writer->name, gap->to, NULL, 0);
    gap->writer->connected = gap->follows_on && !outdated(gap);
}

static void catch_up(void *arg)
{
    struct gap *gap = arg;
    struct gg_line_stream *s = gap->s;
    read_all(gap);
    free(gap);
    s->busy = false;
    work_off(s);
}

void gg_lines_catch_up(struct gg_line_stream *s, struct gg_line_writer *writer, int64_t from, int64_t to, bool follows_on)
{
    struct gap *gap = malloc(sizeof(*gap));
    GG_ASSERT(gap != NULL);
    *gap = (struct gap){s, writer, from, to, s->epoch, follows_on};
    s->busy = gg_spawn(s->lines->scope, "catch up", catch_up, gap) != NULL;
    if (!s->busy)
        free(gap); /* stopping */
}
