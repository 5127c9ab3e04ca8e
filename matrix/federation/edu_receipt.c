/* matrix/federation/edu_receipt.c: users of other servers have read up to an event (server-server API, "Receipts").
 *
 * Only m.read: private receipts never leave their server, and what else there may be means nothing here. */
#include "federation/edu_room.h"
#include "federation/people.h"

#include "userdata/receipts.h"

#include <ganglion/matrix/id.h>

enum {
    BATCH = 100,          /* receipts of one transaction */
    MAX_EVENTS = 10,      /* events that one user is said to have read at once */
    MAX_THREAD = 255,     /* bytes of a thread's name: an event id, or "main" */
};

struct reading {
    struct mx_server *server;
    const char *origin;
    const struct mx_head *head;
    struct gg_arena *arena;
    struct mx_receipt receipts[BATCH];
    size_t n;
};

/* What they point to is held by the EDU and, of rooms, by the arena. */
static int write_down(struct reading *r, struct gg_error *err)
{
    size_t n = r->n;
    r->n = 0;
    return mx_receipts_set(r->server, r->receipts, n, err);
}

/* No thread, or one that is none, is the whole room. */
static struct gg_str thread_of(const json_t *data)
{
    struct gg_str thread = mx_edu_text(data, "thread_id");
    return thread.n > 0 && thread.n <= MAX_THREAD ? thread : (struct gg_str){0};
}

static int take_user(struct reading *r, struct gg_str user_id, const json_t *said, struct gg_error *err)
{
    const json_t *events = json_object_get(said, "event_ids"), *data = json_object_get(said, "data"), *event;
    const json_t *ts = json_object_get(data, "ts");
    bool joined = false;
    size_t i;
    int rc = mx_edu_user(r->origin, user_id) ? mx_edu_joined(r->server, r->head, user_id, r->arena, &joined, err) : 0;
    if (rc != 0 || !joined || !json_is_array(events) || json_array_size(events) > MAX_EVENTS)
        return rc;
    json_array_foreach(events, i, event) {
        struct gg_str id = gg_strn(json_string_value(event), json_string_length(event));
        if (rc != 0 || id.s == NULL || !mx_event_id_valid(id))
            continue;
        r->receipts[r->n++] = (struct mx_receipt){
            .room_id = r->head->room_id, .type = GG_STR("m.read"), .user_id = user_id, .event_id = id,
            .thread_id = thread_of(data), .ts = json_is_integer(ts) ? json_integer_value(ts) : gg_wall_ms()};
        if (r->n == BATCH)
            rc = write_down(r, err);
    }
    return rc;
}

static int take_room(struct reading *r, struct gg_str room_id, const json_t *said, struct gg_error *err)
{
    const char *user_id;
    json_t *value;
    int rc = mx_edu_room(r->server, r->origin, room_id, r->arena, &r->head, err);
    if (rc != 0 || r->head == NULL)
        return rc;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(said, "m.read"), user_id, value)
        if (rc == 0)
            rc = take_user(r, gg_str(user_id), value, err);
    return rc;
}

int mx_fed_edu_receipt(struct mx_server *server, const char *origin, const json_t *content, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct reading *r = GG_NEW(arena, struct reading);
    const char *room_id;
    json_t *said;
    int rc = 0;
    r->server = server;
    r->origin = origin;
    r->arena = arena;
    json_object_foreach((json_t *)(uintptr_t)content, room_id, said)
        if (rc == 0)
            rc = take_room(r, gg_str(room_id), said, err);
    if (rc == 0)
        rc = write_down(r, err);
    gg_arena_free(arena);
    return rc;
}
