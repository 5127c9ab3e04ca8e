/* matrix/sliding/connection_state.h: what is behind a struct mx_connection. For connection.c and connection_store.c. */
#ifndef MX_SLIDING_CONNECTION_STATE_H
#define MX_SLIDING_CONNECTION_STATE_H

#include "sliding/connection.h"

struct mx_connection {
    int refs;
    struct gg_arena *arena; /* holds all of it */
    struct gg_map *rooms;   /* room id -> struct mx_sliding_known */
    struct gg_map *configs; /* their text -> struct mx_room_config */
    int64_t last_used;
    struct gg_map *lazy; /* room and member -> when they were last needed lazily, plus 2: what was read of it so far */
    uint64_t aligned_id; /* 0: to none yet */
    const struct mx_sliding_known **aligned;
    const struct mx_room_config *last_config, *last_copy; /* most rooms have the same: not compared as text each time */
};

/* What is known of a member: false if nothing is. seen as mx_connection_lazy_seen has it. */
bool mx_connection_lazy_known(const struct mx_connection *connection, const struct mx_sliding_member *member,
                              int64_t *seen);
void mx_connection_lazy_note(struct mx_connection *connection, const struct mx_sliding_member *member, int64_t seen);
struct mx_connection *mx_connection_new(int64_t last_used); /* empty, one reference, may be filled */
void mx_connection_unref(void *connection);
const struct mx_connection *mx_connection_lend(struct mx_connection *connection, struct gg_arena *arena);
size_t mx_connection_bytes(const struct mx_connection *connection);
struct mx_sliding_known *mx_connection_put(struct mx_connection *connection, struct gg_str room_id);
/* The connection's own copy of a config; NULL gives NULL. */
const struct mx_room_config *mx_connection_config(struct mx_connection *connection,
                                                  const struct mx_room_config *config);
/* A new one: before with the news. */
struct mx_connection *mx_connection_after(const struct mx_connection *before, const struct mx_connection_news *news);

#endif
