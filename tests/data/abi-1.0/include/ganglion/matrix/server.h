/* ganglion/matrix/server.h: the Matrix library of one process: who we are, and where its parts hang. */
#ifndef GANGLION_MATRIX_SERVER_H
#define GANGLION_MATRIX_SERVER_H

#include <ganglion/db.h>
#include <ganglion/host.h>
#include <ganglion/http.h>
#include <ganglion/matrix/crypto.h>
#include <ganglion/matrix/room_version.h>
#include <ganglion/repl.h>

struct mx_heads;
struct mx_notifier;
struct mx_persister;
struct mx_caches;
struct mx_accounts;
struct mx_rooms;
struct mx_typing;
struct mx_changes;
struct mx_lazy;

/* One for each process; made by mx_server_attach (called from every Matrix role's load()). Each part is made by the
 * file that owns it and is private to its folder but for its header. */
struct mx_server {
    struct gg_host *host;
    struct gg_db *db;
    const struct gg_config *config;
    const char *name;                        /* server_name */
    const struct mx_signing_key *keys;       /* the first one signs */
    size_t n_keys;
    const struct mx_room_version *default_version;
    /* streams, by wire name */
    struct gg_stream *events, *backfill, *caches_stream, *receipts, *typing_stream, *account_data, *push_rules, *pushers,
        *presence, *presence_federation, *device_lists, *to_device, *thread_subscriptions, *un_partial_rooms,
        *un_partial_events, *federation, *profile_updates, *sticky_events, *quarantined_media;
    /* parts */
    struct mx_caches *caches;
    struct mx_heads *heads;
    struct mx_notifier *notifier;
    struct mx_persister *persister;
    struct mx_accounts *accounts;
    struct mx_rooms *rooms;
    struct mx_typing *typing;
    struct mx_changes *room_changes;         /* which rooms moved since when */
    struct mx_changes *receipt_changes;      /* which rooms got receipts */
    struct mx_changes *account_data_changes; /* whose account data changed */
    struct mx_lazy *lazy_members;            /* member events that devices were sent of late */
    void *parts[16];                         /* of later issues */
};

/* Finds or makes it. Registers streams, methods' state, authenticators, schema duty; does no I/O. */
GG_API GG_CHECKED int mx_server_attach(struct gg_host *host, struct mx_server **out, struct gg_error *err);
/* load() of a role that keeps nothing of its own: its self is the server. */
GG_API GG_CHECKED int mx_role_load(struct gg_host *host, void **self_out, struct gg_error *err);
GG_API struct mx_server *mx_server_of(const struct gg_host *host);
static inline struct mx_server *mx_server_of_request(const struct gg_request *rq)
{
    return mx_server_of(gg_request_host(rq));
}
GG_API bool mx_is_mine(const struct mx_server *server, struct gg_str id); /* is the id's domain ours? */

/* Who makes a request: gg_request_principal() under GG_AUTH_USER and its kin. In the request's arena. */
struct mx_requester {
    const char *user_id, *localpart;
    const char *device_id;      /* NULL: none */
    int64_t access_token_id;    /* 0: none */
    const char *access_token;
    bool guest, admin, shadow_banned, suspended;
    const char *app_service;    /* id, or NULL */
    const char *puppeted_by;    /* the admin who acts as user_id, or NULL */
};
static inline const struct mx_requester *mx_requester_of(const struct gg_request *rq)
{
    return (const struct mx_requester *)gg_request_principal(rq);
}

#endif
