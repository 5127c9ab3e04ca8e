/* balance/table.h: a plan as it is searched: which pool a request belongs to, and who is in it. For balance/ only. */
#ifndef GG_BALANCE_TABLE_H
#define GG_BALANCE_TABLE_H

#include "config/topology.h"
#include "http/router.h"

#include <ganglion/arena.h>
#include <ganglion/error.h>

struct gg_backend { /* one process, at one of its listeners */
    const char *name, *address;
    struct gg_peer peer;
    uint64_t seed; /* of its place in the order of each key */
    size_t in_flight;
    unsigned misses; /* looks in a row that found nobody */
    bool up;
};

struct gg_group { /* a pool of the plan */
    const char *name;
    const char *balance; /* "user", "source", the beginning of a parameter's name; NULL: whoever has least to do */
    struct gg_backend **members;
    size_t n, turn;
    struct gg_group *initial, *bridge; /* where first syncs and bridges go instead; NULL: here */
};

struct gg_table {
    struct gg_arena *arena;
    struct gg_router *router; /* entries' self: the group */
    struct gg_group *groups;  /* the first: for all that no rule names */
    struct gg_backend *backends;
    size_t n_groups, n_backends;
    unsigned users; /* the balancer, and requests that run by it */
};

/* json: what gg_plan_json wrote. GG_E_INVALID when it is anything else. */
GG_CHECKED int gg_table_read(struct gg_str json, struct gg_table **out, struct gg_error *err);
void gg_table_free(struct gg_table *table);                                             /* NULL is fine */
struct gg_backend *gg_table_backend(const struct gg_table *table, const char *address); /* NULL: none */

/* What the table must know of a request. */
struct gg_query_marks {
    bool since;   /* `since` or `pos` says where the client stands */
    bool bridged; /* `user_id`: an application service acts for one of its users */
};
/* The group of a request; *key_out: the path's value that it is balanced by, as sent; n 0: none. */
struct gg_group *gg_table_find(const struct gg_table *table, const char *method, struct gg_str path,
                               struct gg_query_marks marks, struct gg_str *key_out);

/* ---- choose.c ---- */

/* The member for key (n 0: the least busy), of those that are up; among tried ones none. NULL: nobody. down_too: when
 * nobody is up, one that is down: it may be back before anybody has looked. */
struct gg_backend *gg_group_choose(struct gg_group *group, struct gg_str key, struct gg_backend *const *tried,
                                   size_t n_tried, bool down_too);

#endif
