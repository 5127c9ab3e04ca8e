/* hash.h: the keyed hash itself, for tests with known answers. */
#ifndef HOST_BASE_HASH_H
#define HOST_BASE_HASH_H

#include <ganglion/base.h>

uint64_t gg_siphash13(const uint64_t key[2], const void *data, size_t n);

#endif
