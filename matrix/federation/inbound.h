/* matrix/federation/inbound.h: what servers send us, from the request to the writer: transactions are taken in (transaction.c),
 * their events staged, and each room's staged events handled one after the other (drain.c, staged.c). */
#ifndef MX_FEDERATION_INBOUND_H
#define MX_FEDERATION_INBOUND_H

#include <ganglion/fiber.h>
#include <ganglion/map.h>
#include <ganglion/matrix/server.h>

#include "federation/inbound_read.h"
#include "storage/federation/staging.h"

enum {
    MX_FED_TXN_WAITING = 10,              /* transactions of one origin that are taken in or wait for it: honest servers send
                                             one after the other */
    MX_FED_TXN_BYTES = 128 * 1024 * 1024, /* bodies of all that wait */
};

#define MX_FED_ROOM_LOCK "federation_inbound_pdu" /* of who handles a room's staged events; Synapse's name for it */

struct mx_fed_inbound {
    struct mx_server *server;
    struct gg_scope *scope; /* NULL: stopping, or not started yet */
    struct gg_map *flights; /* transactions that are being taken in: origin, id -> struct flight (transaction.c) */
    size_t n_bytes;         /* of their bodies */
    struct gg_map *lines;   /* origin -> struct line: one at a time for each (transaction.c) */
    struct gg_map *rooms;   /* rooms to drain: id -> struct draining (drain.c) */
    struct gg_list waiting; /* those that no fiber works at yet, fairly */
    struct gg_map *busy;    /* origin -> unsigned: rooms that are drained because of it */
    unsigned n_running;
    uint64_t told;          /* how often history was told of: a page that was read before may lack it (backfill.c) */
    struct gg_map *filling; /* rooms whose history is asked for while nobody waits: id -> NULL (backfill.c) */
    struct gg_mutex big_answers; /* whole states that are read: one at a time */
    int64_t next_ms; /* no staged event gets an earlier time than one before it */
    bool sweeps; /* looks each minute for what others have left */
};

/* One transaction. *answer: {"pdus": {...}} in the arena, the same for the same origin and id. 400 when it is none, 429
 * when too many of this origin wait. What is answered is staged in the database. */
GG_YIELDS GG_CHECKED int mx_fed_transaction(struct mx_server *server, const char *origin, const char *txn_id,
                                            struct gg_str body, struct gg_arena *arena, struct gg_str *answer,
                                            struct gg_error *err);
/* Staged events wait in that room. */
void mx_fed_drain(struct mx_fed_inbound *inbound, struct gg_str room_id, struct gg_str origin);
void mx_fed_draining_free(void *draining); /* of the map */
/* Rooms that are left from earlier, here or by processes that have died. */
GG_YIELDS void mx_fed_drain_left(struct mx_fed_inbound *inbound);

/* One staged event finds its place; fresh: we do not hold it.
 * *asked: others were asked for what is missing. 0: handled, whatever became of it. Else our own trouble: it stays staged. */
GG_YIELDS GG_CHECKED int mx_fed_handle_staged(struct mx_server *server, struct gg_str room_id,
                                              const struct mx_staged *staged, bool fresh, bool *asked,
                                              struct gg_error *err);
/* rescinded.c: an event of a room that none of ours is in: only the end of an invitation is taken. */
GG_YIELDS GG_CHECKED int mx_fed_rescinded(struct mx_server *server, const char *origin, const struct mx_event *event,
                                          struct gg_arena *arena, struct gg_error *err);
/* Drops what others will bring again when far too much waits in a room. */
GG_YIELDS GG_CHECKED int mx_fed_prune_staged(struct mx_server *server, struct gg_str room_id, struct gg_error *err);

#endif
