/* matrix/sync/follow.c: turns what the streams bring into changes that are noted and waiters that are woken. */
#include "sync/follow.h"

#include "sync/changes.h"
#include "sync/sync.h"
#include "userdata/streams.h"

#include <ganglion/matrix/json.h>
#include <ganglion/matrix/notifier.h>

struct mx_changes *mx_sync_room_changes(struct mx_server *server)
{
    return server->room_changes;
}

static struct gg_str fields_of(struct gg_str row)
{
    struct mx_json_iter it = mx_json_iter(row);
    return mx_json_next(&it) && mx_json_next(&it) ? it.value : (struct gg_str){0};
}

/* events: ["ev", [event_id, room_id, type, state_key, ...]], ["state", [room_id, ...]] (facts replication 5.1) */
static void follow_events(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                          const struct gg_row *rows, size_t n, bool moved)
{
    struct mx_server *server = self;
    for (size_t i = 0; i < n; i++) {
        struct gg_str kind = mx_row_text(rows[i].row, 0), fields = fields_of(rows[i].row);
        bool event = gg_str_is(kind, "ev");
        struct gg_str room_id = mx_row_text(fields, event ? 1 : 0);
        if (room_id.s == NULL)
            continue;
        if (!moved) {
            mx_changes_note(mx_sync_room_changes(server), room_id, token);
            continue;
        }
        mx_notify_room(server, room_id);
        if (event && gg_str_is(mx_row_text(fields, 2), "m.room.member") && mx_row_text(fields, 3).s != NULL)
            mx_notify_user(server, mx_row_text(fields, 3)); /* an invited user does not wait for the room yet */
    }
}

void mx_sync_follow(struct mx_server *server)
{
    gg_stream_follow(server->events, follow_events, server);
}

void mx_sync_start(struct mx_server *server)
{
    mx_changes_start(mx_sync_room_changes(server), gg_stream_max_seen(server->events));
}
