/* matrix/federation/crew.h: pieces of one job on several threads of the pool, a few at a time, so that whoever needs a
 * thread besides gets one soon. */
#ifndef MX_FEDERATION_CREW_H
#define MX_FEDERATION_CREW_H

#include <ganglion/fiber.h>

/* Runs fn on each of n elements of `size` bytes and returns when all are done. fn knows no fiber, loop or foreign arena. */
GG_YIELDS void mx_crew_run(void (*fn)(void *element), void *elements, size_t n, size_t size);

#endif
