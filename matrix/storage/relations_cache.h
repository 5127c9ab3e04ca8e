/* matrix/storage/relations_cache.h: what of events this process knows to be related to or not, so that showing an event
 * again (to each of a room's members, when it is new) asks the database for nothing. */
#ifndef MX_STORAGE_RELATIONS_CACHE_H
#define MX_STORAGE_RELATIONS_CACHE_H

#include <ganglion/matrix/store.h>

/* The cache; the events and backfill streams keep it true, and where a relation was redacted the caches stream does. */
void mx_related_make(struct mx_server *server);
/* As mx_relations_kinds, from the cache where that knows. */
GG_YIELDS GG_CHECKED int mx_related_kinds(struct mx_server *server, const struct gg_str *parents, size_t n,
                                          struct gg_arena *arena, uint8_t *out, struct gg_error *err);

#endif
