/* matrix/e2ee/remote_ask.h: the same question to many servers at once, each about its own users. Private to this folder. */
#ifndef MX_E2EE_REMOTE_ASK_H
#define MX_E2EE_REMOTE_ASK_H

#include <ganglion/map.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/server.h>

/* What one server is asked, and what it said. */
struct mx_remote_ask {
    struct gg_str domain;
    size_t *items;      /* numbers of what the caller asks of this server, as they were added */
    size_t n, cap;
    struct gg_str body; /* set by the caller before asking */
    struct gg_str answer;            /* JSON object; s NULL: it failed */
    int status;                      /* for clients */
    const char *message;
};
struct mx_remote_asks {
    struct mx_remote_ask *v;
    size_t n, cap;
    struct gg_map *places; /* domain -> 1 + place; ended by the arena */
    struct gg_arena *arena;
};
void mx_remote_asks_begin(struct mx_remote_asks *asks, struct gg_arena *arena);
/* Adds an item to what the user's server is asked; a user id without a domain is asked of nobody. */
void mx_remote_asks_add(struct mx_remote_asks *asks, struct gg_str user_id, size_t item);
/* POSTs each body to path: all at once, within the time. Together the answers are bounded. */
GG_YIELDS void mx_remote_asks_run(struct mx_server *server, struct mx_remote_asks *asks, const char *path, int64_t deadline);
/* Appends `"domain":{"status":..,"message":..}` for each that failed. */
void mx_remote_asks_failures(const struct mx_remote_asks *asks, struct gg_buf *out);

#endif
