/* matrix/directory/published.c: a page of the public list (client-server API, "Listing rooms"). */
#include "directory/published.h"

#include "parts.h"

#include <ganglion/config.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>

enum {
    KEEP_BYTES = 4 << 20,
    KEEP_MS = 10000,     /* how old a page of a large list may be */
    LARGE = 1000,        /* rooms from which on pages are kept: smaller lists are told as they are */
};

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

/* ---- pages that are kept ---- */

struct kept {
    int64_t until;
    size_t n;
    char text[];
};

static struct mx_cache *cache_of(const struct mx_server *server)
{
    return server->room_list;
}

/* Searches are not kept: few ask for the same. */
static struct gg_str key_of(const struct mx_list_query *q, struct gg_arena *arena)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_printf(&buf, "%d|%lld|%d|%d|", (int)q->scope, (long long)q->limit, q->typed + 2 * q->untyped, q->federatable);
    if (q->since != NULL)
        gg_buf_str(&buf, mx_list_token_text(q->since, arena));
    gg_buf_printf(&buf, "|%.*s|%.*s", GG_FMT(q->appservice), GG_FMT(q->network));
    for (size_t i = 0; i < q->n_room_types; i++)
        gg_buf_printf(&buf, "|%zu:%.*s", q->room_types[i].n, GG_FMT(q->room_types[i]));
    struct gg_str key = gg_arena_str(arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
    return key;
}

static bool write_kept(struct mx_server *server, struct gg_str key, struct gg_buf *out)
{
    const struct kept *kept = mx_cache_get(cache_of(server), key);
    if (kept == NULL || kept->until < gg_now_ms())
        return false;
    gg_buf_add(out, kept->text, kept->n);
    return true;
}

static void keep(struct mx_server *server, struct gg_str key, struct gg_str text, uint64_t tick)
{
    struct kept *kept = gg_xmalloc(sizeof(*kept) + text.n);
    kept->until = gg_deadline(KEEP_MS);
    kept->n = text.n;
    memcpy(kept->text, text.s, text.n);
    mx_cache_put(cache_of(server), key, kept, sizeof(*kept) + text.n, tick);
}

void mx_published_forget(struct mx_server *server)
{
    mx_cache_clear(cache_of(server));
}

static int make(struct mx_server *server, struct gg_error *err)
{
    server->room_list = mx_cache_new(server, &(struct mx_cache_def){"room_list", KEEP_BYTES, NULL});
    return 0;
}

const struct mx_part mx_part_directory = {.name = "directory", .make = make};

/* ---- the answer ---- */

static int work_out(struct mx_server *server, const struct mx_list_query *query, struct gg_arena *arena, struct gg_buf *out,
                    int64_t *total, struct gg_error *err)
{
    struct mx_list_query q = *query;
    struct mx_listed_room *rooms;
    size_t n = 0;
    int64_t limit = query->limit > 0 && query->limit < MX_LIST_MAX ? query->limit : MX_LIST_MAX;
    q.limit = limit + 1;
    int rc = mx_room_list_page(server, &q, arena, &rooms, &n, err);
    if (rc == 0)
        rc = mx_room_list_count(server, &q, arena, total, err);
    if (rc != 0)
        return rc;
    write_page(out, rooms, n, (size_t)limit, q.since, arena);
    gg_buf_printf(out, ",\"total_room_count_estimate\":%lld}", (long long)*total);
    return 0;
}

int mx_published_rooms(struct mx_server *server, const struct mx_list_query *query, struct gg_arena *arena, struct gg_buf *out,
                       struct gg_error *err)
{
    int64_t total = 0;
    bool may_keep = query->term.s == NULL;
    struct gg_str key = may_keep ? key_of(query, arena) : (struct gg_str){0};
    uint64_t tick = mx_cache_tick(cache_of(server));
    if (!gg_config_bool(server->config, "enable_room_list_search")) {
        gg_buf_lit(out, "{\"chunk\":[],\"total_room_count_estimate\":0}");
        return 0;
    }
    if (may_keep && write_kept(server, key, out))
        return 0;
    int rc = work_out(server, query, arena, out, &total, err);
    if (rc == 0 && may_keep && total >= LARGE)
        keep(server, key, gg_buf_view(out), tick);
    return rc;
}
