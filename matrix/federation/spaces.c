/* matrix/federation/spaces.c: spaces and rooms that only other servers know. */
#include "federation/spaces.h"

#include "federation/client.h"
#include "rooms/children.h"

#include <ganglion/map.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>

enum {
    MAX_ANSWER = 4 << 20,
    PATIENCE_MS = 10 * 1000, /* with one server: a client waits */
    MAX_ASKED = 5,           /* servers */
    MAX_CHILDREN = 5000,
    MAX_VIA = 10,
    MAX_ALLOWED = 100,       /* rooms whose members are let in */
};

/* ---- reading an answer ---- */

static struct gg_str text_of(struct gg_str object, const char *key, struct gg_arena *arena)
{
    return mx_json_string(mx_json_get(object, key), arena);
}

static bool is_entry(struct gg_str entry, struct gg_arena *arena, struct gg_str *room_id)
{
    *room_id = mx_json_is_object(entry) ? text_of(entry, "room_id", arena) : (struct gg_str){0};
    return room_id->s != NULL && mx_room_id_valid(*room_id);
}

static bool read_child(struct gg_str event, bool suggested_only, struct gg_arena *arena, struct mx_fed_child *out)
{
    struct gg_str content = mx_json_get(event, "content"), name;
    memset(out, 0, sizeof(*out));
    out->room_id = text_of(event, "state_key", arena);
    if (!mx_json_is_object(event) || out->room_id.s == NULL || !mx_room_id_valid(out->room_id) ||
        !gg_str_is(text_of(event, "type", arena), "m.space.child") || !mx_is_space_child(content, suggested_only))
        return false;
    struct gg_str *via = GG_NEW_ARRAY(arena, struct gg_str, MAX_VIA);
    struct mx_json_iter it = mx_json_iter(mx_json_get(content, "via"));
    while (out->n_via < MAX_VIA && mx_json_next(&it))
        if (mx_server_name_valid(name = mx_json_string(it.value, arena)))
            via[out->n_via++] = name;
    out->via = via;
    out->event = event;
    return true;
}

static void read_children(struct gg_str list, bool suggested_only, struct gg_arena *arena, struct mx_fed_space *out)
{
    size_t most = mx_json_is_array(list) ? mx_json_length(list) : 0;
    most = most < MAX_CHILDREN ? most : MAX_CHILDREN;
    out->children = GG_NEW_ARRAY(arena, struct mx_fed_child, most + 1);
    struct mx_json_iter it = mx_json_iter(list);
    while (out->n_children < most && mx_json_next(&it))
        if (read_child(it.value, suggested_only, arena, &out->children[out->n_children]))
            out->n_children++;
}

/* What was told of the children goes to them. That of a space lacks its children: it is asked for apart. */
static void read_told(struct gg_str told, struct gg_str closed, struct gg_arena *arena, const struct mx_fed_space *out)
{
    struct gg_map *children = gg_map_new(NULL);
    struct gg_str room_id;
    for (size_t i = 0; i < out->n_children; i++)
        gg_map_put(children, out->children[i].room_id, &out->children[i]);
    struct mx_json_iter it = mx_json_iter(told);
    while (mx_json_is_array(told) && mx_json_next(&it)) {
        struct mx_fed_child *child = is_entry(it.value, arena, &room_id) ? gg_map_get(children, room_id) : NULL;
        if (child != NULL && !gg_str_is(text_of(it.value, "room_type", arena), "m.space"))
            child->entry = it.value;
    }
    it = mx_json_iter(closed);
    while (mx_json_is_array(closed) && mx_json_next(&it)) {
        room_id = mx_json_string(it.value, arena);
        struct mx_fed_child *child = room_id.s != NULL ? gg_map_get(children, room_id) : NULL;
        if (child != NULL)
            child->closed = true;
    }
    gg_map_free(children);
}

bool mx_fed_space_read(struct gg_str answer, struct gg_str room_id, bool suggested_only, struct gg_arena *arena,
                       struct mx_fed_space *out)
{
    struct gg_str named;
    memset(out, 0, sizeof(*out));
    out->entry = mx_json_get(answer, "room");
    if (!is_entry(out->entry, arena, &named) || !gg_str_eq(named, room_id))
        return false;
    read_children(mx_json_get(out->entry, "children_state"), suggested_only, arena, out);
    read_told(mx_json_get(answer, "children"), mx_json_get(answer, "inaccessible_children"), arena, out);
    return true;
}

/* ---- asking ---- */

