/* memory.h: allocation that aborts instead of failing, for code that could do nothing better. */
#ifndef HOST_BASE_MEMORY_H
#define HOST_BASE_MEMORY_H

#include <ganglion/log.h>

#include <stdlib.h>

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

#endif
