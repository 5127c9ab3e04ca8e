/* matrix/federation/keys.h: signing keys of servers, wherever they are found. Private to the folder and the key server. */
#ifndef MX_FEDERATION_KEYS_H
#define MX_FEDERATION_KEYS_H

#include "federation/key_answer.h"

#include <ganglion/matrix/server.h>

/* ---- what the configuration says (key_config.c) ---- */

/* Who is asked for keys of others. */
struct mx_notary {
    const char *server;
    const struct mx_server_key *keys; /* one of them must have signed what it says; none: the TLS certificate suffices */
    size_t n_keys;
};

struct mx_key_config {
    const struct mx_server_key *old; /* our own retired ones */
    size_t n_old;
    const struct mx_notary *notaries;
    size_t n_notaries;
    const struct mx_signing_key *notary_keys; /* what we sign with when we hand on keys of others */
    size_t n_notary_keys;
    int64_t refresh_ms;                       /* validity that we announce for our own */
};
/* Reads files: at load only. Lives in the arena. */
GG_CHECKED int mx_key_config_read(const struct mx_server *server, struct gg_arena *arena, struct mx_key_config *out,
                                  struct gg_error *err);
const struct mx_key_config *mx_key_config(const struct mx_server *server);

/* ---- finding (keys.c) ---- */

struct mx_key_want {
    struct gg_str server, id;
    int64_t valid_at_ms;    /* 0: any time will do */
    /* the answer: the best that could be had, valid then or not */
    bool found;
    uint8_t public_key[32];
    int64_t valid_until_ms;
};
enum mx_keys_flags {
    MX_KEYS_AWAKE = 1,   /* the servers are certainly there: they asked us */
    MX_KEYS_ANEW = 2,    /* ask though they have answered just now */
};
/* Valid at the time that was asked for? At most seven days ahead, whatever the server says (room version 5). */
bool mx_key_good(const struct mx_key_want *want);
/* Fills wants. 0 though some were not found; an error concerns all. */
GG_YIELDS GG_CHECKED int mx_keys_find(struct mx_server *server, struct mx_key_want *wants, size_t n, uint32_t flags,
                                      struct gg_arena *arena, struct gg_error *err);
/* Is that a key which everybody knows the secret of? */
bool mx_key_banned(const uint8_t public_key[32]);

/* Checks one signature set of object (the members of signatures.<signer>): the wants that belong to it, filled. */
GG_CHECKED int mx_keys_check(const struct mx_json *object, const char *signer, const struct mx_key_want *wants, size_t n,
                             struct gg_error *err);

/* ---- asking (key_fetch.c) ---- */

struct mx_key_fetcher;
struct mx_key_fetcher *mx_key_fetcher_new(struct mx_server *server, const struct mx_key_config *config);
void mx_key_fetcher_stop(struct mx_key_fetcher *fetcher); /* in a fiber: ends what runs */
void mx_key_fetcher_free(struct mx_key_fetcher *fetcher);
/* Asks each server for its keys; what comes goes to mx_keys_keep. One flight for each server; those that failed a moment
 * ago are left alone. Nothing is an error but the fiber's own end. */
GG_YIELDS int mx_key_fetch_servers(struct mx_key_fetcher *fetcher, const struct gg_str *names, size_t n, uint32_t flags);
/* Asks the trusted key servers for those of the wants that are not good yet. */
GG_YIELDS int mx_key_fetch_notaries(struct mx_key_fetcher *fetcher, const struct mx_key_want *wants, size_t n);
struct mx_key_fetcher *mx_key_fetcher_of(const struct mx_server *server);

/* What was answered, checked: goes to memory and the database. */
GG_YIELDS void mx_keys_keep(struct mx_server *server, const char *from, const struct mx_key_answer *answer,
                            struct gg_arena *arena);

#endif
