/* chunks.h: a PNG as it is read, without the chunks that no thumbnail needs: compressed texts, of which a few kilobytes
 * become gigabytes in the decoder's memory, and whatever else it would keep. */
#ifndef MEDIA_REPOSITORY_CHUNKS_H
#define MEDIA_REPOSITORY_CHUNKS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct chunks;

/* The file at path; NULL: it cannot be opened. */
struct chunks *chunks_open(const char *path);
/* The next bytes of what is left of it; 0: the end, or a file that goes on for too long; -1: it cannot be read. */
ssize_t chunks_read(struct chunks *chunks, void *out, size_t n);
void chunks_close(struct chunks *chunks);

#endif
