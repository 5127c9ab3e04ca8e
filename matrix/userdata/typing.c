/* matrix/userdata/typing.c: who is typing (facts replication 5.5).
 *
 * The typing stream's writer decides (it alone knows when somebody's time is up) and announces the full list of a room
 * whenever it changes; every process, the writer too, keeps what was announced last. */
#include "userdata/typing.h"

#include "sync/changes.h"
#include "userdata/streams.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/notifier.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { MAX_ROOMS = 50000, MAX_USERS = 1000, SWEEP_MS = 1000 };

struct typist {
    char *user_id;
    int64_t until;      /* gg_now_ms() of the end; on the writer only */
};

struct typing_room {
    int64_t token;
    size_t n;
    struct typist *users;
};

struct mx_typing {
    struct mx_server *server;
    struct gg_map *rooms;
    struct mx_changes *changes;
    int64_t token;
};

static void room_clear(struct typing_room *room)
{
    for (size_t i = 0; i < room->n; i++)
        free(room->users[i].user_id);
    free(room->users);
    room->users = NULL;
    room->n = 0;
}

static void room_free(void *value)
{
    room_clear(value);
    free(value);
}

static struct typist *find(struct typing_room *room, struct gg_str user_id)
{
    for (size_t i = 0; room != NULL && i < room->n; i++)
        if (gg_str_is(user_id, room->users[i].user_id))
            return &room->users[i];
    return NULL;
}

/* ---- what was announced ---- */

/* Rooms where nobody types are kept so that clients hear of the end. When there are too many these go, and where there
 * are typists everywhere, the room that changed longest ago. */
static void make_place(struct mx_typing *typing)
{
    if (gg_map_count(typing->rooms) < MAX_ROOMS)
        return;
    size_t i = 0;
    struct gg_str key, oldest = {0};
    void *value;
    int64_t oldest_token = INT64_MAX;
    while (gg_map_next(typing->rooms, &i, &key, &value)) {
        const struct typing_room *room = value;
        if (room->n == 0) {
            gg_map_delete(typing->rooms, key);
        } else if (room->token < oldest_token) {
            oldest_token = room->token;
            oldest = key;
        }
    }
    if (gg_map_count(typing->rooms) >= MAX_ROOMS)
        gg_map_delete(typing->rooms, oldest);
}

static struct typing_room *room_for(struct mx_typing *typing, struct gg_str room_id)
{
    struct typing_room *room = gg_map_get(typing->rooms, room_id);
    if (room != NULL)
        return room;
    make_place(typing);
    room = gg_xcalloc(1, sizeof(*room));
    gg_map_put(typing->rooms, room_id, room);
    return room;
}

/* ["!room",["@a:hs"]] replaces the room's list; those who stay keep their time. */
static void replace(struct mx_typing *typing, int64_t token, struct gg_str row)
{
    struct gg_str room_id = mx_row_text(row, 0);
    struct mx_json_iter it = mx_json_iter(row);
    if (room_id.s == NULL || !mx_json_next(&it) || !mx_json_next(&it) || !mx_json_is_array(it.value))
        return;
    struct typing_room *room = room_for(typing, room_id), old = *room;
    size_t n = mx_json_length(it.value);
    room->token = token;
    mx_changes_note(typing->changes, room_id, token);
    room->n = 0;
    room->users = gg_xcalloc((n < MAX_USERS ? n : MAX_USERS) + 1, sizeof(*room->users));
    for (struct mx_json_iter users = mx_json_iter(it.value); mx_json_next(&users) && room->n < MAX_USERS;) {
        if (!mx_json_is_string(users.value))
            continue;
        struct gg_str user_id = gg_strn(users.value.s + 1, users.value.n - 2);
        const struct typist *before = find(&old, user_id);
        room->users[room->n].user_id = gg_xstrndup(user_id.s, user_id.n);
        room->users[room->n++].until = before != NULL ? before->until : 0;
    }
    room_clear(&old);
}

void mx_typing_apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                     size_t n, bool moved)
{
    struct mx_server *server = self;
    struct mx_typing *typing = server->typing;
    if (!moved && token < typing->token) {
        gg_map_clear(typing->rooms); /* the writer has started afresh: what it said before is void */
        mx_changes_start(typing->changes, 0);
    }
    typing->token = token;
    for (size_t i = 0; i < n; i++) {
        if (moved)
            mx_notify_room(server, mx_row_text(rows[i].row, 0));
        else
            replace(typing, token, rows[i].row);
    }
}

/* ---- the writer ---- */

static void write_list(const struct typing_room *room, struct gg_buf *out)
{
    gg_buf_char(out, '[');
    for (size_t i = 0; room != NULL && i < room->n; i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        gg_buf_json_string(out, gg_str(room->users[i].user_id));
    }
    gg_buf_char(out, ']');
}

