/* matrix/directory/published.c: a page of the public list (client-server API, "Listing rooms"). */
#include "directory/published.h"

#include <ganglion/config.h>

static void add_text(struct gg_buf *out, const char *key, struct gg_str value)
{
    if (value.s == NULL)
        return;
    gg_buf_printf(out, ",\"%s\":", key);
    gg_buf_json_string(out, value);
}

static void add_bool(struct gg_buf *out, const char *key, bool value)
{
    gg_buf_printf(out, ",\"%s\":%s", key, value ? "true" : "false");
}

static void write_room(struct gg_buf *out, const struct mx_listed_room *room)
{
    gg_buf_lit(out, "{\"room_id\":");
    gg_buf_json_string(out, room->room_id);
    add_text(out, "name", room->name);
    add_text(out, "topic", room->topic);
    add_text(out, "canonical_alias", room->canonical_alias);
    gg_buf_printf(out, ",\"num_joined_members\":%lld", (long long)room->joined);
    add_text(out, "avatar_url", room->avatar_url);
    add_bool(out, "world_readable", gg_str_is(room->history_visibility, "world_readable"));
    add_bool(out, "guest_can_join", gg_str_is(room->guest_access, "can_join"));
    add_text(out, "join_rule", room->join_rule);
    add_text(out, "room_type", room->room_type);
    gg_buf_char(out, '}');
}

static void add_token(struct gg_buf *out, const char *key, const struct mx_listed_room *room, bool forwards,
                      struct gg_arena *arena)
{
    struct mx_list_token token = {room->joined, room->room_id, forwards};
    add_text(out, key, mx_list_token_text(&token, arena));
}

/* One row more than asked for tells whether there is another page in the direction of travel. */
static void write_page(struct gg_buf *out, const struct mx_listed_room *rooms, size_t n, size_t limit,
                       const struct mx_list_token *since, struct gg_arena *arena)
{
    bool forwards = since == NULL || since->forwards, more = n > limit;
    if (more && !forwards)
        rooms++; /* the extra one is the first */
    n = more ? limit : n;
    gg_buf_lit(out, "{\"chunk\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        write_room(out, &rooms[i]);
    }
    gg_buf_char(out, ']');
    if (n == 0)
        return;
    if (forwards ? more : since != NULL)
        add_token(out, "next_batch", &rooms[n - 1], true, arena);
    if (forwards ? since != NULL : more)
        add_token(out, "prev_batch", &rooms[0], false, arena);
}

int mx_published_rooms(struct mx_server *server, const struct mx_list_query *query, struct gg_arena *arena, struct gg_buf *out,
                       struct gg_error *err)
{
    struct mx_list_query q = *query;
    struct mx_listed_room *rooms;
    size_t n = 0;
    int64_t total = 0;
    if (!gg_config_bool(server->config, "enable_room_list_search")) {
        gg_buf_lit(out, "{\"chunk\":[],\"total_room_count_estimate\":0}");
        return 0;
    }
    int64_t limit = query->limit > 0 && query->limit < MX_LIST_MAX ? query->limit : MX_LIST_MAX;
    q.limit = limit + 1;
    int rc = mx_room_list_page(server, &q, arena, &rooms, &n, err);
    if (rc == 0)
        rc = mx_room_list_count(server, &q, arena, &total, err);
    if (rc != 0)
        return rc;
    write_page(out, rooms, n, (size_t)limit, q.since, arena);
    gg_buf_printf(out, ",\"total_room_count_estimate\":%lld}", (long long)total);
    return 0;
}
