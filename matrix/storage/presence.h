/* storage/presence.h: table presence_stream: the last that was told of each user (facts database 3.11, 4.11). */
#ifndef MX_STORAGE_PRESENCE_H
#define MX_STORAGE_PRESENCE_H

#include "presence/presence.h"

struct mx_presence_row {
    int64_t stream_id;
    struct gg_str user_id;
    struct mx_presence_state state;
};

/* One transaction: the rows take the place of what stood for their users. */
GG_YIELDS GG_CHECKED int mx_presence_store(struct mx_server *server, const struct mx_presence_row *rows, size_t n,
                                           struct gg_error *err);
/* Users who were not offline. */
GG_YIELDS GG_CHECKED int mx_presence_load(struct mx_server *server, struct gg_arena *arena, struct mx_presence_row **out,
                                          size_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_presence_load_users(struct mx_server *server, const struct gg_str *users, size_t n,
                                                struct gg_arena *arena, struct mx_presence_row **out, size_t *n_out,
                                                struct gg_error *err);
/* Those who are joined to one of the rooms, or are `self`; from 0 and all false: no offline ones. */
GG_YIELDS GG_CHECKED int mx_presence_load_sharing(struct mx_server *server, struct gg_str self, const struct gg_str *rooms,
                                                  size_t n, int64_t from, bool all, struct gg_arena *arena,
                                                  struct mx_presence_row **out, size_t *n_out, struct gg_error *err);
/* Which of the users are joined to one of the rooms. */
GG_YIELDS GG_CHECKED int mx_presence_share(struct mx_server *server, const struct gg_str *users, size_t n_users,
                                           const struct gg_str *rooms, size_t n_rooms, struct gg_arena *arena,
                                           struct gg_str **out, size_t *n_out, struct gg_error *err);
/* Which of the users are joined to any room whose state we hold. */
GG_YIELDS GG_CHECKED int mx_presence_in_rooms(struct mx_server *server, const struct gg_str *users, size_t n,
                                              struct gg_arena *arena, struct gg_str **out, size_t *n_out, struct gg_error *err);
/* The rooms that a user of another server is joined to, as far as we know. */
GG_YIELDS GG_CHECKED int mx_presence_rooms_of(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                              struct gg_str **out, size_t *n_out, struct gg_error *err);

#endif
