/* matrix/sliding/labels.c: direct rooms and tags of a user, kept until the user's account data changes. */
#include "sliding/labels.h"

#include "sliding/part.h"
#include "userdata/account_data.h"

#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/json.h>
#include <ganglion/memory.h>

enum { CACHE_BYTES = 8 << 20 };

struct tag {
    struct gg_str name;
    const struct tag *next; /* of the same room */
};

struct mx_room_labels {
    int refs;
    int64_t as_of; /* position of the account_data stream */
    struct gg_arena *arena;
    struct gg_map *direct; /* room ids */
    struct gg_map *tags;   /* room id -> struct tag */
};

static void labels_unref(void *value)
{
    struct mx_room_labels *labels = value;
    if (--labels->refs > 0)
        return;
    gg_arena_free(labels->arena); /* and with it the maps */
    free(labels);
}

void mx_room_labels_make(struct mx_server *server)
{
    server->sliding->users =
        mx_cache_new(server, &(struct mx_cache_def){"sliding_sync_room_labels", CACHE_BYTES, labels_unref});
}

static const struct mx_room_labels *lend(struct mx_room_labels *labels, struct gg_arena *arena)
{
    labels->refs++;
    gg_arena_defer(arena, labels_unref, labels);
    return labels;
}

/* {"@user:hs": ["!room:hs", ...], ...}; what has another shape is passed over. */
static void take_direct(struct mx_room_labels *labels, struct gg_str content)
{
    struct mx_json_iter users = mx_json_iter(content);
    while (mx_json_is_object(content) && mx_json_next(&users)) {
        struct mx_json_iter rooms = mx_json_iter(users.value);
        while (mx_json_is_array(users.value) && mx_json_next(&rooms))
            if (mx_json_is_string(rooms.value))
                mx_text_add(labels->direct, mx_json_string(rooms.value, labels->arena));
    }
}

static void take_tag(struct mx_room_labels *labels, struct gg_str room_id, struct gg_str name)
{
    struct tag *tag = GG_NEW(labels->arena, struct tag);
    *tag = (struct tag){gg_arena_str(labels->arena, name), gg_map_get(labels->tags, room_id)};
    gg_map_put(labels->tags, room_id, tag);
}

static const struct gg_stmt select_labels = {
    "SELECT NULL::text, content FROM account_data WHERE user_id = $1 AND account_data_type = 'm.direct'"
    " UNION ALL SELECT room_id, tag FROM room_tags WHERE user_id = $1",
    GG_LANE_POINT};

static int read_labels(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                       struct mx_room_labels **out, struct gg_error *err)
{
    struct gg_rows *rows;
    int64_t as_of = gg_stream_upto(server->account_data);
    int rc = gg_db_read(server->db, &select_labels, GG_PARAMS(gg_p_str(user_id)), arena, &rows, err);
    if (rc != 0)
        return rc;
    struct mx_room_labels *labels = gg_xcalloc(1, sizeof(*labels));
    labels->refs = 1;
    labels->as_of = as_of;
    labels->arena = gg_arena_new();
    labels->direct = mx_text_set(labels->arena);
    labels->tags = mx_text_set(labels->arena);
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        if (gg_rows_null(rows, i, 0))
            take_direct(labels, gg_rows_str(rows, i, 1));
        else
            take_tag(labels, gg_rows_str(rows, i, 0), gg_rows_str(rows, i, 1));
    }
    *out = labels;
    return 0;
}

int mx_room_labels(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                   const struct mx_room_labels **out, struct gg_error *err)
{
    struct mx_room_labels *labels = mx_cache_get(server->sliding->users, user_id);
    if (labels != NULL && !mx_account_data_changed(server, user_id, labels->as_of)) {
        *out = lend(labels, arena);
        return 0;
    }
    int rc = read_labels(server, user_id, arena, &labels, err);
    if (rc != 0)
        return rc;
    *out = lend(labels, arena);
    size_t bytes = sizeof(*labels) + gg_arena_used(labels->arena) +
                   96 * (gg_map_count(labels->direct) + gg_map_count(labels->tags));
    mx_cache_put(server->sliding->users, user_id, labels, bytes, mx_cache_tick(server->sliding->users));
    return 0;
}

bool mx_room_is_direct(const struct mx_room_labels *labels, struct gg_str room_id)
{
    return gg_map_has(labels->direct, room_id);
}

bool mx_room_has_tag(const struct mx_room_labels *labels, struct gg_str room_id, const struct mx_texts *tags)
{
    for (const struct tag *tag = gg_map_get(labels->tags, room_id); tag != NULL; tag = tag->next)
        if (mx_texts_have(tags, tag->name))
            return true;
    return false;
}
