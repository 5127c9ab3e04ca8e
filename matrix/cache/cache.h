/* matrix/cache/cache.h: private parts of the caches. */
#ifndef MATRIX_CACHE_CACHE_H
#define MATRIX_CACHE_CACHE_H

#include <ganglion/list.h>
#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>

/* All caches of a process and who listens to which name of the caches stream. */
struct mx_caches {
    struct gg_list all;       /* struct mx_cache.in_all */
    struct gg_map *listeners; /* name -> struct mx_listener, chained */
};

struct mx_listener {
    mx_forget_fn *fn;
    void *self;
    struct mx_listener *next;
};

/* Tells the listeners of name. */
void mx_caches_dispatch(struct mx_server *server, struct gg_str name, const struct gg_str *keys, size_t n);
void mx_caches_free_all(struct mx_caches *caches);

#endif
