/* matrix/persist/remote.c: events handed from process to process. */
#include "writer.h"

static bool is_writer(const struct mx_server *server, struct gg_str room_id)
{
    return strcmp(mx_persist_writer(server, room_id), gg_host_instance(server->host)) == 0;
}

static int elsewhere(const struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    return gg_fail(err, GG_E_UNAVAILABLE, "the room's events are persisted by %s, which cannot be asked yet",
                   mx_persist_writer(server, room_id));
}

int mx_persist_remote(struct mx_server *server, const struct mx_requester *requester, struct gg_str room_id,
                      const struct mx_persist_item *items, size_t n, struct gg_arena *arena, int64_t *stream_orderings,
                      struct gg_str *event_ids_out, struct gg_error *err)
{
    if (!is_writer(server, room_id))
        return elsewhere(server, room_id, err);
    return mx_persist(server, room_id, items, n, arena, stream_orderings, event_ids_out, err);
}

int mx_persist_current_state(struct mx_server *server, struct gg_str room_id, struct gg_error *err)
{
    return is_writer(server, room_id) ? mx_persist_recalculate(server, room_id, err) : elsewhere(server, room_id, err);
}

void mx_persist_serve(struct mx_server *server)
{
    (void)server;
}
