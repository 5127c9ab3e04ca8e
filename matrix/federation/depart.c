/* matrix/federation/depart.c: a user of ours turns down an invite to, knocks at, or withdraws from a room of other
 * servers (server-server API, "Leaving Rooms (Rejecting Invites)", "Knocking upon a room"). */
#include "federation/depart.h"

#include "federation/client.h"
#include "federation/handshake.h"
#include "federation/stripped_in.h"
#include "storage/federation/joined_room.h"

#include <ganglion/matrix/persist.h>

#include <ganglion/buf.h>
#include <ganglion/fiber.h>

enum { LEAVE_MS = 30000 }; /* a leave is one without the others, too */

struct departing {
    struct mx_server *server;
    struct gg_arena *arena;
    struct mx_event *event;
    struct gg_str answer;
};

static int put(struct departing *d, const char *name, const char *version, const char *what, struct gg_error *err)
{
    const struct mx_event *e = d->event;
    struct mx_fed_request request = {.destination = name,
                                     .method = "PUT",
                                     .body = mx_fed_pdu_text(e, d->arena),
                                     .max_answer = 4 * 1024 * 1024,
                                     .timeout_ms = strcmp(what, "leave") == 0 ? LEAVE_MS : 0,
                                     .ignore_backoff = strcmp(what, "leave") ==
                                                       0, /* they should hear of it, however they did lately */
                                     .path = mx_fed_path(d->arena, "/_matrix/federation/%s/send_%s/%s/%s", version,
                                                         what, gg_arena_strndup(d->arena, e->room_id.s, e->room_id.n),
                                                         gg_arena_strndup(d->arena, e->event_id.s, e->event_id.n))};
    return mx_fed_call(d->server, &request, d->arena, &d->answer, err);
}

static int send_leave(void *arg, const char *name, struct gg_error *err)
{
    int rc = put(arg, name, "v2", "leave", err);
    return rc != 0 && mx_fed_unknown_endpoint(err) ? put(arg, name, "v1", "leave", err) : rc;
}

static int send_knock(void *arg, const char *name, struct gg_error *err)
{
    return put(arg, name, "v1", "knock", err);
}

/* The knock with what the other side shows of the room: /sync shows it to our user. */
static int with_shown(const struct mx_event *event, struct gg_str state, struct gg_arena *arena, struct mx_event **out,
                      struct gg_error *err)
{
    struct mx_json *whole = mx_json_raw(arena, event->json), *unsigned_ = mx_json_member(whole, "unsigned");
    unsigned_ = unsigned_ != NULL ? mx_json_copy_level(unsigned_, arena) : mx_json_object(arena);
    mx_json_set(unsigned_, arena, "knock_room_state", mx_json_raw(arena, mx_stripped_clean(state, arena)));
    mx_json_set(whole, arena, "unsigned", unsigned_);
    return mx_fed_event_remade(event, whole, arena, out, err);
}

/* As an outlier that /sync shows to our user all the same. */
static int keep(struct departing *d, struct mx_joined *out, struct gg_error *err)
{
    const struct mx_event *stored;
    struct mx_persist_item item = {.event = d->event};
    int rc = mx_joined_room_know(d->server, d->event->room_id, d->event->version, err);
    if (rc == 0)
        rc = mx_persist_remote(d->server, NULL, d->event->room_id, &item, 1, d->arena, &out->stream, NULL, err);
    if (rc == 0 && out->stream == 0) {
        rc = mx_store_event(d->server, d->event->event_id, d->arena, &stored, err);
        out->stream = rc == 0 ? stored->meta.stream_ordering : 0;
    }
    out->event_id = gg_arena_str(d->arena, d->event->event_id);
    return rc;
}

static int make(struct departing *d, struct mx_candidates *servers, const char *membership,
                const struct mx_join *change, struct gg_error *err)
{
    const struct mx_handshake h = {.membership = membership,
                                   .room_id = change->room_id,
                                   .user_id = change->user_id,
                                   .content = change->content,
                                   .meta = {.outlier = true, .out_of_band = true}};
    struct mx_made made;
    int rc = mx_fed_make(d->server, servers, &h, d->arena, &made, err);
    if (rc != 0)
        return rc;
    d->event = made.event;
    mx_candidates_prefer(servers, made.origin);
    return 0;
}

int mx_fed_leave(struct mx_server *server, struct mx_candidates *servers, const struct mx_join *leave,
                 struct gg_arena *arena, struct mx_joined *out, struct gg_error *err)
{
    struct departing d = {.server = server, .arena = arena};
    int rc = make(&d, servers, "leave", leave, err);
    if (rc == 0)
        rc = mx_candidates_ask(servers, "send_leave", NULL, send_leave, &d, err);
    return rc == 0 ? keep(&d, out, err) : rc;
}

int mx_fed_knock(struct mx_server *server, struct mx_candidates *servers, const struct mx_join *knock,
                 struct gg_arena *arena, struct mx_joined *out, struct gg_error *err)
{
    struct departing d = {.server = server, .arena = arena};
    int rc = make(&d, servers, "knock", knock, err);
    if (rc == 0)
        rc = mx_candidates_ask(servers, "send_knock", NULL, send_knock, &d, err);
    if (rc == 0)
        rc = with_shown(d.event, mx_json_get(d.answer, "knock_room_state"), arena, &d.event, err);
    return rc == 0 ? keep(&d, out, err) : rc;
}
