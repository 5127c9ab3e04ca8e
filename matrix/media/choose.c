/* matrix/media/choose.c: which of the thumbnails that are there answers a wish, and how large one becomes. Pure. */
#include "media/thumbnails.h"

#include <stdlib.h>

/* Smaller is better, from the first number to the last; as Synapse ranks them, so that a client sees the same picture
 * whichever process answers. */
struct rank {
    int64_t too_small, aspect, covers, size, type, length;
};

static int compare(const struct rank *a, const struct rank *b)
{
    const int64_t x[] = {a->too_small, a->aspect, a->covers, a->size, a->type, a->length};
    const int64_t y[] = {b->too_small, b->aspect, b->covers, b->size, b->type, b->length};
    for (size_t i = 0; i < GG_COUNT(x); i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static struct rank rank_of(const struct mx_thumbnail_row *row, const struct mx_thumbnail_wish *wish)
{
    int64_t dw = wish->width, dh = wish->height, tw = row->width, th = row->height;
    return (struct rank){.too_small = tw < dw && th < dh,
                         .aspect = wish->crop ? llabs(dw * th - dh * tw) : 0,
                         .covers = wish->crop && !(dw <= tw && dh <= th),
                         .size = llabs((dw - tw) * (dh - th)),
                         .type = !gg_str_is(row->type, wish->type),
                         .length = row->length};
}

const struct mx_thumbnail_row *mx_thumbnail_choose(const struct mx_thumbnail_row *rows, size_t n,
                                                   const struct mx_thumbnail_wish *wish)
{
    const struct mx_thumbnail_row *best = NULL;
    struct rank best_rank = {0};
    for (size_t i = 0; i < n; i++) {
        bool fits = (wish->crop && gg_str_is(rows[i].method, "crop")) || (wish->scale && gg_str_is(rows[i].method, "scale"));
        if (!fits)
            continue;
        struct rank rank = rank_of(&rows[i], wish);
        if (best == NULL || compare(&rank, &best_rank) < 0) {
            best = &rows[i];
            best_rank = rank;
        }
    }
    return best;
}

void mx_thumbnail_fit(int32_t picture_width, int32_t picture_height, int32_t *width, int32_t *height)
{
    int64_t w = *width, h = *height, pw = picture_width, ph = picture_height;
    if (pw < 1 || ph < 1)
        return;
    if (w * ph < h * pw)
        h = w * ph / pw > 1 ? w * ph / pw : 1;
    else
        w = h * pw / ph > 1 ? h * pw / ph : 1;
    *width = (int32_t)(w < pw ? w : pw);
    *height = (int32_t)(h < ph ? h : ph);
}
