/* ganglion/map.h: a hash map from text to a pointer.
 *
 * Open addressing, SipHash with a key drawn at start (foreign keys cannot choose
 * collisions), insertion order is not kept. Keys are copied. Not to be changed
 * during iteration, but gg_map_delete of the current key is fine. */
#ifndef GANGLION_MAP_H
#define GANGLION_MAP_H

#include <ganglion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_map;

/* destroy (may be NULL) is called for each value that is replaced, deleted or
 * left when the map is freed. */
GG_API struct gg_map *gg_map_new(void (*destroy)(void *value));
GG_API void gg_map_free(struct gg_map *map);
GG_API void gg_map_clear(struct gg_map *map);
GG_API void *gg_map_get(const struct gg_map *map, struct gg_str key); /* NULL: absent */
GG_API bool gg_map_has(const struct gg_map *map, struct gg_str key);  /* tells a NULL value from none */
GG_API void gg_map_put(struct gg_map *map, struct gg_str key, void *value);
GG_API bool gg_map_delete(struct gg_map *map, struct gg_str key);     /* was it there? */
/* Takes it out without destroy; NULL when absent. */
GG_API void *gg_map_take(struct gg_map *map, struct gg_str key);
GG_API size_t gg_map_count(const struct gg_map *map);

/* for (size_t i = 0; gg_map_next(map, &i, &key, &value);) { ... } */
GG_API bool gg_map_next(const struct gg_map *map, size_t *cursor, struct gg_str *key_out, void **value_out);

/* 64-bit SipHash-1-3 of the text under the process's key. */
GG_API uint64_t gg_hash(struct gg_str key);

#ifdef __cplusplus
}
#endif
#endif
