/* matrix/sliding/connection.c: one position of a connection in memory: made once, then only read. */
#include "sliding/connection_state.h"

#include <ganglion/memory.h>
#include <stdlib.h>

struct mx_connection *mx_connection_new(int64_t last_used)
{
    struct mx_connection *c = gg_xcalloc(1, sizeof(*c));
    c->refs = 1;
    c->arena = gg_arena_new();
    c->rooms = gg_map_new(NULL);
    c->configs = gg_map_new(NULL);
    c->lazy = gg_map_new(NULL);
    c->last_used = last_used;
    return c;
}

void mx_connection_unref(void *connection)
{
    struct mx_connection *c = connection;
    if (--c->refs > 0)
        return;
    free(c->aligned);
    gg_map_free(c->lazy);
    gg_map_free(c->configs);
    gg_map_free(c->rooms);
    gg_arena_free(c->arena);
    free(c);
}

const struct mx_connection *mx_connection_lend(struct mx_connection *c, struct gg_arena *arena)
{
    c->refs++;
    gg_arena_defer(arena, mx_connection_unref, c);
    return c;
}

size_t mx_connection_bytes(const struct mx_connection *c)
{
    return sizeof(*c) + gg_arena_used(c->arena) + 100 * gg_map_count(c->lazy) +
           64 * (gg_map_count(c->rooms) + gg_map_count(c->configs));
}

const struct mx_sliding_known *mx_connection_room(const struct mx_connection *connection, struct gg_str room_id)
{
    return gg_map_get(connection->rooms, room_id);
}

const struct mx_sliding_known *const *mx_connection_aligned(const struct mx_connection *connection, uint64_t id,
                                                            const struct gg_map *places, size_t n)
{
    struct mx_connection *c =
        (struct mx_connection *)(uintptr_t)connection; /* what is remembered of it stays the same */
    struct gg_str room_id;
    void *value;
    if (c->aligned_id == id)
        return c->aligned;
    free(c->aligned);
    c->aligned = gg_xcalloc(n + 1, sizeof(*c->aligned));
    c->aligned_id = id;
    for (size_t i = 0; gg_map_next(c->rooms, &i, &room_id, &value);) {
        size_t place = (size_t)(uintptr_t)gg_map_get(places, room_id);
        if (place > 0)
            c->aligned[place - 1] = value;
    }
    return c->aligned;
}

bool mx_connection_next(const struct mx_connection *connection, size_t *cursor, const struct mx_sliding_known **out)
{
    struct gg_str key;
    void *value = NULL;
    bool more = gg_map_next(connection->rooms, cursor, &key, &value);
    *out = value;
    return more;
}

int64_t mx_connection_last_used(const struct mx_connection *connection)
{
    return connection->last_used;
}

struct mx_sliding_known *mx_connection_put(struct mx_connection *c, struct gg_str room_id)
{
    struct mx_sliding_known *known = gg_map_get(c->rooms, room_id);
    if (known == NULL) {
        known = GG_NEW(c->arena, struct mx_sliding_known);
        known->room_id = gg_arena_str(c->arena, room_id);
        gg_map_put(c->rooms, room_id, known);
    }
    return known;
}

const struct mx_room_config *mx_connection_config(struct mx_connection *c, const struct mx_room_config *config)
{
    if (config == NULL || config == c->last_config)
        return config == NULL ? NULL : c->last_copy;
    struct gg_buf key = GG_BUF_INIT;
    gg_buf_i64(&key, config->timeline_limit);
    mx_required_write(&config->required, &key);
    struct mx_room_config *copy = gg_map_get(c->configs, gg_buf_view(&key));
    if (copy == NULL) {
        copy = GG_NEW(c->arena, struct mx_room_config);
        *copy = (struct mx_room_config){config->timeline_limit, mx_required_copy(&config->required, c->arena)};
        gg_map_put(c->configs, gg_buf_view(&key), copy);
    }
    gg_buf_done(&key);
    c->last_config = config;
    c->last_copy = copy;
    return copy;
}

/* ---- lazy members: those of a position stay as they are, so that what was read is remembered ---- */

enum { MAX_LAZY = 2000 };

static void lazy_key(struct gg_buf *key, const struct mx_sliding_member *member)
{
    gg_buf_str(key, member->room_id);
    gg_buf_char(key, '\n');
    gg_buf_str(key, member->user_id);
}

