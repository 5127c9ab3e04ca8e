/* str.c: what base.h declares and is not inline. */
#include <ganglion/base.h>

int gg_str_cmp(struct gg_str a, struct gg_str b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int c = n ? memcmp(a.s, b.s, n) : 0;
    if (c != 0)
        return c;
    return a.n < b.n ? -1 : a.n > b.n;
}
