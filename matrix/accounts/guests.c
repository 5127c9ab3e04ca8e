/* guests.c: guests' tokens: no table holds them; the deployment's secret says that they are ours. */
#include <ganglion/config.h>
#include <ganglion/memory.h>

#include "accounts/accounts.h"
#include "accounts/macaroon.h"

/* The secret that is configured, else the registration's, else one drawn from the signing key (facts config 6): the
 * same in every process of a deployment. */
void mx_guests_make(struct mx_server *server)
{
    static const char *const keys[] = {"macaroon_secret_key", "registration_shared_secret"};
    struct gg_str *secret = &server->accounts->guest_secret;
    for (size_t i = 0; i < GG_COUNT(keys) && !secret->s; i++) {
        const char *text = gg_config_text(server->config, keys[i]);
        *secret = text && *text ? gg_str(gg_xstrndup(text, strlen(text))) : *secret;
    }
    if (secret->s || !server->n_keys)
        return;
    uint8_t digest[32];
    mx_sha256(gg_strn((const char *)server->keys[0].seed, sizeof server->keys[0].seed), digest);
    *secret = gg_strn(gg_xstrndup((const char *)digest, sizeof digest), sizeof digest);
}

void mx_guests_free(struct mx_server *server)
{
    struct gg_str *secret = &server->accounts->guest_secret;
    if (secret->s)
        explicit_bzero((char *)secret->s, secret->n);
    free((char *)secret->s);
    *secret = (struct gg_str){0};
}

struct gg_str mx_guest_token(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena)
{
    return gg_str(mx_guest_token_make(arena, server->accounts->guest_secret, server->name, user_id));
}

struct gg_str mx_guest_of_token(struct mx_server *server, struct gg_str token, struct gg_arena *arena)
{
    /* Macaroons begin with the length of their first packet, in base64: no other token does. */
    return gg_str_starts(token, GG_STR("MD")) ? mx_guest_token_user(arena, server->accounts->guest_secret, token)
                                              : (struct gg_str){0};
}
