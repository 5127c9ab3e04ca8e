/* storage/delayed.h: the table delayed_events (facts database 4.21): events that are to be sent later. */
#ifndef MX_STORAGE_DELAYED_H
#define MX_STORAGE_DELAYED_H

#include <ganglion/matrix/server.h>

struct mx_delayed {
    struct gg_str id, localpart, device_id; /* device_id s NULL: none */
    struct gg_str room_id, type, state_key; /* state_key s NULL: no state */
    struct gg_str content;                  /* JSON object text */
    int64_t delay_ms, send_ts;
    int64_t origin_server_ts;               /* 0: none was asked for */
};

/* Keeps one, unless the user has `limit` of them: then *free_at_ms is when the first of these will be gone (0: it was kept). */
GG_YIELDS GG_CHECKED int mx_delayed_insert(struct mx_server *server, const struct mx_delayed *event, int64_t limit,
                                           int64_t *free_at_ms, struct gg_error *err);
/* *found_out: was there one of that id that is not being sent yet? */
GG_YIELDS GG_CHECKED int mx_delayed_restart(struct mx_server *server, struct gg_str id, bool *found_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_delayed_delete(struct mx_server *server, struct gg_str id, bool *found_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_delayed_delete_of_user(struct mx_server *server, struct gg_str localpart, struct gg_error *err);
/* Those of a user that are not being sent yet, by the time when they are due; id s NULL: all of them. */
GG_YIELDS GG_CHECKED int mx_delayed_list(struct mx_server *server, struct gg_str localpart, struct gg_str id,
                                         struct gg_arena *arena, struct mx_delayed **out, size_t *n_out, struct gg_error *err);

/* ---- on the main process ---- */

/* Claims what is due by now_ms, oldest first, at most `most`. begun: also what was claimed already, by a process that died. */
GG_YIELDS GG_CHECKED int mx_delayed_claim_due(struct mx_server *server, int64_t now_ms, bool begun, size_t most,
                                              struct gg_arena *arena, struct mx_delayed **out, size_t *n_out, struct gg_error *err);
/* Claims one; n_out 0: there is none of that id, or it is being sent. */
GG_YIELDS GG_CHECKED int mx_delayed_claim(struct mx_server *server, struct gg_str id, struct gg_arena *arena,
                                          struct mx_delayed **out, size_t *n_out, struct gg_error *err);
/* One that was claimed is done with. */
GG_YIELDS GG_CHECKED int mx_delayed_done(struct mx_server *server, struct gg_str id, struct gg_error *err);
/* How many wait, and when the first is due (ms). */
GG_YIELDS GG_CHECKED int mx_delayed_pending(struct mx_server *server, int64_t *n_out, int64_t *first_out, struct gg_error *err);
/* Deletes what waits for a state key that others have set at positions after `from`, up to `to` of the events stream, and
 * writes down that it was looked at up to there. */
GG_YIELDS GG_CHECKED int mx_delayed_supersede(struct mx_server *server, int64_t from, int64_t to, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_delayed_position(struct mx_server *server, int64_t *out, struct gg_error *err);

#endif
