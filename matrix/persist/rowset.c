/* matrix/persist/rowset.c: columns that grow together. */
#include "rowset.h"

#include <stdarg.h>

static size_t width(char type)
{
    return type == 't' ? sizeof(struct gg_str) : type == 'i' ? sizeof(int64_t) : sizeof(bool);
}

void mx_rowset_begin(struct mx_rowset *rows, const struct mx_array_stmt *to, struct gg_arena *arena)
{
    memset(rows, 0, sizeof(*rows));
    rows->to = to;
    rows->arena = arena;
}

static void grow(struct mx_rowset *rows)
{
    rows->cap = rows->cap ? rows->cap * 2 : 8;
    for (size_t c = 0; rows->to->types[c]; c++) {
        size_t w = width(rows->to->types[c]);
        void *more = gg_arena_array(rows->arena, rows->cap, w);
        if (rows->n)
            memcpy(more, rows->columns[c], rows->n * w);
        rows->columns[c] = more;
    }
}

void mx_rowset_add(struct mx_rowset *rows, ...)
{
    if (rows->n == rows->cap)
        grow(rows);
    va_list ap;
    va_start(ap, rows);
    for (size_t c = 0; rows->to->types[c]; c++) {
        char type = rows->to->types[c];
        if (type == 't')
            ((struct gg_str *)rows->columns[c])[rows->n] = va_arg(ap, struct gg_str);
        else if (type == 'i')
            ((int64_t *)rows->columns[c])[rows->n] = va_arg(ap, int64_t);
        else
            ((bool *)rows->columns[c])[rows->n] = va_arg(ap, int) != 0;
    }
    va_end(ap);
    rows->n++;
}

int mx_rowset_queue(const struct mx_rowset *rows, struct gg_txn *txn, struct gg_error *err)
{
    struct gg_param params[MX_ROWSET_COLUMNS];
    size_t n = 0;
    if (!rows->n)
        return 0;
    for (; rows->to->types[n]; n++) {
        char type = rows->to->types[n];
        params[n] = type == 't'   ? gg_p_texts(rows->columns[n], rows->n)
                    : type == 'i' ? gg_p_i64s(rows->columns[n], rows->n)
                                  : gg_p_bools(rows->columns[n], rows->n);
    }
    return gg_txn_queue(txn, &rows->to->stmt, params, n, err);
}
