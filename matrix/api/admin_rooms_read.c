/* admin_rooms_read.c: events that administrators read. Pages of history, contexts and jumps to a date are answered by the
 * handlers of the client-server API, which see everything on these routes (mx_api_access). */
#include "api/admin_rooms.h"
#include "api/events_out.h"

int mx_admin_api_room_state(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *type = gg_request_query(rq, "type");
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_access access;
    struct mx_state_entry entry;
    size_t n = 0;
    int status = mx_api_access(rq, &access, err);
    if (status)
        return status;
    size_t most = mx_state_count(access.state);
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, most + 1);
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, most + 1);
    for (size_t i = 0; type && *type ? mx_state_next_of(access.state, gg_str(type), &i, &entry)
                                     : mx_state_next(access.state, &i, &entry);)
        ids[n++] = entry.event_id;
    status = mx_store_events(mx_server_of_request(rq), ids, n, false, arena, events, err);
    if (status)
        return status;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"state\":");
    status = mx_api_write_events(rq, &out, events, n, NULL, err);
    gg_buf_char(&out, '}');
    return mx_api_answer(rq, &out, status);
}

int mx_admin_api_fetch_event(void *self, struct gg_request *rq, struct gg_error *err)
{
    const struct mx_event *event;
    int status = mx_store_event(mx_server_of_request(rq), gg_str(gg_request_param(rq, "event_id")), gg_request_arena(rq),
                                &event, err);
    if (status == GG_E_NOT_FOUND)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Event not found");
    if (status)
        return status;
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_lit(&out, "{\"event\":");
    struct mx_client_format format = {.now_ms = gg_wall_ms(), .federation = true}; /* as it stands in the graph */
    mx_event_write_client(&out, event, &format);
    gg_buf_char(&out, '}');
    return mx_api_answer(rq, &out, 0);
}
