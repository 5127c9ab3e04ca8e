/* matrix/federation/edu_presence.c: users of other servers are there or not (server-server API, "Presence").
 *
 * Heard only of users with whom one of ours shares a room: of others nobody here may see it. A server that lets one of ours
 * into a room tells who is there at once, while the room is still being written here: what is not understood now is looked
 * at again a moment later. */
#include "federation/edu_room.h"
#include "federation/people.h"

#include "presence/presence.h"
#include "storage/presence.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.federation.presence"};

enum {
    MAX_USERS = 1000,
    MAX_STATUS = 4096,
    AGAIN_MS = 1500, /* a join of usual size is written by then */
    MAX_WAITING = 64 /* EDUs of all servers */
};

/* false: it says nothing that can be understood. Texts are borrowed. Busy they may be, though our own users cannot say so:
 * the old state would stand for ever. */
static bool read_state(const json_t *said, int64_t now, struct mx_presence_seen *out)
{
    const json_t *ago = json_object_get(said, "last_active_ago");
    int kind = mx_presence_kind_of(mx_edu_text(said, "presence"));
    struct gg_str status = mx_edu_text(said, "status_msg");
    if (kind < 0)
        return false;
    *out = (struct mx_presence_seen){.user_id = mx_edu_text(said, "user_id")};
    out->state.kind = (uint8_t)kind;
    out->state.currently_active = json_is_true(json_object_get(said, "currently_active"));
    out->state.status_msg = status.n <= MAX_STATUS ? status : (struct gg_str){0};
    if (json_is_integer(ago) && json_integer_value(ago) >= 0 && json_integer_value(ago) < now)
        out->state.last_active_ts = now - json_integer_value(ago);
    return true;
}

static size_t read_push(const char *origin, const json_t *content, struct mx_presence_seen *out)
{
    const json_t *push = json_object_get(content, "push"), *said;
    int64_t now = gg_wall_ms();
    size_t i, n = 0;
    json_array_foreach(push, i, said)
        if (n < MAX_USERS && read_state(said, now, &out[n]) && mx_edu_user(origin, out[n].user_id))
            n++;
    return n;
}

/* Those of whom nobody here may know are left out. */
static int keep_known(struct mx_server *server, struct mx_presence_seen *said, size_t *n, struct gg_arena *arena,
                      struct gg_error *err)
{
    struct gg_str *users = GG_NEW_ARRAY(arena, struct gg_str, *n + 1), *found;
    size_t n_found, kept = 0;
    for (size_t i = 0; i < *n; i++)
        users[i] = said[i].user_id;
    int rc = mx_presence_in_rooms(server, users, *n, arena, &found, &n_found, err);
    if (rc != 0)
        return rc;
    struct gg_map *known = gg_map_new(NULL);
    for (size_t i = 0; i < n_found; i++)
        gg_map_put(known, found[i], NULL);
    for (size_t i = 0; i < *n; i++)
        if (gg_map_has(known, said[i].user_id))
            said[kept++] = said[i];
    gg_map_free(known);
    *n = kept;
    return 0;
}

/* *left_out: some are not known (yet). */
static int hear(struct mx_server *server, const char *origin, const json_t *content, bool *left_out, struct gg_error *err)
{
    size_t most = json_array_size(json_object_get(content, "push"));
    if (!mx_presence_tracked(server) || most == 0)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct mx_presence_seen *said = GG_NEW_ARRAY(arena, struct mx_presence_seen, most < MAX_USERS ? most : MAX_USERS);
    size_t n = read_push(origin, content, said), n_said = n;
    int rc = n > 0 ? keep_known(server, said, &n, arena, err) : 0;
    *left_out = rc == 0 && n < n_said;
    if (rc == 0 && n > 0)
        rc = mx_presence_hear(server, said, n, err);
    gg_arena_free(arena);
    return rc;
}

/* ---- once more ---- */

struct again {
    struct mx_server *server;
    json_t *content;
    size_t *waiting;
    char origin[];
};

static void hear_again(void *arg)
{
    struct again *again = arg;
    struct gg_error err = GG_ERROR_INIT;
    bool left_out;
    if (gg_sleep(AGAIN_MS) == 0 && hear(again->server, again->origin, again->content, &left_out, &err) != 0)
        gg_info(&logger, "presence that %s told: %s", again->origin, err.message);
    --*again->waiting;
    json_decref(again->content);
    free(again);
}

static void wait_for_room(struct mx_server *server, const char *origin, const json_t *content)
{
    size_t *waiting = &server->presence_waits;
    struct again *again = *waiting < MAX_WAITING ? malloc(sizeof(*again) + strlen(origin) + 1) : NULL;
    if (again == NULL)
        return;
    *again = (struct again){.server = server, .content = json_deep_copy(content), .waiting = waiting};
    strcpy(again->origin, origin);
    ++*waiting;
    if (gg_spawn(NULL, "presence of a new room", hear_again, again) != NULL)
        return;
    --*waiting;
    json_decref(again->content);
    free(again);
}

int mx_fed_edu_presence(struct mx_server *server, const char *origin, const json_t *content, struct gg_error *err)
{
    bool left_out = false;
    int rc = hear(server, origin, content, &left_out, err);
    if (left_out)
        wait_for_room(server, origin, content);
    return rc;
}
