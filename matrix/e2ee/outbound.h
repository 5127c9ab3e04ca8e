/* matrix/e2ee/outbound.h: what other servers are to be told of our users' devices (server-server API, "Device Management").
 *
 * A change stands in device_lists_changes_in_room for each room of the user; the first writer of device_lists turns these into
 * one row of device_lists_outbound_pokes for each server (pokes.c), and announces it. Who sends to a server asks for the
 * contents of EDUs, and says what was delivered (outbound.c). */
#ifndef MX_E2EE_OUTBOUND_H
#define MX_E2EE_OUTBOUND_H

#include <ganglion/matrix/server.h>

/* Something changed: on the first writer changes are turned into pokes soon, another process tells it. Does not yield. */
void mx_pokes_soon(struct mx_server *server);

struct mx_device_edu {
    const char *type;      /* "m.device_list_update", "m.signing_key_update" and its unstable name */
    struct gg_str content; /* JSON object text */
};
/* What the destination has yet to hear of changes in (from, to], at most `limit` changes (a change of a cross-signing key is
 * two EDUs): in the arena. *upto: the position up to which that is all (to, or what
 * this process knows to be written, if that is less): to be given to
 * mx_device_lists_sent once the destination has taken them, and the `from` of what follows. Rows that were sent are gone, so
 * that from may be 0. */
GG_YIELDS GG_CHECKED int mx_device_list_edus(struct mx_server *server, struct gg_str destination, int64_t from, int64_t to,
                                             size_t limit, struct gg_arena *arena, struct mx_device_edu **out, size_t *n_out,
                                             int64_t *upto, struct gg_error *err);
/* The destination has taken all up to there: it is forgotten, and the next update of each user follows on it. */
GG_YIELDS GG_CHECKED int mx_device_lists_sent(struct mx_server *server, struct gg_str destination, int64_t upto,
                                              struct gg_error *err);
/* Destinations of the pokes in (from, to], each once: whom rows [user, false, true] of the stream concern. */
GG_YIELDS GG_CHECKED int mx_device_list_destinations(struct mx_server *server, int64_t from, int64_t to, struct gg_arena *arena,
                                                     struct gg_str **out, size_t *n_out, struct gg_error *err);

#endif
