/* random.c: randomness from the kernel. */
#include <ganglion/log.h>

#include <errno.h>
#include <sys/random.h>

void gg_random_bytes(void *out, size_t n)
{
    unsigned char *p = out;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            gg_panic(__FILE__, __LINE__, "the kernel gives no random bytes: %s", strerror(errno));
        p += got;
        n -= (size_t)got;
    }
}

void gg_random_text(char *out, size_t n, const char *alphabet)
{
    size_t letters = strlen(alphabet);
    GG_ASSERT(letters > 0 && letters <= 256);
    /* Bytes at or above the largest multiple are thrown away, so that every letter is equally likely. */
    unsigned limit = (unsigned)(256 - 256 % letters);
    unsigned char pool[64];
    size_t left = 0;
    for (size_t i = 0; i < n;) {
        if (left == 0) {
            gg_random_bytes(pool, sizeof(pool));
            left = sizeof(pool);
        }
        unsigned byte = pool[--left];
        if (byte < limit)
            out[i++] = alphabet[byte % letters];
    }
    out[n] = '\0';
}
