/* matrix/e2ee/e2ee.h: what a process remembers about devices and their keys. Private to this folder. */
#ifndef MX_E2EE_E2EE_H
#define MX_E2EE_E2EE_H

#include "sync/changes.h"

#include <ganglion/fiber.h>
#include <ganglion/gather.h>
#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/server.h>

struct mx_e2ee {
    struct mx_server *server;
    struct mx_changes *inboxes;    /* user id -> newest to_device position with a message for them */
    struct mx_changes *emptied;    /* user and device -> up to where their inbox was emptied */
    struct mx_changes *list_users; /* user id -> newest device_lists position: their devices, or whom they signed */
    struct mx_changes *list_rooms; /* room id -> the same of its members' devices */
    int64_t list_seen;             /* device_lists position up to which something was announced */
    int64_t rooms_known;           /* up to where list_rooms is complete: the rooms are read after the announcement */
    bool reading;                  /* a fiber reads them */
    struct gg_scope *scope;
    struct mx_cache *counts;       /* user, device -> struct mx_key_counts */
    struct mx_cache *fallbacks;
    struct mx_cache *known;        /* local user -> keys (known_keys.h) */
    struct mx_cache *signed_by;    /* local user -> what they signed */
    struct gg_map *sent;           /* requests that were answered (sent.c) */
    struct gg_map *remote_states;  /* user id -> struct mx_remote_state (remote_state.h) */
    struct gg_map *senders;        /* devices of other servers whose events came, and that we know (remote_resync.c) */
    unsigned looks;                /* of them that are looked for now */
    struct gg_gather *sends;       /* messages to local devices, written together (to_device.c) */
    struct gg_gather *uploads;     /* keys, likewise (keys_upload.c) */
    struct gg_gather *claims;      /* (keys_claim.c) */
    bool poking, poke_again;       /* changes are being turned into pokes; more came meanwhile (pokes.c) */
};

gg_stream_apply_fn mx_to_device_apply, mx_device_lists_apply;

extern const struct gg_gather_def mx_to_device_gather, mx_keys_upload_gather, mx_keys_claim_gather;

void mx_sent_free(void *entry);
void mx_remote_state_free(void *state);
/* Fetches what could not be fetched before; arg: the server. */
GG_YIELDS void mx_remote_retry(void *arg);

#endif
