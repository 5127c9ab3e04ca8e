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
struct mx_push;
struct mx_notifier;
struct mx_persister;
struct mx_caches;
struct mx_accounts;
struct mx_rooms;
struct mx_tasks;
struct mx_jobs_part;
struct mx_typing;
struct mx_changes;
struct mx_lazy;
struct mx_e2ee;
struct mx_presences;
struct mx_shared;
struct mx_sliding_part;
struct mx_fed_inbound;
struct mx_fed_hints;
struct mx_fed_client;
struct mx_fed_serving;
struct mx_usage;
struct mx_delaying;
struct mx_fed_hosts_part;
struct mx_keyring;
struct mx_origin_limits;
struct mx_store;
struct mx_stats;
struct mx_media;
struct mx_previews;
struct mx_groups_part;
struct mx_appservices;
struct mx_accepting;

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
    struct mx_push *push;                    /* push rules and counts (push/push.h) */
    struct mx_accounts *accounts;
    struct mx_rooms *rooms;
    struct mx_typing *typing;
    struct mx_cache *blocked_rooms;          /* room id -> is it blocked? (rooms/blocked.h) */
    struct mx_cache *retention;              /* room id -> how long messages are shown (rooms/retention.h) */
    struct mx_jobs_part *jobs;               /* jobs/table.c */
    struct mx_tasks *tasks;                  /* tasks/tasks.h */
    struct mx_cache *related;                /* event id -> what relates to it (storage/relations_cache.h) */
    struct mx_cache *ignored_users;          /* user id -> whom they ignore (userdata/ignored.h) */
    struct mx_changes *room_changes;         /* which rooms moved since when */
    struct mx_changes *receipt_changes;      /* which rooms got receipts */
    struct mx_changes *account_data_changes; /* whose account data changed */
    struct mx_lazy *lazy_members;            /* member events that devices were sent of late */
    struct mx_e2ee *e2ee;                    /* devices and their keys (e2ee/e2ee.h) */
    struct mx_shared *shared_syncs;          /* identical requests that run now */
    struct mx_presences *who_is_there;       /* presence/presence.h */
    struct mx_sliding_part *sliding;         /* sliding sync (sliding/part.h) */
    struct mx_fed_client *fed_client;        /* asking other servers (federation/client.h) */
    struct mx_fed_serving *fed_serving;      /* what other servers ask about rooms (federation/serve.h) */
    struct mx_fed_hints *fed_hints;          /* what senders are told of new events (federation/hints.h) */
    struct mx_fed_inbound *fed_inbound;      /* what other servers send (federation/inbound.h) */
    size_t presence_waits;                   /* EDUs that wait for a room (federation/edu_presence.c) */
    struct mx_fed_hosts_part *fed_hosts;     /* which servers are in a room (federation/hosts.h) */
    struct mx_keyring *keyring;              /* other servers' keys (federation/keyring.h) */
    struct mx_origin_limits *origin_limits;  /* how much each of them may ask (federation/origin_limit.h) */
    struct mx_store *store;                  /* events and state that were read (storage/store.h) */
    struct mx_stats *stats;                  /* statistics of rooms and users (stats/stats.c) */
    struct mx_cache *room_list;              /* pages of the public list (directory/published.c) */
    struct mx_media *media;                  /* files of users (media/media.h) */
    struct mx_previews *previews;            /* previews of links (media/preview/preview.h) */
    struct gg_scope *media_upkeep;           /* what tidies them up (media/upkeep/jobs.c); NULL: another process does */
    struct mx_groups_part *groups;           /* communities (groups/part.c); NULL: off */
    struct mx_appservices *appservices;      /* bridges (appservice/services.h) */
    struct mx_accepting *accepting;          /* invites accepted for users (rooms/auto_accept.c); NULL: none are */
    struct mx_delaying *delaying;            /* events that are sent later (delayed/worker.c); NULL: not by this process */
    struct mx_cache *delays_asked;           /* their ids, by the transactions that asked for them (api/delayed.c) */
    struct mx_usage *usage;                  /* who may use the server (usage/internal.h) */
    struct mx_cache *notices_sent;           /* transactions of server notices (rooms/notices.c) */
    struct gg_gather *data_writes, *receipt_writes; /* account data, tags, receipts (userdata/write.h) */
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
/* Are certificates of what is no homeserver (identity servers, push gateways, ...) taken as they are? A switch for tests. */
GG_API bool mx_trusts_anybody(const struct mx_server *server);

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
