/* matrix/persist/rowset.h: rows for one array statement, collected column by column. */
#ifndef MATRIX_PERSIST_ROWSET_H
#define MATRIX_PERSIST_ROWSET_H

#include <ganglion/db.h>

/* An array statement: parameter k is the k-th column as an array: t text[], i bigint[], b boolean[]. */
struct mx_array_stmt {
    const char *types;
    struct gg_stmt stmt;
};

enum { MX_ROWSET_COLUMNS = 17 };

struct mx_rowset {
    const struct mx_array_stmt *to;
    struct gg_arena *arena;
    void *columns[MX_ROWSET_COLUMNS];
    size_t n, cap;
};

void mx_rowset_begin(struct mx_rowset *rows, const struct mx_array_stmt *to, struct gg_arena *arena);
/* One argument for each column: struct gg_str, int64_t, int (bool). */
void mx_rowset_add(struct mx_rowset *rows, ...);
/* Queues the statement; nothing when there are no rows. */
GG_CHECKED int mx_rowset_queue(const struct mx_rowset *rows, struct gg_txn *txn, struct gg_error *err);

#endif
