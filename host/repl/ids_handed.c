/* host/repl/ids_handed.c: own rows between the commit and the announcement.
 *
 * Whoever committed hands the rows over, so that followers in this process and the
 * announcer need not read them back. Rows wait until the own position has passed
 * them, and then, within bounds, until the announcer has sent them. */
#include "repl/ids_internal.h"

#include <stdlib.h>

#include <ganglion/log.h>

enum { MAX_ROWS = 8192, MAX_BYTES = 8 << 20 };

void gg_handed_done(struct gg_handed *handed)
{
    for (size_t i = 0; i < handed->n; i++)
        free((char *)handed->rows[i].row.s);
    free(handed->rows);
}

/* Index of the first row above token. */
static size_t above(const struct gg_handed *h, int64_t token)
{
    size_t low = 0, high = h->n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (h->rows[middle].token <= token)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void insert(struct gg_handed *h, const struct gg_fetched *row)
{
    if (h->n == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->rows = realloc(h->rows, h->cap * sizeof(*h->rows));
        GG_ASSERT(h->rows != NULL);
    }
    char *copy = malloc(row->row.n + 1);
    GG_ASSERT(copy != NULL);
    memcpy(copy, row->row.n ? row->row.s : "", row->row.n);
    copy[row->row.n] = 0;
    size_t i = above(h, row->token);
    memmove(h->rows + i + 1, h->rows + i, (h->n - i) * sizeof(*h->rows));
    h->rows[i] = (struct gg_fetched){row->token, gg_strn(copy, row->row.n)};
    h->n++;
    h->bytes += row->row.n;
}

static void drop_first(struct gg_handed *h, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        h->bytes -= h->rows[i].row.n;
        free((char *)h->rows[i].row.s);
    }
    memmove(h->rows, h->rows + n, (h->n - n) * sizeof(*h->rows));
    h->n -= n;
}

/* Calls followers with rows [i, j), which are of one token. */
static void tell_group(struct gg_stream *stream, const struct gg_fetched *rows, size_t n, bool moved)
{
    const char *instance = stream->streams->options.instance;
    int64_t token = rows[0].token;
    struct gg_row *group = calloc(n, sizeof(*group));
    GG_ASSERT(group != NULL);
    for (size_t i = 0; i < n; i++)
        group[i] = (struct gg_row){instance, token, rows[i].row};
    gg_stream_tell(stream, instance, token, group, n, moved);
    free(group);
}

static void tell_all(struct gg_stream *stream, const struct gg_fetched *rows, size_t n, bool moved)
{
    for (size_t i = 0, j; i < n; i = j) {
        for (j = i + 1; j < n && rows[j].token == rows[i].token;)
            j++;
        tell_group(stream, rows + i, j - i, moved);
    }
}

void gg_handed_add(struct gg_stream *stream, const struct gg_fetched *rows, size_t n_rows)
{
    if (stream->n_followers)
        tell_all(stream, rows, n_rows, false);
    for (size_t i = 0; i < n_rows; i++)
        insert(&stream->handed, &rows[i]);
}

void gg_handed_hole(struct gg_stream *stream, const int64_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ids[i] > stream->handed.hole)
            stream->handed.hole = ids[i];
    }
}

/* When nobody announces, or too slowly: the rows are in the database. */
static void keep_bounded(struct gg_handed *h)
{
    size_t told = above(h, h->told), n = 0;
    size_t bytes = h->bytes, rows = h->n;
    while (n < told && (rows > MAX_ROWS || bytes > MAX_BYTES)) {
        bytes -= h->rows[n].row.n;
        rows--;
        n++;
    }
    if (n == 0)
        return;
    h->hole = h->rows[n - 1].token > h->hole ? h->rows[n - 1].token : h->hole;
    drop_first(h, n);
}

void gg_handed_release(struct gg_stream *stream)
{
    struct gg_handed *h = &stream->handed;
    const struct gg_writer *me = stream->ids.me;
    if (!me || !me->known || me->pos <= h->told)
        return;
    size_t from = above(h, h->told), to = above(h, me->pos);
    int64_t pos = me->pos;
    bool last_is_pos = to > from && h->rows[to - 1].token == pos;
    h->told = pos;
    if (stream->n_followers) {
        tell_all(stream, h->rows + from, to - from, true);
        if (!last_is_pos)
            gg_stream_tell(stream, me->name, pos, NULL, 0, true);
    }
    if (stream->streams->poke)
        keep_bounded(h);
    else /* nobody announces */
        gg_stream_forget_handed(stream, pos);
}

bool gg_stream_handed(const struct gg_stream *stream, int64_t from, int64_t to, const struct gg_fetched **rows_out,
                      size_t *n_out)
{
    const struct gg_handed *h = &stream->handed;
    size_t i = above(h, from), j = above(h, to);
    *rows_out = h->rows + i;
    *n_out = j > i ? j - i : 0;
    return h->hole <= from;
}

void gg_stream_forget_handed(struct gg_stream *stream, int64_t token)
{
    struct gg_handed *h = &stream->handed;
    size_t n = above(h, token < h->told ? token : h->told);
    if (n)
        drop_first(h, n);
}
