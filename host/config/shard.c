/* The rule by which a key belongs to one of n instances: SHA-256 of the key, all 32
 * bytes as one little-endian number, modulo n. */
#include <ganglion/repl.h>

#include <openssl/sha.h>

size_t gg_shard(struct gg_str key, size_t n)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    size_t rest = 0;

    if (n <= 1)
        return 0;
    SHA256((const unsigned char *)(key.n ? key.s : ""), key.n, digest);
    for (size_t i = sizeof(digest); i > 0; i--)
        rest = (rest << 8 | digest[i - 1]) % n;
    return rest;
}
