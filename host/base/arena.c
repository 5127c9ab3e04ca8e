/* arena.c: bump allocation in chunks; each allocation its own malloc under sanitizers. */
#include <ganglion/arena.h>

#include <ganglion/memory.h>

#include <stdio.h>

#define FIRST_BYTES 3072u  /* inside the arena's own block: most requests never need a chunk */
#define CHUNK_BYTES 8192u  /* doubles up to CHUNK_MAX */
#define CHUNK_MAX 65536u
#define ALIGN _Alignof(max_align_t)

struct chunk {
    struct chunk *next;
    _Alignas(max_align_t) char data[];
};

struct defer {
    struct defer *next;
    void (*fn)(void *arg);
    void *arg;
};

struct gg_arena {
    struct chunk *chunks;
    struct defer *defers;
    char *at, *end;
    size_t used, chunk_bytes;
    _Alignas(max_align_t) char first[FIRST_BYTES];
};

static void start(struct gg_arena *arena)
{
    arena->chunks = NULL;
    arena->at = arena->first;
    arena->end = arena->first + FIRST_BYTES;
    arena->used = 0;
    arena->chunk_bytes = CHUNK_BYTES;
}

struct gg_arena *gg_arena_new(void)
{
    struct gg_arena *arena = gg_xmalloc(sizeof(*arena));
    arena->defers = NULL;
    start(arena);
    return arena;
}

static void run_defers(struct gg_arena *arena)
{
    /* A clean-up may allocate or defer again, so the head is read anew each time. */
    for (struct defer *d; (d = arena->defers) != NULL;) {
        arena->defers = d->next;
        d->fn(d->arg);
    }
}

static void free_chunks(struct gg_arena *arena)
{
    for (struct chunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
}

void gg_arena_reset(struct gg_arena *arena)
{
    run_defers(arena);
    free_chunks(arena);
    start(arena);
}

void gg_arena_free(struct gg_arena *arena)
{
    if (!arena)
        return;
    run_defers(arena);
    free_chunks(arena);
    free(arena);
}

static void *own_chunk(struct gg_arena *arena, size_t n)
{
    struct chunk *c = gg_xmalloc(sizeof(*c) + n);
    c->next = arena->chunks;
    arena->chunks = c;
    return c->data;
}

static void *slow_alloc(struct gg_arena *arena, size_t n)
{
    /* Large ones stay alone, so that the rest of the current chunk is not lost. */
    if (GANGLION_SANITIZED || n > arena->chunk_bytes / 4)
        return own_chunk(arena, n);
    arena->at = own_chunk(arena, arena->chunk_bytes);
    arena->end = arena->at + arena->chunk_bytes;
    if (arena->chunk_bytes < CHUNK_MAX)
        arena->chunk_bytes *= 2;
    void *p = arena->at;
    arena->at += n;
    return p;
}

void *gg_arena_alloc(struct gg_arena *arena, size_t n)
{
    if (n > SIZE_MAX / 2)
        gg_panic(__FILE__, __LINE__, "an allocation of %zu bytes", n);
    arena->used += n;
    if (GANGLION_SANITIZED)
        return slow_alloc(arena, n);
    size_t rounded = (n + ALIGN - 1) & ~(ALIGN - 1);
    if ((size_t)(arena->end - arena->at) < rounded)
        return slow_alloc(arena, rounded);
    void *p = arena->at;
    arena->at += rounded;
    return p;
}

void *gg_arena_zero(struct gg_arena *arena, size_t n)
{
    void *p = gg_arena_alloc(arena, n);
    return memset(p, 0, n);
}

void *gg_arena_array(struct gg_arena *arena, size_t n, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes))
        gg_panic(__FILE__, __LINE__, "an array of %zu times %zu bytes", n, size);
    return gg_arena_zero(arena, bytes);
}

char *gg_arena_strndup(struct gg_arena *arena, const char *s, size_t n)
{
    char *p = gg_arena_alloc(arena, n + 1);
    if (n)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

char *gg_arena_strdup(struct gg_arena *arena, const char *s)
{
    return s ? gg_arena_strndup(arena, s, strlen(s)) : NULL;
}

struct gg_str gg_arena_str(struct gg_arena *arena, struct gg_str s)
{
    return gg_strn(gg_arena_strndup(arena, s.s, s.n), s.n);
}

char *gg_arena_vprintf(struct gg_arena *arena, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        gg_panic(__FILE__, __LINE__, "bad format: %s", fmt);
    char *p = gg_arena_alloc(arena, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    return p;
}

char *gg_arena_printf(struct gg_arena *arena, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *p = gg_arena_vprintf(arena, fmt, ap);
    va_end(ap);
    return p;
}

void gg_arena_defer(struct gg_arena *arena, void (*fn)(void *arg), void *arg)
{
    struct defer *d = gg_arena_alloc(arena, sizeof(*d));
    d->next = arena->defers;
    d->fn = fn;
    d->arg = arg;
    arena->defers = d;
}

size_t gg_arena_used(const struct gg_arena *arena)
{
    return arena->used;
}
