/* matrix/api/notifications.c: GET /notifications (client-server API, "Listing Notifications"). */
#include "api/notifications.h"
#include "api/params.h"

#include "push/notified.h"
#include "rooms/show.h"

#include <ganglion/matrix/store.h>
#include <errno.h>
#include <stdlib.h>

enum { DEFAULT_LIMIT = 50, MAX_LIMIT = 500 };

static int read_from(const struct gg_request *rq, int64_t *out, struct gg_error *err)
{
    const char *from = gg_request_query(rq, "from");
    char *end;
    *out = 0;
    if (!from)
        return 0;
    errno = 0;
    *out = strtoll(from, &end, 10);
    if (end == from || *end || errno)
        return gg_refuse(err, 400, "M_UNKNOWN", "Query parameter \"from\" contains unrecognised token");
    return 0;
}

static int read_query(const struct gg_request *rq, int64_t *from, int64_t *limit, bool *highlights, struct gg_error *err)
{
    const char *only = gg_request_query(rq, "only");
    int rc = read_from(rq, from, err);
    if (rc == 0)
        rc = mx_api_query_natural(rq, "limit", DEFAULT_LIMIT, limit, err);
    *limit = *limit > MAX_LIMIT ? MAX_LIMIT : *limit;
    *highlights = only && strcmp(only, "highlight") == 0;
    return rc;
}

static void write_one(struct gg_buf *out, const struct mx_push_notified *n, const struct mx_show *show, size_t i,
                      const struct mx_client_format *format)
{
    gg_buf_lit(out, "{\"room_id\":");
    gg_buf_json_string(out, n->room_id);
    gg_buf_lit(out, ",\"profile_tag\":");
    if (n->profile_tag.s)
        gg_buf_json_string(out, n->profile_tag);
    else
        gg_buf_lit(out, "null");
    gg_buf_lit(out, ",\"actions\":");
    gg_buf_str(out, n->actions);
    gg_buf_printf(out, ",\"ts\":%lld,\"event\":", (long long)n->received_ts);
    mx_show_write(out, show, i, format);
    gg_buf_printf(out, ",\"read\":%s}", n->read ? "true" : "false");
}

static void write_all(struct gg_request *rq, const struct mx_push_notified *list, size_t n, const struct mx_show *show,
                      struct gg_buf *out)
{
    const struct mx_requester *requester = mx_requester_of(rq);
    struct mx_client_format format = {.now_ms = gg_wall_ms(), .user_id = gg_str(requester->user_id),
                                      .device_id = requester->device_id ? gg_str(requester->device_id) : gg_strn(NULL, 0),
                                      .token_id = requester->access_token_id, .without_room_id = true};
    bool first = true;
    gg_buf_lit(out, "{\"notifications\":[");
    for (size_t i = 0; i < n; i++) {
        if (!show->events[i])
            continue; /* purged meanwhile */
        gg_buf_text(out, first ? "" : ",");
        write_one(out, &list[i], show, i, &format);
        first = false;
    }
    gg_buf_lit(out, "],\"next_token\":");
    if (n)
        gg_buf_printf(out, "\"%lld\"}", (long long)list[n - 1].stream_ordering);
    else
        gg_buf_lit(out, "null}");
}

int mx_api_notifications(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct mx_push_notified *list = NULL;
    struct mx_show show;
    int64_t from, limit;
    bool highlights;
    size_t n = 0;
    int rc = read_query(rq, &from, &limit, &highlights, err);
    if (rc == 0)
        rc = mx_push_list_notified(server, gg_str(mx_requester_of(rq)->user_id), from, limit, highlights, arena, &list, &n,
                                   err);
    if (rc)
        return rc;
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    const struct mx_event **events = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    for (size_t i = 0; i < n; i++)
        ids[i] = list[i].event_id;
    rc = mx_store_events(server, ids, n, false, arena, events, err);
    if (rc == 0)
        rc = mx_show_read(server, events, n, arena, &show, err);
    if (rc)
        return rc;
    struct gg_buf out = GG_BUF_INIT;
    write_all(rq, list, n, &show, &out);
    return gg_reply_buf(rq, 200, &out);
}