static int ask_one(struct mx_server *server, struct gg_str room_id, struct gg_str name, bool suggested_only,
                   struct gg_arena *arena, struct mx_fed_space *out, bool *found, struct gg_error *err)
{
    struct gg_str body;
    const struct mx_fed_request question = {
        .destination = gg_arena_strndup(arena, name.s, name.n), .method = "GET",
        .path = mx_fed_path(arena, suggested_only ? "/_matrix/federation/v1/hierarchy/%s?suggested_only=true"
                                                  : "/_matrix/federation/v1/hierarchy/%s?suggested_only=false",
                            gg_arena_strndup(arena, room_id.s, room_id.n)),
        .timeout_ms = PATIENCE_MS, .max_answer = MAX_ANSWER};
    int rc = mx_fed_call(server, &question, arena, &body, err);
    if (rc == GG_E_CANCELLED || gg_cancelled())
        return gg_fail(err, GG_E_CANCELLED, "nobody waits any more");
    *found = rc == 0 && mx_fed_space_read(body, room_id, suggested_only, arena, out);
    *err = (struct gg_error)GG_ERROR_INIT; /* the next one may know */
    return 0;
}

int mx_fed_space(struct mx_server *server, struct gg_str room_id, const struct gg_str *via, size_t n_via, bool suggested_only,
                 struct gg_arena *arena, struct mx_fed_space *out, bool *found, struct gg_error *err)
{
    size_t asked = 0;
    int rc = 0;
    *found = false;
    for (size_t i = 0; rc == 0 && !*found && i < n_via && asked < MAX_ASKED; i++) {
        if (gg_str_is(via[i], server->name) || !mx_server_name_valid(via[i]))
            continue;
        asked++;
        rc = ask_one(server, room_id, via[i], suggested_only, arena, out, found, err);
    }
    return rc;
}

/* ---- who may know ---- */

static bool is_open(struct gg_str entry, struct gg_arena *arena)
{
    struct gg_str rule = text_of(entry, "join_rule", arena);
    return rule.s == NULL || gg_str_is(rule, "public") || gg_str_is(rule, "knock") || gg_str_is(rule, "knock_restricted") ||
           mx_json_true(mx_json_get(entry, "world_readable"));
}

int mx_fed_entry_visible(struct mx_server *server, struct gg_str user_id, struct gg_str entry, struct gg_arena *arena, bool *out,
                         struct gg_error *err)
{
    struct mx_user_rooms rooms;
    struct gg_str allowed = mx_json_get(entry, "allowed_room_ids");
    *out = is_open(entry, arena);
    if (*out || user_id.s == NULL)
        return 0;
    int rc = mx_heads_room_list(server, user_id, arena, &rooms, err);
    if (rc != 0)
        return rc;
    const struct mx_user_room *own = mx_user_rooms_find(&rooms, text_of(entry, "room_id", arena));
    *out = own != NULL && (gg_str_is(own->membership, "join") || gg_str_is(own->membership, "invite"));
    struct mx_json_iter it = mx_json_iter(allowed);
    for (size_t n = 0; !*out && n < MAX_ALLOWED && mx_json_is_array(allowed) && mx_json_next(&it); n++) {
        struct gg_str room_id = mx_json_string(it.value, arena);
        const struct mx_user_room *room = room_id.s != NULL ? mx_user_rooms_find(&rooms, room_id) : NULL;
        *out = room != NULL && gg_str_is(room->membership, "join");
    }
    return 0;
}

/* ---- showing ---- */

static bool is_text(struct gg_str v) { return mx_json_is_string(v); }
static bool is_bool(struct gg_str v) { return gg_str_is(v, "true") || gg_str_is(v, "false"); }
static bool is_count(struct gg_str v) { int64_t n; return mx_json_i64(v, &n) && n >= 0; }
static bool is_texts(struct gg_str v)
{
    struct mx_json_iter it = mx_json_iter(v);
    if (!mx_json_is_array(v))
        return false;
    while (mx_json_next(&it))
        if (!mx_json_is_string(it.value))
            return false;
    return true;
}

static const struct {
    const char *key;
    bool (*right)(struct gg_str value);
    const char *otherwise; /* what must be there, though it was not told */
} members[] = {{"room_id", is_text, NULL},
               {"room_version", is_text, NULL},
               {"name", is_text, NULL},
               {"topic", is_text, NULL},
               {"canonical_alias", is_text, NULL},
               {"num_joined_members", is_count, "0"},
               {"avatar_url", is_text, NULL},
               {"world_readable", is_bool, "false"},
               {"guest_can_join", is_bool, "false"},
               {"room_type", is_text, NULL},
               {"encryption", is_text, NULL},
               {"join_rule", is_text, NULL},
               {"allowed_room_ids", is_texts, NULL}};

void mx_fed_entry_write(struct gg_buf *out, struct gg_str entry)
{
    bool first = true;
    gg_buf_char(out, '{');
    for (size_t i = 0; i < GG_COUNT(members); i++) {
        struct gg_str value = mx_json_get(entry, members[i].key);
        if (value.s == NULL || !members[i].right(value))
            value = gg_str(members[i].otherwise);
        if (value.s == NULL)
            continue;
        gg_buf_printf(out, "%s\"%s\":", first ? "" : ",", members[i].key);
        gg_buf_str(out, value);
        first = false;
    }
}
