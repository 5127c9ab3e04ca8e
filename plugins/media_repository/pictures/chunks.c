/* chunks.c: walks over the chunks of a PNG (ISO/IEC 15948, 5.3): length, name, data, checksum. */
#include "pictures/chunks.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIGNATURE = 8, HEAD = 8, CHECKSUM = 4, BUFFER = 65536, MOST_CHUNKS = 100000 };

struct chunks {
    int fd;
    uint64_t left;         /* of what is passed on, before the next chunk begins */
    unsigned seen;
    unsigned char head[HEAD];
    size_t n_head;         /* of the chunk's head, still to be passed on: its last bytes */
    size_t at, n;          /* what lies in the buffer */
    unsigned char buffer[BUFFER];
};

/* What a picture is made of, and how its colours are meant. Of their sizes the decoder takes care. */
static const char *const kept[] = {"IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM", "sRGB", "iCCP", "sBIT", "eXIf"};

static bool is_kept(const unsigned char *name)
{
    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
        if (memcmp(name, kept[i], 4) == 0)
            return true;
    return false;
}

struct chunks *chunks_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct chunks *chunks = fd >= 0 ? malloc(sizeof(*chunks)) : NULL;
    if (chunks == NULL) {
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    chunks->fd = fd;
    chunks->left = SIGNATURE;
    chunks->seen = 0;
    chunks->n_head = chunks->at = chunks->n = 0;
    return chunks;
}

/* Bytes of the file: at least one unless it has ended (0) or fails (-1). */
static ssize_t take(struct chunks *chunks, void *out, size_t n)
{
    if (chunks->at == chunks->n) {
        ssize_t got = read(chunks->fd, chunks->buffer, BUFFER);
        chunks->at = 0;
        chunks->n = got > 0 ? (size_t)got : 0;
        if (got <= 0)
            return got;
    }
    size_t there = chunks->n - chunks->at;
    n = n < there ? n : there;
    memcpy(out, chunks->buffer + chunks->at, n);
    chunks->at += n;
    return (ssize_t)n;
}

static void skip(struct chunks *chunks, uint64_t n)
{
    size_t there = chunks->n - chunks->at;
    if (n <= there) {
        chunks->at += (size_t)n;
        return;
    }
    chunks->at = chunks->n = 0;
    (void)lseek(chunks->fd, (off_t)(n - there), SEEK_CUR); /* beyond the end nothing is read */
}

/* The head of the next chunk that is passed on. 1: there; 0: the file ends; -1: it cannot be read. */
static int next(struct chunks *chunks)
{
    while (chunks->seen++ < MOST_CHUNKS) {
        size_t n = 0;
        while (n < HEAD) {
            ssize_t got = take(chunks, chunks->head + n, HEAD - n);
            if (got <= 0)
                return (int)got;
            n += (size_t)got;
        }
        const unsigned char *h = chunks->head;
        uint64_t length = ((uint64_t)h[0] << 24 | (uint64_t)h[1] << 16 | (uint64_t)h[2] << 8 | h[3]) + CHECKSUM;
        if (is_kept(h + 4)) {
            chunks->left = length;
            chunks->n_head = HEAD;
            return 1;
        }
        skip(chunks, length);
    }
    return 0;
}

ssize_t chunks_read(struct chunks *chunks, void *out, size_t n)
{
    if (n == 0)
        return 0;
    if (chunks->n_head == 0 && chunks->left == 0) {
        int rc = next(chunks);
        if (rc <= 0)
            return rc;
    }
    if (chunks->n_head > 0) {
        n = n < chunks->n_head ? n : chunks->n_head;
        memcpy(out, chunks->head + HEAD - chunks->n_head, n);
        chunks->n_head -= n;
        return (ssize_t)n;
    }
    ssize_t got = take(chunks, out, n < chunks->left ? n : (size_t)chunks->left);
    chunks->left -= got > 0 ? (uint64_t)got : 0;
    return got;
}

void chunks_close(struct chunks *chunks)
{
    if (chunks == NULL)
        return;
    close(chunks->fd);
    free(chunks);
}
