/* matrix/push/show.h: a user's push rules as m.push_rules of their account data. */
#ifndef MX_PUSH_SHOW_H
#define MX_PUSH_SHOW_H

#include <ganglion/matrix/server.h>

/* The content, as the rules are now, in the arena. */
GG_YIELDS GG_CHECKED int mx_push_rules_content(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                               struct gg_str *out, struct gg_error *err);
/* Did the rules change after this position of the stream? From memory: false means surely not. */
bool mx_push_rules_changed(const struct mx_server *server, struct gg_str user_id, int64_t position);

#endif
