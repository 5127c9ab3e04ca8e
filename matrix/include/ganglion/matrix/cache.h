/* ganglion/matrix/cache.h: what this process remembers of the database, within a bound of bytes, and how processes
 * tell each other to forget (the `caches` stream, facts replication 6).
 *
 * Keys are text; a key of several parts is the parts joined by MX_KEY_SEP. An entry dropped while somebody reads the
 * database for it must not come back: take mx_cache_tick() before reading and give it to mx_cache_put(). */
#ifndef GANGLION_MATRIX_CACHE_H
#define GANGLION_MATRIX_CACHE_H

#include <ganglion/matrix/server.h>

#define MX_KEY_SEP '\x1f'

struct mx_cache;
struct mx_cache_def {
    const char *name;               /* Synapse's name: metrics label and cache_func of the caches stream */
    size_t max_bytes;               /* at a cache factor of 1; scaled by the configuration */
    void (*destroy)(void *value);   /* NULL: free */
};
/* Lives as long as the server. Rows of the caches stream with this name drop entries by themselves (fewer keys than a
 * key has parts: a prefix; no keys: everything). */
GG_API struct mx_cache *mx_cache_new(struct mx_server *server, const struct mx_cache_def *def);
/* Borrowed until the next yield; NULL: a miss (both are counted). */
GG_API void *mx_cache_get(struct mx_cache *cache, struct gg_str key);
/* A number that grows with every drop. */
GG_API uint64_t mx_cache_tick(const struct mx_cache *cache);
/* Takes value over (it is destroyed at once if something was dropped since tick, or if it is larger than the cache).
 * bytes: what value holds; the key and the bookkeeping are added. Returns whether it was kept. */
GG_API bool mx_cache_put(struct mx_cache *cache, struct gg_str key, void *value, size_t bytes, uint64_t tick);
GG_API void mx_cache_drop(struct mx_cache *cache, struct gg_str key);
GG_API void mx_cache_drop_prefix(struct mx_cache *cache, struct gg_str prefix); /* of whole key parts */
GG_API void mx_cache_clear(struct mx_cache *cache);
GG_API size_t mx_cache_bytes(const struct mx_cache *cache);
GG_API size_t mx_cache_count(const struct mx_cache *cache);

/* ---- forgetting across processes ---- */

/* keys NULL: everything. Called for rows of other processes and for our own after commit. May not yield. */
typedef void mx_forget_fn(void *self, const struct gg_str *keys, size_t n);
/* Also for names that are no cache ("cs_cache_fake"). Any number for each name. */
GG_API void mx_caches_on(struct mx_server *server, const char *name, mx_forget_fn *fn, void *self);

/* Invalidations that travel with one transaction:
 *   struct mx_forget f; mx_forget_begin(&f, server, arena);
 *   in the body, each time anew: mx_forget_add(&f, "get_user_by_id", &user_id, 1); ... mx_forget_write(&f, txn, err)
 *   after gg_db_txn: mx_forget_end(&f, gg_maybe_committed(status))
 * The rows are inserted in the writing transaction; after commit they are announced and applied here. */
struct mx_forget_row {
    const char *name;
    const struct gg_str *keys; /* NULL: the whole cache */
    size_t n;
};
struct mx_forget {
    struct mx_server *server;
    struct gg_arena *arena;
    struct mx_forget_row *rows;
    int64_t *ids;      /* of this try, then of all tries: those of failed tries are finished as well */
    size_t n, cap, n_ids, cap_ids;
    int64_t now;
};
GG_API void mx_forget_begin(struct mx_forget *forget, struct mx_server *server, struct gg_arena *arena);
/* Start of another try of the transaction's body: what was added is forgotten. */
GG_API void mx_forget_again(struct mx_forget *forget);
/* Keys are borrowed until end; keys NULL: the whole cache. The same row twice is written once. */
GG_API void mx_forget_add(struct mx_forget *forget, const char *name, const struct gg_str *keys, size_t n);
/* Allocates the ids and queues the rows. */
GG_API GG_YIELDS GG_CHECKED int mx_forget_write(struct mx_forget *forget, struct gg_txn *txn, struct gg_error *err);
/* committed: or perhaps, when that is in doubt. */
GG_API void mx_forget_end(struct mx_forget *forget, bool committed);
/* All in one, inside a transaction's body that writes nothing else to forget: the last call before the body returns 0;
 * *forget must be zero at first and ended after gg_db_txn by mx_forget_end. */
GG_API GG_YIELDS GG_CHECKED int mx_caches_invalidate(struct mx_forget *forget, struct mx_server *server, struct gg_txn *txn,
                                                     struct gg_arena *arena, const char *name, const struct gg_str *keys,
                                                     size_t n, struct gg_error *err);

#endif
