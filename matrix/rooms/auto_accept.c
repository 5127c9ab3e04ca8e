/* matrix/rooms/auto_accept.c: invites that are accepted without asking (config auto_accept_invites), on the one process that
 * worker_to_run_on names, else on main. Only what comes while it runs is accepted, as in Synapse. */
#include "parts.h"
#include "storage/accounts.h"
#include "userdata/route.h"
#include "userdata/streams.h"

#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/rooms.h>
#include <ganglion/matrix/store.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.rooms"};

/* TRIES: a server that invites may not be ready for the join yet. */
enum { PENDING_MAX = 10000, FIBERS = 8, TRIES = 5, FIRST_WAIT_MS = 1000 };

struct mx_accepting {
    struct gg_queue *pending; /* of struct invite */
    struct gg_scope *scope;
    struct gg_mutex marking; /* m.direct is read and written as a whole: one change at a time */
};

struct invite {
    struct gg_str event_id, room_id, user_id;
    char text[];
};

static struct mx_accepting *accepting_of(struct mx_server *server)
{
    return server->accepting;
}

/* ---- which ---- */

static struct gg_str keep(char **at, struct gg_str text)
{
    struct gg_str kept = gg_strn(*at, text.n);
    memcpy(*at, text.s, text.n);
    *at += text.n;
    return kept;
}

static struct invite *invite_new(struct gg_str event_id, struct gg_str room_id, struct gg_str user_id)
{
    struct invite *invite = gg_xmalloc(sizeof(*invite) + event_id.n + room_id.n + user_id.n + 1);
    char *at = invite->text;
    invite->event_id = keep(&at, event_id);
    invite->room_id = keep(&at, room_id);
    invite->user_id = keep(&at, user_id);
    return invite;
}

/* ["ev", [event_id, room_id, type, state_key, redacts, relates_to, membership, ...]] */
static void note(struct mx_server *server, struct gg_str fields)
{
    struct gg_str event_id = mx_row_text(fields, 0), room_id = mx_row_text(fields, 1), user_id = mx_row_text(fields, 3);
    if (!gg_str_is(mx_row_text(fields, 2), "m.room.member") || !gg_str_is(mx_row_text(fields, 6), "invite") || !event_id.s ||
        !room_id.s || !user_id.s || !mx_is_mine(server, user_id))
        return;
    struct invite *invite = invite_new(event_id, room_id, user_id);
    if (gg_queue_try_push(accepting_of(server)->pending, invite))
        return;
    gg_warn(&logger, "too many invites at once: %.*s accepts that to %.*s by hand", GG_FMT(user_id), GG_FMT(room_id));
    free(invite);
}

static void follow(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n,
                   bool moved)
{
    for (size_t i = 0; moved && i < n; i++) {
        struct mx_json_iter it = mx_json_iter(rows[i].row);
        if (gg_str_is(mx_row_text(rows[i].row, 0), "ev") && mx_json_next(&it) && mx_json_next(&it))
            note(self, it.value);
    }
}

/* ---- accepting ---- */

static bool is_direct(const struct mx_event *event)
{
    return gg_str_is(mx_json_get(event->content, "is_direct"), "true");
}

static bool is_wanted(const struct mx_server *server, const struct mx_event *event)
{
    bool direct_only = gg_config_bool(server->config, "auto_accept_invites.only_for_direct_messages");
    bool local_only = gg_config_bool(server->config, "auto_accept_invites.only_from_local_users");
    return (!direct_only || is_direct(event)) && (!local_only || mx_is_mine(server, event->sender));
}

/* The invite may have been taken back, or answered otherwise; the account may have ended. */
static int is_open(struct mx_server *server, const struct invite *invite, struct gg_arena *arena, bool *open, struct gg_error *err)
{
    static const struct gg_stmt stmt = {
        "SELECT 1 FROM local_current_membership m JOIN users u ON u.name = m.user_id WHERE m.room_id = $1 AND m.user_id = $2 AND "
        "m.event_id = $3 AND m.membership = 'invite' AND u.deactivated = 0",
        GG_LANE_POINT};
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &stmt, GG_PARAMS(gg_p_str(invite->room_id), gg_p_str(invite->user_id), gg_p_str(invite->event_id)),
                        arena, &rows, err);
    *open = rc == 0 && gg_rows_count(rows) > 0;
    return rc;
}

static int join(struct mx_server *server, const struct invite *invite, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str localpart = mx_id_localpart(invite->user_id), event_id;
    const struct mx_requester who = {.user_id = gg_arena_strndup(arena, invite->user_id.s, invite->user_id.n),
                                     .localpart = gg_arena_strndup(arena, localpart.s, localpart.n)};
    const struct mx_membership_change change = {
        .room_id = invite->room_id, .target = invite->user_id, .membership = GG_STR("join"), .action = "join"};
    return mx_room_membership(server, &who, &change, arena, &event_id, err);
}

