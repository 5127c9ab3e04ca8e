/* matrix/presence/seen.c: whom a user may see: those with whom they share a room. */
#include "presence/internal.h"

#include <ganglion/config.h>
#include <ganglion/matrix/heads.h>
#include <stdlib.h>

static int by_text(const void *a, const void *b)
{
    return gg_str_cmp(*(const struct gg_str *)a, *(const struct gg_str *)b);
}

struct room_set { /* in order */
    struct gg_str *v;
    size_t n;
};

bool mx_presence_room_counts(struct mx_server *server, struct gg_str room_id)
{
    size_t n;
    const char *const *excluded = gg_config_texts(server->config, "exclude_rooms_from_presence", &n);
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(room_id, excluded[i]))
            return false;
    return true;
}

/* Rooms that count: joined, and not those that the configuration leaves out. In order, as the list is. */
static int rooms_that_count(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str **out,
                            size_t *n_out, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    size_t n;
    int rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    *n_out = 0;
    if (rc != 0)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct gg_str, n + 2); /* one more may be put in */
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(rooms[i].membership, "join") && mx_presence_room_counts(server, rooms[i].room_id))
            (*out)[(*n_out)++] = rooms[i].room_id;
    return 0;
}

static void put_in(struct mx_server *server, struct room_set *set, struct gg_str room_id)
{
    if (!mx_presence_room_counts(server, room_id) || bsearch(&room_id, set->v, set->n, sizeof(*set->v), by_text) != NULL)
        return;
    set->v[set->n++] = room_id;
    qsort(set->v, set->n, sizeof(*set->v), by_text);
}

static int shares(struct mx_server *server, const struct room_set *mine, struct gg_str user_id, struct gg_arena *arena,
                  bool *out, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    size_t n;
    int rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    *out = false;
    for (size_t i = 0; rc == 0 && i < n && !*out; i++)
        *out = gg_str_is(rooms[i].membership, "join") &&
               bsearch(&rooms[i].room_id, mine->v, mine->n, sizeof(*mine->v), by_text) != NULL;
    return rc;
}

/* Users of other servers, whose rooms no cache holds, in one look into the database. */
static int keep_remote(struct mx_server *server, const struct room_set *mine, struct mx_presence_seen *v, bool *keep,
                       size_t n, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *sharing;
    size_t n_ids = 0, n_sharing;
    for (size_t i = 0; i < n; i++)
        if (!mx_is_mine(server, v[i].user_id))
            ids[n_ids++] = v[i].user_id;
    if (n_ids == 0 || mine->n == 0)
        return 0;
    int rc = mx_presence_share(server, ids, n_ids, mine->v, mine->n, arena, &sharing, &n_sharing, err);
    if (rc != 0)
        return rc;
    qsort(sharing, n_sharing, sizeof(*sharing), by_text);
    for (size_t i = 0; i < n; i++)
        keep[i] = keep[i] || bsearch(&v[i].user_id, sharing, n_sharing, sizeof(*sharing), by_text) != NULL;
    return 0;
}

static int keep_seen(struct mx_server *server, struct gg_str reader, const struct room_set *mine, struct gg_arena *arena,
                     struct mx_presence_seen *v, size_t *n, struct gg_error *err)
{
    bool *keep = GG_NEW_ARRAY(arena, bool, *n + 1);
    size_t kept = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < *n; i++) {
        keep[i] = gg_str_eq(v[i].user_id, reader);
        if (!keep[i] && mx_is_mine(server, v[i].user_id))
            rc = shares(server, mine, v[i].user_id, arena, &keep[i], err);
    }
    if (rc == 0)
        rc = keep_remote(server, mine, v, keep, *n, arena, err);
    for (size_t i = 0; rc == 0 && i < *n; i++)
        if (keep[i])
            v[kept++] = v[i];
    *n = kept;
    return rc;
}

static int read_seen(struct mx_server *server, struct gg_str reader, const struct room_set *mine, int64_t from, bool all,
                     struct gg_arena *arena, struct mx_presence_seen **out, size_t *n_out, struct gg_error *err)
{
    struct mx_presence_row *rows;
    size_t n;
    int rc = mx_presence_load_sharing(server, reader, mine->v, mine->n, from, all, arena, &rows, &n, err);
    if (rc != 0)
        return rc;
    *out = GG_NEW_ARRAY(arena, struct mx_presence_seen, n + 1);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = (struct mx_presence_seen){rows[i].user_id, rows[i].state};
    *n_out = n;
    return 0;
}

