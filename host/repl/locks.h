/* repl/locks.h: the locks of this process in the database, for the rest of the host. */
#ifndef GANGLION_HOST_REPL_LOCKS_H
#define GANGLION_HOST_REPL_LOCKS_H

#include "repl/repl.h"

#include <ganglion/fiber.h>

struct gg_locks;

struct gg_locks_options {
    struct gg_db *db;
    struct gg_scope *scope;
    const char *instance;    /* name of this process: what is announced */
    const char *instance_id; /* of this start: the rows carry both, as "id:name" */
    /* Tells the other processes that a lock becomes free (LOCK_RELEASED); may be NULL. */
    void (*announce)(void *self, const char *name, const char *key);
    void *self;
    int64_t renew_ms, reap_ms, stale_ms; /* 0: 30 s, 12 s, 2 min, as all processes of a deployment */
};
struct gg_locks *gg_locks_new(const struct gg_locks_options *options);
void gg_locks_free(struct gg_locks *locks); /* NULL is fine; after stop */
/* When no other process of our name lives any more: gives back what the last one held when it died. Others would
 * have to wait until that is stale. */
GG_YIELDS GG_CHECKED int gg_locks_inherit(struct gg_locks *locks, struct gg_error *err);
bool gg_locks_inherited(const struct gg_locks *locks, const char *name); /* was one of this name among them? */
/* The host's own; made on first use, and hears LOCK_RELEASED from then on. */
struct gg_locks *gg_locks_of(struct gg_host *host);
/* Stops renewing and reaping, and gives back all that is held: before shutdown. */
GG_YIELDS void gg_locks_stop(struct gg_locks *locks);
/* Somebody released it: those who wait for it try again at once. */
void gg_locks_released(struct gg_locks *locks, struct gg_str name, struct gg_str key);

enum gg_lock_kind { GG_LOCK_PLAIN, GG_LOCK_READ, GG_LOCK_WRITE };
/* *lock_out NULL: somebody else has it. announced: its release is told to others. */
GG_YIELDS GG_CHECKED int gg_locks_try(struct gg_locks *locks, int kind, const char *name, const char *key,
                                      bool announced, struct gg_lock **lock_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int gg_locks_wait(struct gg_locks *locks, int kind, const char *name, const char *key,
                                       struct gg_lock **lock_out, struct gg_error *err);

#endif
