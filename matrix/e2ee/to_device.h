/* matrix/e2ee/to_device.h: messages from device to device (client-server API, "Send-to-Device messaging"). */
#ifndef MX_E2EE_TO_DEVICE_H
#define MX_E2EE_TO_DEVICE_H

#include <ganglion/matrix/server.h>

enum {
    MX_TO_DEVICE_BATCH = 100,         /* messages in one answer of /sync */
    MX_TO_DEVICE_MAX_BYTES = 65536,   /* of one message's content: what fits into an EDU */
};

/* ---- reading: on any process ---- */

/* Messages of the device in (after, upto], oldest first, at most limit: each a JSON object {"content","type","sender"} in
 * the arena. *reached: the position that the client acknowledges with them: that of the last one if there may be more,
 * else upto. Answered from memory when nothing came since. */
GG_YIELDS GG_CHECKED int mx_to_device_after(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                            int64_t after, int64_t upto, size_t limit, struct gg_arena *arena,
                                            struct gg_str **out, size_t *n_out, int64_t *reached, struct gg_error *err);
/* The client has them up to here (the token of an answer is its acknowledgement). Writes only when something may be
 * there to delete. */
GG_YIELDS GG_CHECKED int mx_to_device_acknowledge(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                                                  int64_t upto, struct gg_error *err);

/* ---- sending: on the to_device writer ---- */

struct mx_to_device_message {
    struct gg_str user_id, device_id; /* device_id "*": every device of the user, if every is set */
    struct gg_str content;            /* JSON object text */
    bool every;
};
/* Puts messages of one type into the inboxes of local devices (who has no such device gets nothing) and those for other
 * servers' users where they wait to be sent, all or none of it. */
GG_YIELDS GG_CHECKED int mx_to_device_send(struct mx_server *server, struct gg_str sender, struct gg_str type,
                                           const struct mx_to_device_message *messages, size_t n, struct gg_error *err);
/* The same of what another server sent under a message id of its own: once, however often it comes. Users who are not ours
 * get nothing. */
GG_YIELDS GG_CHECKED int mx_to_device_receive(struct mx_server *server, struct gg_str origin, struct gg_str message_id,
                                              struct gg_str sender, struct gg_str type,
                                              const struct mx_to_device_message *messages, size_t n, struct gg_error *err);
/* The `messages` member of a request, {user: {device: content}}, checked. 400 M_BAD_JSON; 413 M_TOO_LARGE. Entries whose
 * user id is none are left out, as Synapse does. Pure. */
GG_CHECKED int mx_to_device_read(struct gg_str messages, struct gg_arena *arena, struct mx_to_device_message **out,
                                 size_t *n_out, struct gg_error *err);

/* ---- requests that come twice (sent.c) ---- */

struct mx_sent;
/* A request known by key (who asks, and for what) runs once: *first false: it was done, also by a fiber that was at it
 * when this one came, and the answer is the same. *first true: do it, and tell how it went. */
GG_YIELDS GG_CHECKED int mx_sent_begin(struct mx_server *server, struct gg_str key, struct mx_sent **out, bool *first,
                                       struct gg_error *err);
void mx_sent_end(struct mx_server *server, struct mx_sent *sent, bool done);

#endif