int mx_presence_since_peeking(struct mx_server *server, struct gg_str reader, struct gg_str room_id, int64_t from, bool all,
                              struct gg_arena *arena, struct mx_presence_seen **out, size_t *n_out, struct gg_error *err)
{
    struct mx_presences *p = server->who_is_there;
    struct room_set mine = {0};
    *n_out = 0;
    if (!p->enabled)
        return 0;
    bool in_memory = from > 0 && mx_presence_book_since(p->book, from, arena, out, n_out);
    if (in_memory && *n_out == 0)
        return 0;
    int rc = rooms_that_count(server, reader, arena, &mine.v, &mine.n, err);
    if (rc != 0)
        return rc;
    if (room_id.s != NULL)
        put_in(server, &mine, room_id);
    if (in_memory)
        return keep_seen(server, reader, &mine, arena, *out, n_out, err);
    return read_seen(server, reader, &mine, from, all, arena, out, n_out, err);
}

int mx_presence_since(struct mx_server *server, struct gg_str reader, int64_t from, bool all, struct gg_arena *arena,
                      struct mx_presence_seen **out, size_t *n_out, struct gg_error *err)
{
    return mx_presence_since_peeking(server, reader, (struct gg_str){0}, from, all, arena, out, n_out, err);
}

int mx_presence_may_see(struct mx_server *server, struct gg_str reader, struct gg_str user_id, struct gg_arena *arena,
                        bool *out, struct gg_error *err)
{
    struct mx_presence_seen seen = {.user_id = user_id};
    struct room_set mine = {0};
    size_t n = 1;
    int rc = rooms_that_count(server, reader, arena, &mine.v, &mine.n, err);
    if (rc == 0)
        rc = keep_seen(server, reader, &mine, arena, &seen, &n, err);
    *out = n > 0;
    return rc;
}

int mx_presence_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct mx_presence_state *out,
                    struct gg_error *err)
{
    const struct mx_presence_state *known = mx_presence_book_get(server->who_is_there->book, user_id);
    struct mx_presence_row *rows;
    size_t n;
    memset(out, 0, sizeof(*out));
    if (known != NULL) {
        *out = *known;
        if (known->status_msg.s != NULL)
            out->status_msg = gg_arena_str(arena, known->status_msg);
        return 0;
    }
    int rc = mx_presence_load_users(server, &user_id, 1, arena, &rows, &n, err);
    if (rc == 0 && n > 0)
        *out = rows[0].state;
    return rc;
}

int mx_presence_get_all(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                        struct mx_presence_seen **out, struct gg_error *err)
{
    struct mx_presence_row *rows;
    size_t n_rows;
    *out = GG_NEW_ARRAY(arena, struct mx_presence_seen, n + 1);
    int rc = mx_presence_load_users(server, users, n, arena, &rows, &n_rows, err);
    if (rc != 0)
        return rc;
    struct gg_map *states = gg_map_new(NULL);
    for (size_t i = 0; i < n_rows; i++)
        gg_map_put(states, rows[i].user_id, &rows[i].state);
    for (size_t i = 0; i < n; i++) {
        const struct mx_presence_state *known = mx_presence_book_get(server->who_is_there->book, users[i]);
        const struct mx_presence_state *state = known != NULL ? known : gg_map_get(states, users[i]);
        (*out)[i].user_id = users[i];
        if (state != NULL)
            (*out)[i].state = *state;
        if (state != NULL && state->status_msg.s != NULL)
            (*out)[i].state.status_msg = gg_arena_str(arena, state->status_msg);
    }
    gg_map_free(states);
    return 0;
}

void mx_presence_write_event(struct gg_buf *out, const struct mx_presence_seen *seen, bool old, int64_t now)
{
    gg_buf_lit(out, "{\"type\":\"m.presence\",");
    if (!old) {
        gg_buf_lit(out, "\"sender\":");
        gg_buf_json_string(out, seen->user_id);
        gg_buf_char(out, ',');
    }
    gg_buf_lit(out, "\"content\":");
    mx_presence_write(out, &seen->state, now);
    if (old) { /* the user stands inside: the closing brace moves behind it */
        out->data[--out->n] = '\0';
        gg_buf_lit(out, ",\"user_id\":");
        gg_buf_json_string(out, seen->user_id);
        gg_buf_char(out, '}');
    }
    gg_buf_char(out, '}');
}
