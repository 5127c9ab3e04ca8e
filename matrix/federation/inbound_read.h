/* matrix/federation/inbound_read.h: the shapes of what other servers send: transactions, EDUs, lists of ids. Pure. */
#ifndef MX_FEDERATION_INBOUND_READ_H
#define MX_FEDERATION_INBOUND_READ_H

#include <ganglion/arena.h>
#include <ganglion/error.h>
#include <ganglion/map.h>
#include <jansson.h>

enum {
    MX_FED_TXN_PDUS = 50, /* of one transaction (server-server API, "Transactions") */
    MX_FED_TXN_EDUS = 100,
};

/* JSON arrays, borrowed from the body; s NULL: absent. */
struct mx_fed_lists {
    struct gg_str pdus, edus;
};
/* 0, or 400 M_NOT_JSON / M_BAD_JSON / M_TOO_LARGE. */
GG_CHECKED int mx_fed_lists_read(struct gg_str body, struct mx_fed_lists *out, struct gg_error *err);
/* One entry of edus: its type in the arena and its content, an object (one reference, the caller's). NULL: it is none. */
const char *mx_fed_edu_read(struct gg_str edu, struct gg_arena *arena, json_t **content);
/* Event ids of a JSON array that are not in seen, each once; out holds max. Returns how many out holds then. */
size_t mx_fed_ids_read(struct gg_str list, struct gg_map *seen, size_t max, struct gg_arena *arena, struct gg_str *out,
                       size_t n);

#endif
