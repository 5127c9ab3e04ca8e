/* ganglion/matrix/token.h: the positions that clients are given (facts database, section 7). */
#ifndef GANGLION_MATRIX_TOKEN_H
#define GANGLION_MATRIX_TOKEN_H

#include <ganglion/matrix/server.h>

enum { MX_MAX_WRITERS = 16 };
struct mx_position {               /* of a stream with several writers */
    int64_t min;                   /* all writers are at least here */
    struct { int32_t instance; int64_t pos; } ahead[MX_MAX_WRITERS]; /* ids of table instance_map */
    unsigned n_ahead;
};
struct mx_room_token {             /* "s5", "t3-5", "m5~1.7" */
    int64_t depth;                 /* of the t form; -1: a live position */
    struct mx_position at;
};
struct mx_token {
    struct mx_room_token room;
    int64_t presence, typing;
    struct mx_position receipts;
    int64_t account_data, push_rules, to_device;
    struct mx_position device_lists;
    int64_t groups, un_partial_rooms, thread_subscriptions;
    struct mx_position sticky_events, quarantined_media;
    int64_t profile_updates;
};
GG_API GG_CHECKED int mx_token_parse(struct mx_server *server, const char *text, struct mx_token *out, struct gg_error *err); /* 400 M_INVALID_PARAM */
GG_API void mx_token_write(struct gg_buf *out, const struct mx_token *token);
/* Now: what every stream has persisted. May yield the first time a writer's instance id is needed. */
GG_API GG_YIELDS GG_CHECKED int mx_token_now(struct mx_server *server, struct mx_token *out, struct gg_error *err);
GG_API bool mx_position_includes(struct mx_server *server, const struct mx_position *at, const char *instance, int64_t id);
/* Highest id that some writer may have at the position: the upper bound for queries, to be filtered with includes. */
GG_API int64_t mx_position_max(const struct mx_position *at);

#endif
