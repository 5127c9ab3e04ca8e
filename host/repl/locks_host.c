/* host/repl/locks_host.c: the locks of the host: ganglion/repl.h on top of locks.c. */
#include "repl/locks.h"

#include "main/host.h"

struct gg_locks *gg_locks_of(struct gg_host *host)
{
    struct gg_repl *repl = gg_repl_of(host);
    if (!repl->locks) {
        struct gg_locks_options options = {.db = host->db,
                                           .scope = host->scope,
                                           .instance = host->instance,
                                           .instance_id = host->instance_id,
                                           .self = host};
        repl->locks = gg_locks_new(&options);
    }
    return repl->locks;
}

int gg_lock_try(struct gg_host *host, const char *name, const char *key, struct gg_lock **lock_out,
                struct gg_error *err)
{
    return gg_locks_try(gg_locks_of(host), GG_LOCK_PLAIN, name, key, false, lock_out, err);
}

int gg_lock_acquire(struct gg_host *host, const char *name, const char *key, struct gg_lock **lock_out,
                    struct gg_error *err)
{
    return gg_locks_wait(gg_locks_of(host), GG_LOCK_PLAIN, name, key, lock_out, err);
}

int gg_rwlock_acquire(struct gg_host *host, const char *name, const char *key, bool write, struct gg_lock **lock_out,
                      struct gg_error *err)
{
    return gg_locks_wait(gg_locks_of(host), write ? GG_LOCK_WRITE : GG_LOCK_READ, name, key, lock_out, err);
}
