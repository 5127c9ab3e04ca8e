/* host/repl/locks_host.c: the locks of the host: ganglion/repl.h on top of locks.c. */
#include "repl/locks.h"

#include "main/host.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.repl.locks"};

static void announce(void *self, const char *name, const char *key)
{
    struct gg_host *host = self;
    struct gg_buf rest = GG_BUF_INIT;
    gg_buf_char(&rest, '[');
    gg_buf_json_string(&rest, gg_str(host->instance));
    gg_buf_char(&rest, ',');
    gg_buf_json_string(&rest, gg_str(name));
    gg_buf_char(&rest, ',');
    gg_buf_json_string(&rest, gg_str(key));
    gg_buf_char(&rest, ']');
    gg_repl_send(host, "LOCK_RELEASED", gg_buf_view(&rest));
    gg_buf_done(&rest);
}

/* ["<instance>","<lock name>","<lock key>"]; our own come back too and are ignored. */
static void on_released(void *self, const char *command, struct gg_str rest)
{
    struct gg_host *host = self;
    json_t *line = json_loadb(rest.s, rest.n, JSON_ALLOW_NUL, NULL);
    const char *instance, *name, *key;
    if (line && json_unpack(line, "[sss]", &instance, &name, &key) == 0) {
        if (strcmp(instance, host->instance) != 0)
            gg_locks_released(gg_locks_of(host), gg_str(name), gg_str(key));
    } else {
        gg_warn(&logger, "not understood: %s %.*s", command, (int)(rest.n < 200 ? rest.n : 200), rest.s);
    }
    json_decref(line);
}

struct gg_locks *gg_locks_of(struct gg_host *host)
{
    struct gg_repl *repl = gg_repl_of(host);
    if (!repl->locks) {
        struct gg_locks_options options = {.db = host->db,
                                           .scope = host->scope,
                                           .instance = host->instance,
                                           .instance_id = host->instance_id,
                                           .announce = announce,
                                           .self = host};
        repl->locks = gg_locks_new(&options);
        gg_repl_on_command(host, "LOCK_RELEASED", on_released, host);
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

bool gg_lock_inherited(struct gg_host *host, const char *name)
{
    return gg_locks_inherited(gg_locks_of(host), name);
}