bool mx_connection_lazy_known(const struct mx_connection *connection, const struct mx_sliding_member *member,
                              int64_t *seen)
{
    struct gg_buf key = GG_BUF_INIT;
    lazy_key(&key, member);
    int64_t value = (int64_t)(intptr_t)gg_map_get(connection->lazy, gg_buf_view(&key));
    gg_buf_done(&key);
    *seen = value - 2;
    return value != 0;
}

void mx_connection_lazy_note(struct mx_connection *c, const struct mx_sliding_member *member, int64_t seen)
{
    struct gg_buf key = GG_BUF_INIT;
    lazy_key(&key, member);
    if (gg_map_count(c->lazy) < MAX_LAZY || gg_map_has(c->lazy, gg_buf_view(&key)))
        gg_map_put(c->lazy, gg_buf_view(&key), (void *)(intptr_t)(seen + 2));
    gg_buf_done(&key);
}

static void lazy_after(struct mx_connection *c, const struct mx_connection *before,
                       const struct mx_connection_news *news)
{
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(before->lazy, &i, &key, &value);)
        gg_map_put(c->lazy, key, value);
    for (size_t i = 0; i < news->n_lazy; i++)
        mx_connection_lazy_note(c, &news->lazy[i], gg_wall_ms());
    for (size_t i = 0; i < news->n_stale; i++)
        mx_connection_lazy_note(c, &news->stale[i], -1);
}

static void copy_in(struct mx_connection *c, const struct mx_sliding_known *from)
{
    struct mx_sliding_known *known = mx_connection_put(c, from->room_id);
    memcpy(known->sent, from->sent, sizeof(known->sent));
    for (size_t i = 0; i < MX_SLIDING_STREAMS; i++)
        if (known->sent[i].last.s != NULL)
            known->sent[i].last = gg_arena_str(c->arena, known->sent[i].last);
    known->config = mx_connection_config(c, from->config);
}

struct mx_connection *mx_connection_after(const struct mx_connection *before, const struct mx_connection_news *news)
{
    struct mx_connection *c = mx_connection_new(gg_wall_ms());
    const struct mx_sliding_known *known;
    for (size_t i = 0; mx_connection_next(before, &i, &known);)
        copy_in(c, known);
    for (size_t i = 0; i < news->n_rooms; i++)
        copy_in(c, news->rooms[i]);
    lazy_after(c, before, news);
    c->last_config = NULL; /* may be gone by the next call */
    return c;
}

/* ---- news ---- */

/* Room for one more, in an arena: doubles. */
static void *grown(struct gg_arena *arena, void *old, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return old;
    *cap = *cap != 0 ? *cap * 2 : 16;
    void *bigger = gg_arena_array(arena, *cap, size);
    if (n > 0)
        memcpy(bigger, old, n * size);
    return bigger;
}

struct mx_sliding_known *mx_connection_change(struct mx_connection_news *news, struct gg_map *changed,
                                              const struct mx_connection *connection, struct gg_str room_id,
                                              struct gg_arena *arena)
{
    struct mx_sliding_known *known = gg_map_get(changed, room_id);
    if (known != NULL)
        return known;
    const struct mx_sliding_known *old = mx_connection_room(connection, room_id);
    known = GG_NEW(arena, struct mx_sliding_known);
    if (old != NULL)
        *known = *old;
    known->room_id = room_id;
    gg_map_put(changed, room_id, known);
    news->rooms = grown(arena, (void *)(uintptr_t)news->rooms, news->n_rooms, &news->cap_rooms, sizeof(known));
    news->rooms[news->n_rooms++] = known;
    return known;
}

void mx_connection_member(struct mx_connection_news *news, bool stale, struct gg_str room_id, struct gg_str user_id,
                          struct gg_arena *arena)
{
    struct mx_sliding_member member = {room_id, user_id};
    if (stale) {
        news->stale = grown(arena, news->stale, news->n_stale, &news->cap_stale, sizeof(member));
        news->stale[news->n_stale++] = member;
    } else {
        news->lazy = grown(arena, news->lazy, news->n_lazy, &news->cap_lazy, sizeof(member));
        news->lazy[news->n_lazy++] = member;
    }
}
