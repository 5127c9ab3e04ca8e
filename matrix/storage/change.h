/* matrix/storage/change.h: one statement, and the caches that must hear of it, in one transaction. */
#ifndef MX_STORAGE_CHANGE_H
#define MX_STORAGE_CHANGE_H

#include <ganglion/matrix/server.h>

/* caches: names, ended by NULL, each told to forget `key`. *n_out (may be NULL): rows that the statement changed. */
GG_YIELDS GG_CHECKED int mx_change_and_forget(struct mx_server *server, const struct gg_stmt *stmt,
                                              const struct gg_param *params, size_t n, const char *const *caches,
                                              struct gg_str key, int64_t *n_out, struct gg_error *err);

#endif
