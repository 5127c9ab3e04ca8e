/* matrix/api/events_out.c: events in answers, with all that is shown beside them. */
#include "api/events_out.h"

#include "api/params.h"
#include "rooms/show.h"

int mx_api_access(struct gg_request *rq, struct mx_access *access, struct gg_error *err)
{
    if (gg_request_route(rq)->auth == GG_AUTH_ADMIN)
        return mx_room_access_admin(mx_server_of_request(rq), mx_api_param(rq, "room_id"), gg_request_arena(rq), access, err);
    return mx_room_access(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), mx_api_param(rq, "room_id"),
                          gg_request_arena(rq), access, err);
}

struct mx_client_format mx_api_format(struct gg_request *rq)
{
    const struct mx_requester *requester = mx_requester_of(rq);
    struct mx_client_format format = {.now_ms = gg_wall_ms(), .user_id = gg_str(requester->user_id), .old_copies = true};
    if (requester->device_id != NULL)
        format.device_id = gg_str(requester->device_id);
    return format;
}

/* What the reader is in the room now, and since which event: spares reading what they were before. */
static int now_in(struct gg_request *rq, const struct mx_access *access, struct mx_show_room *out, struct gg_error *err)
{
    const struct mx_event *member = NULL;
    int rc = access->membership.s == NULL ? 0 :
        mx_heads_state_event(mx_server_of_request(rq), access->head, "m.room.member", gg_str(mx_requester_of(rq)->user_id),
                             gg_request_arena(rq), &member, err);
    out->room_id = access->head->room_id;
    if (rc == 0 && member != NULL) {
        out->membership = member->membership;
        out->since = member->meta.stream_ordering;
    }
    return rc;
}

static void write_shown(struct gg_buf *buf, const struct mx_show *show, bool list, const struct mx_client_format *format)
{
    bool first = true;
    gg_buf_text(buf, list ? "[" : "");
    for (size_t i = 0; i < show->n; i++) {
        if (show->events[i] == NULL)
            continue;
        gg_buf_text(buf, first ? "" : ",");
        first = false;
        mx_show_write(buf, show, i, format);
    }
    gg_buf_text(buf, list ? "]" : "");
}

/* access: of those who read history, whose membership is told with each event; NULL: not told (state). */
static int write_one_or_all(struct gg_request *rq, struct gg_buf *buf, const struct mx_event *const *events, size_t n, bool list,
                            const struct mx_access *access, const struct mx_client_format *format, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_show_room room = {.n = n};
    struct mx_show show;
    int rc = mx_show_read(server, events, n, arena, &show, err);
    bool member = access != NULL && !access->admin; /* administrators look from outside */
    if (rc == 0 && member && n > 0)
        rc = now_in(rq, access, &room, err);
    if (rc == 0 && member && n > 0)
        rc = mx_show_memberships(server, format->user_id, &room, 1, &show, arena, err);
    if (rc == 0 && access != NULL)
        rc = mx_show_relations(server, format->user_id, &show, arena, err);
    if (rc == 0)
        write_shown(buf, &show, list, format);
    return rc;
}

int mx_api_write_state(struct gg_request *rq, struct gg_buf *buf, const struct mx_event *const *events, size_t n, struct gg_error *err)
{
    struct mx_client_format format = mx_api_format(rq);
    struct mx_show show;
    int rc = mx_show_read(mx_server_of_request(rq), events, n, gg_request_arena(rq), &show, err);
    if (rc == 0)
        write_shown(buf, &show, true, &format);
    return rc;
}

int mx_api_write_events(struct gg_request *rq, struct gg_buf *buf, const struct mx_event *const *events, size_t n,
                        const struct mx_access *access, struct gg_error *err)
{
    struct mx_client_format format = mx_api_format(rq);
    return write_one_or_all(rq, buf, events, n, true, access, &format, err);
}

int mx_api_write_event(struct gg_request *rq, struct gg_buf *buf, const struct mx_event *event, const struct mx_access *access,
                       bool old_copies, struct gg_error *err)
{
    struct mx_client_format format = mx_api_format(rq);
    format.old_copies = old_copies;
    return write_one_or_all(rq, buf, &event, 1, false, access, &format, err);
}

int mx_api_answer(struct gg_request *rq, struct gg_buf *buf, int rc)
{
    if (rc == 0)
        return gg_reply_buf(rq, 200, buf);
    gg_buf_done(buf);
    return rc;
}

void mx_api_write_room_token(struct gg_buf *buf, const char *key, const struct mx_token *base, const struct mx_room_token *at)
{
    struct mx_token token = *base;
    token.room = *at;
    gg_buf_printf(buf, "\"%s\":\"", key);
    mx_token_write(buf, &token);
    gg_buf_char(buf, '"');
}
