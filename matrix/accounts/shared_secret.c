/* shared_secret.c: nonces of the registration that knows a secret (/_synapse/admin/v1/register): one use, one minute.
 */
#include <ganglion/arena.h>
#include <ganglion/memory.h>
#include <stdio.h>
#include <stdlib.h>

#include "accounts/accounts.h"

enum { NONCE_BYTES = 64, NONCE_TEXT = 2 * NONCE_BYTES, MAX_NONCES = 1000, LIFE_MS = 60000 };

/* A ring: the oldest goes when it is full. */
struct mx_nonces {
    struct {
        char text[NONCE_TEXT + 1]; /* "": spent */
        int64_t until;
    } ring[MAX_NONCES];
    size_t next;
};

void mx_nonces_make(struct mx_server *server)
{
    if (!gg_host_is_main(server->host))
        return;
    server->accounts->nonces = gg_xcalloc(1, sizeof(struct mx_nonces));
}

void mx_nonces_free(struct mx_nonces *nonces)
{
    free(nonces);
}

const char *mx_nonce_new(struct mx_server *server, struct gg_arena *arena)
{
    struct mx_nonces *n = server->accounts->nonces;
    unsigned char bytes[NONCE_BYTES];
    size_t at = n->next++ % MAX_NONCES;
    gg_random_bytes(bytes, sizeof bytes);
    for (size_t i = 0; i < NONCE_BYTES; i++)
        snprintf(n->ring[at].text + 2 * i, 3, "%02x", bytes[i]);
    n->ring[at].until = gg_deadline(LIFE_MS);
    return gg_arena_strdup(arena, n->ring[at].text);
}

bool mx_nonce_use(struct mx_server *server, struct gg_str nonce)
{
    struct mx_nonces *n = server->accounts->nonces;
    for (size_t i = 0; i < MAX_NONCES && nonce.n == NONCE_TEXT; i++) {
        if (memcmp(n->ring[i].text, nonce.s, NONCE_TEXT) != 0)
            continue;
        n->ring[i].text[0] = 0;
        return n->ring[i].until > gg_now_ms();
    }
    return false;
}
