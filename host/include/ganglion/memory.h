/* ganglion/memory.h: allocation that ends the process instead of failing, for code that could do nothing better: all but
 * what is sized by a stranger's word. */
#ifndef GANGLION_MEMORY_H
#define GANGLION_MEMORY_H

#include <ganglion/log.h>

#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

static inline void *gg_xmalloc(size_t n)
{
    void *p = malloc(n ? n : 1);
    if (!p)
        gg_panic(__FILE__, __LINE__, "out of memory (%zu bytes)", n);
    return p;
}

static inline void *gg_xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        gg_panic(__FILE__, __LINE__, "out of memory (%zu times %zu bytes)", n, size);
    return p;
}

static inline void *gg_xrealloc(void *old, size_t n)
{
    void *p = realloc(old, n ? n : 1);
    if (!p)
        gg_panic(__FILE__, __LINE__, "out of memory (%zu bytes)", n);
    return p;
}

/* A copy of n bytes with a NUL after them. */
static inline char *gg_xstrndup(const char *s, size_t n)
{
    char *p = (char *)gg_xmalloc(n + 1);
    if (n)
        memcpy(p, s, n);
    p[n] = '\0';
    return p;
}

#ifdef __cplusplus
}
#endif
#endif
