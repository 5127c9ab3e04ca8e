/* matrix/federation/fetch.h: single events asked of another server (server-server API, GET /event, GET /event_auth). */
#ifndef MX_FEDERATION_FETCH_H
#define MX_FEDERATION_FETCH_H

#include <ganglion/matrix/event.h>
#include <ganglion/matrix/server.h>

/* Events of a room by id, a few at a time; out[i] is NULL where destination has none, or one that does not stand the
 * checks, or another. Callers bound n. 0, or GG_E_CANCELLED. */
GG_YIELDS GG_CHECKED int mx_fed_fetch_events(struct mx_server *server, const char *destination, struct gg_str room_id,
                                             const struct mx_room_version *version, const struct gg_str *ids, size_t n,
                                             struct gg_arena *arena, const struct mx_event **out, struct gg_error *err);
/* The PDUs of a JSON array that stand the checks and are of this room; what we hold already is left out. list may be
 * s NULL. At most max are looked at. */
GG_YIELDS GG_CHECKED int mx_fed_checked_list(struct mx_server *server, struct gg_str room_id,
                                             const struct mx_room_version *version, struct gg_str list, size_t max,
                                             struct gg_arena *arena, const struct mx_event ***out, size_t *n_out,
                                             struct gg_error *err);
/* Which of these are rows of events (outliers and rejected ones, too)? held[i]. */
GG_YIELDS GG_CHECKED int mx_fed_are_held(struct mx_server *server, const struct gg_str *ids, size_t n,
                                         struct gg_arena *arena, bool *held, struct gg_error *err);

#endif