/* The user's clients show the room among the chats with that person (client-server API, "Direct Messaging"). */
static int add_direct(struct mx_server *server, const struct invite *invite, struct gg_str other, struct gg_arena *arena,
                      struct gg_error *err)
{
    struct gg_str text = GG_STR("{}");
    struct mx_json *direct;
    int rc = mx_account_data_get(server, invite->user_id, (struct gg_str){0}, GG_STR("m.direct"), arena, &text, err);
    if (rc == GG_E_NOT_FOUND) {
        *err = (struct gg_error)GG_ERROR_INIT;
        text = GG_STR("{}");
        rc = 0;
    }
    if (rc == 0)
        rc = mx_json_parse(text, 200, arena, &direct, err);
    if (rc != 0 || direct->kind != MX_JSON_OBJECT)
        return rc;
    const char *key = gg_arena_strndup(arena, other.s, other.n);
    struct mx_json *rooms = (struct mx_json *)mx_json_member(direct, key), *list = mx_json_array(arena);
    for (uint32_t i = 0; rooms != NULL && rooms->kind == MX_JSON_ARRAY && i < rooms->n; i++) {
        if (gg_str_eq(mx_json_text(rooms->items[i]), invite->room_id))
            return 0;
        mx_json_push(list, arena, rooms->items[i]);
    }
    mx_json_push(list, arena, mx_json_new_string(arena, invite->room_id));
    mx_json_set(direct, arena, key, list);
    struct gg_buf buf = GG_BUF_INIT;
    mx_json_write(&buf, direct);
    rc = mx_account_data_put(server, invite->user_id, (struct gg_str){0}, GG_STR("m.direct"), gg_buf_view(&buf), err);
    gg_buf_done(&buf);
    return rc;
}

static int mark_direct(struct mx_server *server, const struct invite *invite, struct gg_str other, struct gg_arena *arena,
                       struct gg_error *err)
{
    struct gg_mutex *marking = &accepting_of(server)->marking;
    if (gg_mutex_lock(marking, GG_FOREVER) != 0)
        return gg_fail(err, GG_E_CANCELLED, "cancelled");
    int rc = add_direct(server, invite, other, arena, err);
    gg_mutex_unlock(marking);
    return rc;
}

static int accept(struct mx_server *server, const struct invite *invite, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const struct mx_event *event = NULL;
    bool open = false;
    int rc = mx_store_events(server, &invite->event_id, 1, false, arena, &event, err);
    if (rc == 0 && event != NULL && is_wanted(server, event))
        rc = is_open(server, invite, arena, &open, err);
    if (rc == 0 && open)
        rc = join(server, invite, arena, err);
    if (rc == 0 && open && is_direct(event))
        rc = mark_direct(server, invite, event->sender, arena, err);
    gg_arena_free(arena);
    return rc;
}

static void accept_patiently(struct mx_server *server, const struct invite *invite)
{
    int64_t wait = FIRST_WAIT_MS;
    for (int tries = 1; !gg_cancelled(); tries++, wait *= 2) {
        struct gg_error err = GG_ERROR_INIT;
        int rc = accept(server, invite, &err);
        if (rc == 0 || gg_cancelled())
            return;
        if (tries == TRIES) {
            gg_warn(&logger, "the invite of %.*s to %.*s was not accepted: %s", GG_FMT(invite->user_id), GG_FMT(invite->room_id), err.message);
            return;
        }
        if (gg_sleep(wait))
            return;
    }
}

static void work(void *arg)
{
    struct mx_server *server = arg;
    void *invite;
    while (gg_queue_pop(accepting_of(server)->pending, &invite, GG_FOREVER) == 0) {
        accept_patiently(server, invite);
        free(invite);
    }
}

/* ---- the part ---- */

static bool is_here(const struct gg_config *config)
{
    const char *worker = gg_config_text(config, "auto_accept_invites.worker_to_run_on");
    if (!gg_config_bool(config, "auto_accept_invites.enabled"))
        return false;
    return worker != NULL ? strcmp(worker, gg_topology_instance(config)) == 0 : gg_topology_is_main(config);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    if (!is_here(server->config))
        return 0;
    struct mx_accepting *a = server->accepting = gg_xcalloc(1, sizeof(*a));
    a->pending = gg_queue_new(PENDING_MAX);
    gg_mutex_init(&a->marking);
    gg_stream_follow(server->events, follow, server);
    return 0;
}

static int replicated(struct mx_server *server, struct gg_error *err)
{
    struct mx_accepting *a = accepting_of(server);
    if (a == NULL)
        return 0;
    a->scope = gg_scope_new(gg_host_scope(server->host), "invites");
    for (int i = 0; i < FIBERS; i++)
        if (gg_spawn(a->scope, "invites", work, server) == NULL)
            return gg_fail(err, GG_E_UNAVAILABLE, "no fiber for invites that are accepted");
    return 0;
}

static void stop(struct mx_server *server)
{
    struct mx_accepting *a = accepting_of(server);
    if (a == NULL || a->scope == NULL)
        return;
    gg_queue_close(a->pending);
    gg_scope_end(a->scope);
    a->scope = NULL;
}

static void free_part(struct mx_server *server)
{
    struct mx_accepting *a = accepting_of(server);
    if (a == NULL)
        return;
    gg_queue_free(a->pending);
    free(a);
    server->accepting = NULL;
}

const struct mx_part mx_part_accepting = {"accepted invites", make, NULL, stop, free_part, replicated};
