/* matrix/e2ee/remote_devices.h: our copy of the devices of users of other servers who share rooms with ours (facts database
 * 3.8, 4.12; server-server API, "Device Management").
 *
 * A user is tracked while device_lists_remote_extremeties has a row for them: their server tells us of each change. Writing
 * is the work of the first writer of device_lists. */
#ifndef MX_E2EE_REMOTE_DEVICES_H
#define MX_E2EE_REMOTE_DEVICES_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/server.h>

enum {
    MX_REMOTE_DEVICES_MAX = 1000,          /* of one user; who has more gets none, as in Synapse */
    MX_REMOTE_ANSWER_MAX = 10 << 20,       /* bytes of one answer of another server */
    MX_REMOTE_NAME_MAX = 255,              /* bytes of an id of a device, or of a position */
};

/* One device, or the end of one. */
struct mx_remote_device {
    struct gg_str device_id;
    struct gg_str content; /* JSON object with "keys" and "device_display_name"; s NULL: deleted */
};
/* A whole list, as its server gives it. */
struct mx_remote_list {
    struct gg_str stream_id; /* text of a number */
    struct mx_remote_device *devices;
    size_t n;
    struct gg_str master, self_signing; /* JSON objects; s NULL: none */
    struct gg_str json;                 /* the answer itself */
};
/* The answer of GET user/devices. Devices without a usable id are left out, of equal ids the last counts. GG_E_PROTOCOL.
 * Pure. */
GG_CHECKED int mx_remote_list_read(struct gg_str json, struct gg_arena *arena, struct mx_remote_list *out, struct gg_error *err);
/* A position of another server's stream as text: a number, or a string; s NULL: neither. Pure. */
struct gg_str mx_remote_position(struct gg_str json, struct gg_arena *arena);

/* ---- storing (remote_store.c) ---- */

/* Some devices of a user changed, and that was the position of it: what it was before is not looked at. */
GG_YIELDS GG_CHECKED int mx_remote_store_devices(struct mx_server *server, struct gg_str user_id,
                                                 const struct mx_remote_device *devices, size_t n, struct gg_str stream_id,
                                                 struct gg_error *err);
/* The whole list is this; the user needs no resync any more. */
GG_YIELDS GG_CHECKED int mx_remote_store_list(struct mx_server *server, struct gg_str user_id, const struct mx_remote_list *list,
                                              struct gg_error *err);
/* Cross-signing keys that differ from those held are stored; ids: their public keys (room for 2), *n of them. */
GG_YIELDS GG_CHECKED int mx_remote_store_cross(struct mx_server *server, struct gg_str user_id, struct gg_str master,
                                               struct gg_str self_signing, struct gg_arena *arena, struct gg_str *ids, size_t *n,
                                               struct gg_error *err);
/* Their lists are to be fetched anew. */
GG_YIELDS GG_CHECKED int mx_remote_mark_stale(struct mx_server *server, const struct gg_str *users, size_t n,
                                              struct gg_error *err);
/* The last position of a user that we heard of; s NULL: not tracked. In the arena. */
GG_YIELDS GG_CHECKED int mx_remote_extremity(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                             struct gg_str *out, struct gg_error *err);
/* Is the user joined to any room that we are in? */
GG_YIELDS GG_CHECKED int mx_remote_shares_room(struct mx_server *server, struct gg_str user_id, bool *out, struct gg_error *err);

/* ---- fetching (remote_resync.c) ---- */

/* Fetches the lists of users, all at once, at the first writer of device_lists (here, if we are it): done[i] tells whether
 * the user's list is stored now, and tracked. mark: those whose fetch fails are tried again from time to time. Who fetched
 * the same list while this call waited has spared it. */
GG_YIELDS GG_CHECKED int mx_remote_resync(struct mx_server *server, const struct gg_str *users, size_t n, bool mark, bool *done,
                                          struct gg_error *err);
/* If this process is fetching the user's list just now, waits for it, no longer than the deadline (gg_now_ms()). */
GG_YIELDS void mx_remote_fetch_wait(struct mx_server *server, struct gg_str user_id, int64_t deadline);
/* The stored list as the user's server answers it: what other processes are told. s NULL: not tracked. */
GG_YIELDS GG_CHECKED int mx_remote_list_json(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                             struct gg_str *out, struct gg_error *err);
/* An event or a message came from a device of another server: if we do not know it (identity_key s NULL: no key was named),
 * the user's list is fetched in the background. */
GG_YIELDS GG_CHECKED int mx_remote_device_seen(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                               struct gg_str identity_key, struct gg_error *err);
/* An event of another server's user was taken in: if it is encrypted, the device that sent it is looked for, in the background
 * (as Synapse does). Does not yield. */
void mx_remote_device_used(struct mx_server *server, const struct mx_event *event);
/* Is this process the one that fetches and stores? */
bool mx_remote_is_keeper(const struct mx_server *server);

/* ---- what their servers tell (remote_updates.c) ---- */

struct mx_remote_update {
    struct gg_str user_id, device_id, stream_id;
    const struct gg_str *prev_ids;
    size_t n_prev;
    struct gg_str content; /* as mx_remote_device */
};
/* Applies it, or fetches the list if something is missing between what we hold and it. Of users who share no room with us
 * nothing is kept. Updates of one user are taken one after the other. */
GG_YIELDS GG_CHECKED int mx_remote_update(struct mx_server *server, const struct mx_remote_update *update, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_remote_cross_update(struct mx_server *server, struct gg_str user_id, struct gg_str master,
                                                struct gg_str self_signing, struct gg_error *err);

#endif
