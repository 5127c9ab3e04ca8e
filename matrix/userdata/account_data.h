/* matrix/userdata/account_data.h: global and room account data, and tags (shown as m.tag). */
#ifndef MX_ACCOUNT_DATA_H
#define MX_ACCOUNT_DATA_H

#include <ganglion/matrix/server.h>

struct mx_data_row {
    struct gg_str room_id; /* s NULL: global */
    struct gg_str type, content;
};

/* What was set in (from, to], newest value of each; from 0: everything that is set. Global rows first, then by room. */
GG_YIELDS GG_CHECKED int mx_account_data_since(struct mx_server *server, struct gg_str user_id, int64_t from, int64_t to,
                                               struct gg_arena *arena, struct mx_data_row **out, size_t *n_out,
                                               struct gg_error *err);
/* What was set in (from, to] in these rooms only, by room. */
GG_YIELDS GG_CHECKED int mx_account_data_of_rooms(struct mx_server *server, struct gg_str user_id, const struct gg_str *rooms,
                                                  size_t n, int64_t from, int64_t to, struct gg_arena *arena,
                                                  struct mx_data_row **out, size_t *n_out, struct gg_error *err);
/* Can be answered from memory: false means surely not. */
bool mx_account_data_changed(struct mx_server *server, struct gg_str user_id, int64_t from);

/* On the account_data writer: room_id s NULL for global data; content: JSON object text. */
GG_YIELDS GG_CHECKED int mx_account_data_set(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                             struct gg_str type, struct gg_str content, int64_t *stream_id,
                                             struct gg_error *err);
/* 404 M_NOT_FOUND when it was never set. */
GG_YIELDS GG_CHECKED int mx_account_data_get(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                             struct gg_str type, struct gg_arena *arena, struct gg_str *out,
                                             struct gg_error *err);

#endif
