/* The chunks of a PNG, as pictures.c has them read. The first byte says in what pieces: that must not matter; and what comes
 * out is what a second reading leaves as it is. */
#include "pictures/chunks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t read_all(const uint8_t *data, size_t size, size_t step, char *out)
{
    char path[64];
    int fd = memfd_create("png", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct chunks *chunks = chunks_open(path);
    size_t n = 0;
    for (ssize_t got = 1; got > 0 && n < size; n += got > 0 ? (size_t)got : 0)
        got = chunks_read(chunks, out + n, step < size - n ? step : size - n);
    chunks_close(chunks);
    close(fd);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t n = size - 1;
    char *a = malloc(n), *b = malloc(n), *c = malloc(n);
    size_t whole = read_all(data + 1, n, n, a), pieces = read_all(data + 1, n, 1u + data[0], b);
    if (whole != pieces || memcmp(a, b, whole) != 0)
        abort();
    if (whole > 0 && (read_all((const uint8_t *)a, whole, n, c) != whole || memcmp(a, c, whole) != 0))
        abort();
    free(a);
    free(b);
    free(c);
    return 0;
}