/* The room's list without those whose time is up and without `leaver`, with `joiner`; n 0: nobody. */
static void announce(struct mx_server *server, struct gg_str room_id, struct gg_str joiner, struct gg_str leaver)
{
    const struct typing_room *room = gg_map_get(server->typing->rooms, room_id);
    struct gg_buf row = GG_BUF_INIT;
    bool first = true;
    gg_buf_char(&row, '[');
    gg_buf_json_string(&row, room_id);
    gg_buf_lit(&row, ",[");
    for (size_t i = 0; room != NULL && i < room->n; i++) {
        if (gg_str_is(leaver, room->users[i].user_id) || room->users[i].until <= gg_now_ms())
            continue;
        gg_buf_text(&row, first ? "" : ",");
        gg_buf_json_string(&row, gg_str(room->users[i].user_id));
        first = false;
    }
    if (joiner.s != NULL) {
        gg_buf_text(&row, first ? "" : ",");
        gg_buf_json_string(&row, joiner);
    }
    gg_buf_lit(&row, "]]");
    struct gg_str text = gg_buf_view(&row);
    gg_stream_advance(server->typing_stream, &text, 1);
    gg_buf_done(&row);
}

void mx_typing_set(struct mx_server *server, struct gg_str room_id, struct gg_str user_id, bool types, int64_t timeout_ms)
{
    struct typist *typist = find(gg_map_get(server->typing->rooms, room_id), user_id);
    if (!types) {
        if (typist != NULL)
            announce(server, room_id, (struct gg_str){0}, user_id);
        return;
    }
    if (typist == NULL) {
        announce(server, room_id, user_id, (struct gg_str){0});
        typist = find(gg_map_get(server->typing->rooms, room_id), user_id);
    }
    if (typist != NULL)
        typist->until = gg_now_ms() + timeout_ms;
}

static bool any_over(const struct typing_room *room)
{
    for (size_t k = 0; k < room->n; k++)
        if (room->users[k].until <= gg_now_ms())
            return true;
    return false;
}

/* Ends what nobody renewed. The rooms are found first: announcing changes what is looked at. */
static void sweep(void *arg)
{
    struct mx_server *server = arg;
    struct gg_str room_id, *due;
    void *value;
    size_t n = 0;
    if (!gg_stream_is_writer(server->typing_stream))
        return;
    struct gg_arena *arena = gg_arena_new();
    due = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(server->typing->rooms) + 1);
    for (size_t i = 0; gg_map_next(server->typing->rooms, &i, &room_id, &value);)
        if (any_over(value))
            due[n++] = gg_arena_str(arena, room_id);
    for (size_t i = 0; i < n; i++)
        announce(server, due[i], (struct gg_str){0}, (struct gg_str){0});
    gg_arena_free(arena);
}

struct mx_typing *mx_typing_new(struct mx_server *server)
{
    struct mx_typing *typing = gg_xcalloc(1, sizeof(*typing));
    typing->server = server;
    typing->rooms = gg_map_new(room_free);
    typing->changes = mx_changes_new(MAX_ROOMS);
    gg_host_every(server->host, "expire typing", SWEEP_MS, false, sweep, server);
    return typing;
}

void mx_typing_free(struct mx_typing *typing)
{
    if (typing == NULL)
        return;
    gg_map_free(typing->rooms);
    mx_changes_free(typing->changes);
    free(typing);
}

/* ---- reading ---- */

bool mx_typing_changed(struct mx_server *server, struct gg_str room_id, int64_t from)
{
    const struct typing_room *room = gg_map_get(server->typing->rooms, room_id);
    return room != NULL && room->token > from;
}

void mx_typing_each_changed(struct mx_server *server, int64_t from, void (*fn)(void *arg, struct gg_str room_id), void *arg)
{
    struct gg_str room_id;
    void *value;
    for (size_t i = 0; gg_map_next(server->typing->rooms, &i, &room_id, &value);)
        if (((const struct typing_room *)value)->token > from)
            fn(arg, room_id);
}

void mx_typing_mark(struct mx_server *server, const struct mx_user_rooms *rooms, int64_t from, bool *marks, uint32_t *at, size_t *n)
{
    mx_changes_mark(server->typing->changes, rooms, from, marks, at, n);
}

void mx_typing_write(struct mx_server *server, struct gg_str room_id, struct gg_buf *out)
{
    write_list(gg_map_get(server->typing->rooms, room_id), out);
}

/* The writer's own source, asked over HTTP by processes that come late: the newest list of each room that changed. */
static int by_token(const void *a, const void *b)
{
    int64_t x = ((const struct gg_fetched *)a)->token, y = ((const struct gg_fetched *)b)->token;
    return (x > y) - (x < y);
}

int mx_typing_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                    struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached, struct gg_error *err)
{
    struct mx_server *server = self;
    size_t i = 0, n = 0;
    struct gg_str room_id;
    void *value;
    *out = GG_NEW_ARRAY(arena, struct gg_fetched, gg_map_count(server->typing->rooms) + 1);
    while (gg_map_next(server->typing->rooms, &i, &room_id, &value)) {
        const struct typing_room *room = value;
        if (room->token <= from || room->token > to)
            continue;
        struct gg_buf row = GG_BUF_INIT;
        gg_buf_char(&row, '[');
        gg_buf_json_string(&row, room_id);
        gg_buf_char(&row, ',');
        write_list(room, &row);
        gg_buf_char(&row, ']');
        (*out)[n++] = (struct gg_fetched){room->token, gg_arena_str(arena, gg_buf_view(&row))};
        gg_buf_done(&row);
    }
    qsort(*out, n, sizeof(**out), by_token);
    *n_out = n > limit ? limit : n;
    *reached = n > limit ? (*out)[limit - 1].token : to;
    return 0;
}
