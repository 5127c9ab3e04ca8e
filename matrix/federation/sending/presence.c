/* matrix/federation/sending/presence.c: what our users are is told to the servers that share rooms with them
 * (server-server API, "Presence").
 *
 * What the presence stream says of one of ours goes to all servers in their rooms when it is notable. The
 * presence_federation stream names a single server that is to hear of a user, for whatever other reason. */
#include "federation/sending/sending.h"

#include "presence/presence.h"
#include "userdata/streams.h"

#include <ganglion/memory.h>

enum { MAX_TOLD = 100000 };

struct told {
    struct mx_presence_state state; /* status_msg is our own copy */
};

static void told_free(void *value)
{
    struct told *told = value;
    free((char *)(uintptr_t)told->state.status_msg.s);
    free(told);
}

static void note_told(struct mx_sending *sending, struct gg_str user_id, const struct mx_presence_state *state)
{
    struct told *told = gg_xcalloc(1, sizeof(*told));
    if (gg_map_count(sending->told) >= MAX_TOLD)
        gg_map_clear(sending->told); /* then they are told once more */
    told->state = *state;
    if (state->status_msg.s != NULL)
        told->state.status_msg.s = gg_xstrndup(state->status_msg.s, state->status_msg.n);
    gg_map_put(sending->told, user_id, told);
}

static bool worth_telling(const struct told *told, const struct mx_presence_state *state)
{
    return told == NULL || mx_presence_notable(&told->state, state);
}

static void follow(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                   size_t n, bool moved)
{
    struct mx_sending *sending = self;
    if (!moved || sending->scope == NULL || n == 0)
        return;
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < n; i++) {
        struct mx_presence_state state;
        struct gg_str user_id;
        if (!mx_presence_read_row(rows[i].row, arena, &user_id, &state) || !mx_is_mine(sending->server, user_id) ||
            !worth_telling(gg_map_get(sending->told, user_id), &state))
            continue;
        note_told(sending, user_id, &state);
        mx_job_add(sending, MX_JOB_PRESENCE, user_id, (struct gg_str){0}, true, &state);
    }
    gg_arena_free(arena);
}

/* ["server","@user:hs"] */
static void follow_single(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                          const struct gg_row *rows, size_t n, bool moved)
{
    struct mx_sending *sending = self;
    for (size_t i = 0; moved && sending->scope != NULL && i < n; i++) {
        struct gg_str name = mx_row_text(rows[i].row, 0), user_id = mx_row_text(rows[i].row, 1);
        if (name.s != NULL && user_id.s != NULL && mx_is_mine(sending->server, user_id) && mx_dest_mine(sending, name))
            mx_job_add(sending, MX_JOB_PRESENCE_TO, name, user_id, true, NULL);
    }
}

void mx_presence_watch(struct mx_sending *sending)
{
    sending->told = gg_map_new(told_free);
    if (!mx_presence_enabled(sending->server))
        return;
    gg_stream_follow(sending->server->presence, follow, sending);
    gg_stream_follow(sending->server->presence_federation, follow_single, sending);
}

void mx_presence_end(struct mx_sending *sending)
{
    gg_map_free(sending->told);
}

/* The servers of all rooms that the user is in, each once. */
static int hosts_of_user(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str **out,
                         size_t *n_out, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    struct gg_map *all = gg_map_new(NULL);
    struct gg_str name;
    void *value;
    size_t n = 0;
    int rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct mx_fed_hosts hosts = {0};
        if (gg_str_is(rooms[i].membership, "join"))
            rc = mx_fed_hosts_in_room(server, rooms[i].room_id, arena, &hosts, err);
        if (rc == GG_E_NOT_FOUND) /* left meanwhile */
            rc = 0;
        for (size_t k = 0; rc == 0 && k < hosts.n; k++)
            gg_map_put(all, hosts.names[k], NULL);
    }
    *out = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(all) + 1);
    *n_out = 0;
    for (size_t i = 0; gg_map_next(all, &i, &name, &value);)
        (*out)[(*n_out)++] = gg_arena_str(arena, name);
    gg_map_free(all);
    return rc;
}

int mx_presence_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *names;
    size_t n = 0;
    int rc = hosts_of_user(sending->server, job->what, arena, &names, &n, err);
    if (rc == 0 && n > 0) {
        struct mx_out_edu *edu = mx_out_presence_new(job->what, &job->state);
        rc = mx_tell(sending, names, n, &edu, 1, NULL, err);
        mx_out_edu_unref(edu);
    }
    gg_arena_free(arena);
    return rc;
}

int mx_presence_tell_one(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_presence_state state = {0};
    int rc = mx_presence_get(sending->server, job->who, arena, &state, err);
    if (rc == 0) {
        struct mx_out_edu *edu = mx_out_presence_new(job->who, &state);
        rc = mx_tell(sending, &job->what, 1, &edu, 1, NULL, err);
        mx_out_edu_unref(edu);
    }
    gg_arena_free(arena);
    return rc;
}
