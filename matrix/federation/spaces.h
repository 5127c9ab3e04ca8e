/* matrix/federation/spaces.h: spaces and rooms that only other servers know (server-server API, "Spaces"). */
#ifndef MX_FEDERATION_SPACES_H
#define MX_FEDERATION_SPACES_H

#include <ganglion/buf.h>
#include <ganglion/matrix/server.h>

struct mx_fed_child {
    struct gg_str room_id;
    struct gg_str event;            /* the stripped m.space.child event, JSON object text */
    const struct gg_str *via;
    size_t n_via;
    struct gg_str entry;            /* what was told of the room, JSON object text; s NULL: nothing, or it is a space */
    bool closed;                    /* neither we nor our users may know it */
};
struct mx_fed_space {
    struct gg_str entry;            /* of the room, JSON object text */
    struct mx_fed_child *children;  /* in the order given */
    size_t n_children;
};

/* Asks the servers in turn. *found false: none of them tells. All in the arena. */
GG_YIELDS GG_CHECKED int mx_fed_space(struct mx_server *server, struct gg_str room_id, const struct gg_str *via, size_t n_via,
                                      bool suggested_only, struct gg_arena *arena, struct mx_fed_space *out, bool *found,
                                      struct gg_error *err);
/* May the user (s NULL: somebody without a login) be told of a room that another server told us of? */
GG_YIELDS GG_CHECKED int mx_fed_entry_visible(struct mx_server *server, struct gg_str user_id, struct gg_str entry,
                                              struct gg_arena *arena, bool *out, struct gg_error *err);
/* Appends the entry without the closing brace: what is known of such entries and of the right type. */
void mx_fed_entry_write(struct gg_buf *out, struct gg_str entry);

/* Pure: the answer to the question about a room; false: it is none. */
bool mx_fed_space_read(struct gg_str answer, struct gg_str room_id, bool suggested_only, struct gg_arena *arena,
                       struct mx_fed_space *out);

#endif
