/* usage/limit_notice.c: users are told that the server is full: by a message in their room of notices that is pinned there
 * for as long as it holds (client-server API, "Server Notices"). */
#include "usage/internal.h"

#include <ganglion/buf.h>
#include <ganglion/config.h>
#include <ganglion/matrix/json.h>
#include <ganglion/memory.h>

#include "rooms/notices.h"

enum { PINNED_MAX = 100 };

/* What is pinned in the room: is one of it our message; the others, as members of a JSON array. */
struct pinned {
    bool limited;
    struct gg_buf others;
};

static bool is_limit_message(const struct mx_event *event, struct gg_arena *arena)
{
    return gg_str_is(event->type, "m.room.message") &&
           gg_str_is(mx_json_string(mx_json_get(event->content, "msgtype"), arena), "m.server_notice");
}

static int read_pinned(struct mx_server *server, struct gg_str room_id, struct gg_arena *arena, struct pinned *out, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_event *state = NULL, *event;
    int rc = mx_heads_get(server, room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_heads_state_event(server, head, "m.room.pinned_events", GG_STR(""), arena, &state, err);
    struct mx_json_iter it = mx_json_iter(rc == 0 && state != NULL ? mx_json_get(state->content, "pinned") : GG_STR("[]"));
    for (size_t i = 0; rc == 0 && i < PINNED_MAX && mx_json_next(&it); i++) {
        struct gg_str id = mx_json_string(it.value, arena);
        rc = id.s != NULL ? mx_store_event(server, id, arena, &event, err) : GG_E_NOT_FOUND;
        if (rc == 0 && is_limit_message(event, arena)) {
            out->limited = true;
        } else if (rc == 0 || rc == GG_E_NOT_FOUND) {
            gg_buf_text(&out->others, out->others.n > 0 ? "," : "");
            gg_buf_str(&out->others, it.value);
        }
        if (rc == GG_E_NOT_FOUND) {
            *err = (struct gg_error)GG_ERROR_INIT;
            rc = 0;
        }
    }
    return rc;
}

static int send(struct mx_server *server, struct gg_str user_id, const char *type, bool state, const struct gg_buf *content,
                struct gg_arena *arena, struct gg_str *event_id, struct gg_error *err)
{
    struct mx_new_event event = {.type = gg_str(type), .content = gg_buf_view(content)};
    if (state)
        event.state_key = GG_STR("");
    return mx_notice_send(server, user_id, &event, arena, event_id, err);
}

static int pin(struct mx_server *server, struct gg_str user_id, struct gg_str members, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_buf content = GG_BUF_INIT;
    struct gg_str event_id;
    gg_buf_printf(&content, "{\"pinned\":[%.*s]}", GG_FMT(members));
    int rc = send(server, user_id, "m.room.pinned_events", true, &content, arena, &event_id, err);
    gg_buf_done(&content);
    return rc;
}

static int announce(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    const char *contact = gg_config_text(server->config, "admin_contact");
    struct gg_buf content = GG_BUF_INIT;
    struct gg_str event_id;
    gg_buf_lit(&content, "{\"body\":\"" MX_USAGE_FULL "\",\"msgtype\":\"m.server_notice\",\"server_notice_type\":"
                         "\"m.server_notice.usage_limit_reached\",\"limit_type\":\"" MX_USAGE_FULL_TYPE "\",\"admin_contact\":");
    if (contact != NULL)
        gg_buf_json_string(&content, gg_str(contact));
    else
        gg_buf_lit(&content, "null");
    gg_buf_char(&content, '}');
    int rc = send(server, user_id, "m.room.message", false, &content, arena, &event_id, err);
    gg_buf_clear(&content);
    if (rc == 0) {
        gg_buf_json_string(&content, event_id);
        rc = pin(server, user_id, gg_buf_view(&content), arena, err);
    }
    gg_buf_done(&content);
    return rc;
}

/* Makes the room say what is so. */
static int settle(struct mx_server *server, struct gg_str user_id, bool full, struct gg_arena *arena, struct gg_error *err)
{
    struct pinned pinned = {.others = GG_BUF_INIT};
    struct gg_str room_id;
    int rc = mx_notice_room(server, user_id, arena, &room_id, err);
    if (rc == 0 && room_id.s != NULL)
        rc = read_pinned(server, room_id, arena, &pinned, err);
    if (rc == 0 && full && !pinned.limited)
        rc = announce(server, user_id, arena, err);
    else if (rc == 0 && !full && pinned.limited)
        rc = pin(server, user_id, gg_buf_view(&pinned.others), arena, err);
    gg_buf_done(&pinned.others);
    return rc;
}

/* Only who has a place can read it. What a user was told last is remembered, or each request would look at their rooms. */
int mx_limit_tell(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct mx_usage *usage = server->usage;
    int64_t seen = 0;
    bool full = false;
    if (!usage->capped || usage->disabled)
        return 0;
    int rc = mx_usage_last_seen(server, user_id, &seen, err);
    if (rc != 0 || seen == 0)
        return rc;
    rc = mx_usage_full(server, &full, err);
    full = full && gg_config_bool(server->config, "mau_limit_alerting");
    const bool *told = mx_cache_get(usage->told, user_id);
    if (rc != 0 || (told != NULL && *told == full))
        return rc;
    struct gg_arena *arena = gg_arena_new();
    rc = settle(server, user_id, full, arena, err);
    gg_arena_free(arena);
    if (rc == 0) {
        bool *kept = gg_xmalloc(sizeof(*kept));
        *kept = full;
        mx_cache_put(usage->told, user_id, kept, sizeof(*kept), mx_cache_tick(usage->told));
    }
    return rc;
}
