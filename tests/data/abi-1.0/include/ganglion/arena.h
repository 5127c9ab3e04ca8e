/* ganglion/arena.h: memory that lives as long as one request, transaction or job.
 *
 * Allocation is a pointer bump; everything goes at once when the arena is freed
 * or reset. Never shared between threads. In sanitizer builds each allocation is
 * its own malloc, so overruns and uses after reset are found. Running out of
 * memory aborts: nothing sensible can be done in a server that overcommits. */
#ifndef GANGLION_ARENA_H
#define GANGLION_ARENA_H

#include <ganglion/base.h>
#include <stdarg.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_arena;

GG_API struct gg_arena *gg_arena_new(void);
/* Runs the clean-ups, newest first, and frees everything; NULL is fine. */
GG_API void gg_arena_free(struct gg_arena *arena);
/* The same, but the arena may be used again. */
GG_API void gg_arena_reset(struct gg_arena *arena);

/* n bytes aligned for any type, not initialised. */
GG_API void *gg_arena_alloc(struct gg_arena *arena, size_t n) __attribute__((malloc));
/* n bytes of zero. */
GG_API void *gg_arena_zero(struct gg_arena *arena, size_t n) __attribute__((malloc));
#define GG_NEW(arena_, type_) ((type_ *)gg_arena_zero((arena_), sizeof(type_)))
#define GG_NEW_ARRAY(arena_, type_, n_) ((type_ *)gg_arena_array((arena_), (n_), sizeof(type_)))
/* n * size bytes of zero; aborts on overflow. */
GG_API void *gg_arena_array(struct gg_arena *arena, size_t n, size_t size);

/* NUL-terminated copies. */
GG_API char *gg_arena_strdup(struct gg_arena *arena, const char *s); /* NULL gives NULL */
GG_API char *gg_arena_strndup(struct gg_arena *arena, const char *s, size_t n);
GG_API struct gg_str gg_arena_str(struct gg_arena *arena, struct gg_str s);
GG_API char *gg_arena_printf(struct gg_arena *arena, const char *fmt, ...) GG_PRINTF(2, 3);
GG_API char *gg_arena_vprintf(struct gg_arena *arena, const char *fmt, va_list ap) GG_PRINTF(2, 0);

/* Calls fn(arg) when the arena is freed or reset: ties a foreign object (a
 * PGresult, a json_t, a reference) to the request that uses it. */
GG_API void gg_arena_defer(struct gg_arena *arena, void (*fn)(void *arg), void *arg);

/* Bytes handed out since the last reset; for bounds and statistics. */
GG_API size_t gg_arena_used(const struct gg_arena *arena);

#ifdef __cplusplus
}
#endif
#endif
