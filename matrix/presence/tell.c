/* matrix/presence/tell.c: what clients do, decided here or told to the process that decides (facts replication 8.4). */
#include "presence/internal.h"

#include <ganglion/log.h>
#include <jansson.h>

static struct gg_logger logger = {"ganglion.presence"};

enum { TELL_MS = 10 * 1000, MAX_TELLING = 100 };

static json_t *text_or_null(struct gg_str s)
{
    return s.s != NULL ? json_stringn(s.s, s.n) : json_null();
}

static int tell(struct mx_server *server, const char *method, struct gg_str user_id, json_t *body, struct gg_error *err)
{
    size_t n;
    json_t *answer = NULL;
    const char *const *writers = gg_stream_writers(server->presence, &n);
    struct gg_arena *arena = gg_arena_new();
    const char *const args[] = {gg_arena_strndup(arena, user_id.s, user_id.n), NULL};
    int64_t old = gg_get_deadline(), bound = gg_deadline(TELL_MS);
    gg_set_deadline(old < bound ? old : bound); /* a writer that is away must not hold up who syncs */
    int rc = gg_repl_call(server->host, writers[0], method, args, body, &answer, err);
    gg_set_deadline(old);
    json_decref(answer);
    json_decref(body);
    gg_arena_free(arena);
    return rc;
}

int mx_presence_set(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                    const struct mx_presence_wish *wish, struct gg_error *err)
{
    if (!server->who_is_there->tracked)
        return 0;
    if (server->who_is_there->writer != NULL)
        return mx_presence_decide(server, user_id, device_id, wish, err);
    json_t *state = json_pack("{s:s}", "presence", mx_presence_name(wish->kind));
    if (!wish->by_sync)
        json_object_set_new(state, "status_msg", text_or_null(wish->status_msg));
    return tell(server, "presence_set_state", user_id,
                json_pack("{s:o,s:o,s:b,s:b}", "device_id", text_or_null(device_id), "state", state, "force_notify",
                          wish->force_notify, "is_sync", wish->by_sync), err);
}

/* ---- who does something is active: in the background, nobody waits for it ---- */

struct bump {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str user_id, device_id;
};

static void run_bump(void *arg)
{
    struct bump *b = arg;
    struct gg_error err = GG_ERROR_INIT;
    int rc;
    if (b->server->who_is_there->writer != NULL)
        rc = mx_presence_decide_active(b->server, b->user_id, b->device_id, &err);
    else
        rc = tell(b->server, "bump_presence_active_time", b->user_id,
                  json_pack("{s:o}", "device_id", text_or_null(b->device_id)), &err);
    if (rc != 0)
        gg_debug(&logger, "activity of %s is not told: %s", b->user_id.s, err.message);
    gg_arena_free(b->arena);
}

void mx_presence_bump(struct mx_server *server, struct gg_str user_id, struct gg_str device_id)
{
    struct mx_presences *p = server->who_is_there;
    if (!p->tracked || p->scope == NULL || !mx_presence_book_active(p->book, user_id, p->times.granularity / 4) || gg_scope_count(p->scope) >= MAX_TELLING)
        return;
    struct gg_arena *arena = gg_arena_new();
    struct bump *b = GG_NEW(arena, struct bump);
    *b = (struct bump){server, arena, gg_arena_str(arena, user_id), {0}};
    if (device_id.s != NULL)
        b->device_id = gg_arena_str(arena, device_id);
    if (gg_spawn(p->scope, "presence bump", run_bump, b) == NULL)
        gg_arena_free(arena);
}
