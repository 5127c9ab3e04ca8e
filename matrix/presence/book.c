/* matrix/presence/book.c: what the stream said last of each user, and who is woken by it.
 *
 * Users in order of their last notable change: a sync looks at those after its token and at nobody else. Bounded: those
 * who changed longest ago go, and the database knows them. */
#include "presence/internal.h"

#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/notifier.h>
#include <ganglion/memory.h>

enum { MAX_USERS = 100000, MAX_CALLS = 1000 };

struct entry {
    struct gg_list order, call; /* in book.order; in book.calls while the user's rooms are to be woken */
    int64_t token;              /* of the last notable change */
    int64_t bumped;             /* gg_wall_ms() when this process last told the writer that the user is active */
    bool fresh;                 /* changed by the rows that are being applied */
    struct mx_presence_state state;
    size_t n;
    char user_id[];
};

struct mx_presence_book {
    struct gg_map *users;
    struct gg_list order;   /* by token, the oldest first */
    int64_t horizon;        /* changes at or before it are not known */
    struct gg_list calls;
    size_t n_calls;
    bool calling;
};

struct mx_presence_book *mx_presence_book_new(void)
{
    struct mx_presence_book *book = gg_xcalloc(1, sizeof(*book));
    book->users = gg_map_new(NULL);
    gg_list_init(&book->order);
    gg_list_init(&book->calls);
    return book;
}

static void entry_free(struct mx_presence_book *book, struct entry *entry)
{
    gg_map_delete(book->users, gg_strn(entry->user_id, entry->n));
    gg_list_remove(&entry->order);
    if (!gg_list_empty(&entry->call))
        book->n_calls--;
    gg_list_remove(&entry->call);
    free((char *)(uintptr_t)entry->state.status_msg.s);
    free(entry);
}

void mx_presence_book_free(struct mx_presence_book *book)
{
    if (book == NULL)
        return;
    GG_LIST_EACH(link, &book->order)
        entry_free(book, GG_CONTAINER(link, struct entry, order));
    gg_map_free(book->users);
    free(book);
}

void mx_presence_book_start(struct mx_presence_book *book, int64_t position)
{
    if (position > book->horizon)
        book->horizon = position;
}

/* ---- applying ---- */

static struct entry *entry_for(struct mx_presence_book *book, struct gg_str user_id)
{
    struct entry *entry = gg_map_get(book->users, user_id);
    if (entry != NULL)
        return entry;
    if (gg_map_count(book->users) >= MAX_USERS) {
        struct entry *oldest = GG_CONTAINER(book->order.next, struct entry, order);
        mx_presence_book_start(book, oldest->token);
        entry_free(book, oldest);
    }
    entry = gg_xcalloc(1, sizeof(*entry) + user_id.n + 1);
    memcpy(entry->user_id, user_id.s, user_id.n);
    entry->n = user_id.n;
    entry->fresh = true;
    gg_list_push(&book->order, &entry->order);
    gg_list_init(&entry->call);
    gg_map_put(book->users, user_id, entry);
    return entry;
}

static void note(struct mx_presence_book *book, int64_t token, struct gg_str user_id, const struct mx_presence_state *state)
{
    bool known = gg_map_has(book->users, user_id);
    struct entry *entry = entry_for(book, user_id);
    entry->fresh = !known || mx_presence_notable(&entry->state, state);
    free((char *)(uintptr_t)entry->state.status_msg.s);
    entry->state = *state;
    if (state->status_msg.s != NULL)
        entry->state.status_msg.s = gg_xstrndup(state->status_msg.s, state->status_msg.n);
    if (!entry->fresh)
        return;
    entry->token = token;
    gg_list_remove(&entry->order);
    gg_list_push(&book->order, &entry->order);
}

/* ---- waking: the rooms of a user are not known without a look into the database ---- */

static int wake_rooms(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_error *err)
{
    const struct mx_user_room *rooms;
    struct gg_str *ids;
    size_t n;
    int rc;
    if (!mx_is_mine(server, user_id)) {
        rc = mx_presence_rooms_of(server, user_id, arena, &ids, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            mx_notify_room(server, ids[i]);
        return rc;
    }
    rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (gg_str_is(rooms[i].membership, "join"))
            mx_notify_room(server, rooms[i].room_id);
    return rc;
}

static void call_rooms(void *arg)
{
    struct mx_server *server = arg;
    struct mx_presence_book *book = server->who_is_there->book;
    struct gg_list *link;
    while (!gg_cancelled() && (link = gg_list_pop(&book->calls)) != NULL) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        const struct entry *entry = GG_CONTAINER(link, struct entry, call);
        struct gg_str user_id = gg_arena_str(arena, gg_strn(entry->user_id, entry->n));
        book->n_calls--;
        if (wake_rooms(server, user_id, arena, &err) != 0)
            mx_notify_everybody(server); /* a look too many is better than a change unseen */
        gg_arena_free(arena);
    }
    book->calling = false;
}

static void call(struct mx_server *server, struct entry *entry)
{
    struct mx_presences *p = server->who_is_there;
    mx_notify_user(server, gg_strn(entry->user_id, entry->n));
    if (!gg_list_empty(&entry->call) || mx_notifier_idle(server))
        return;
    if (p->book->n_calls >= MAX_CALLS) {
        mx_notify_everybody(server);
        return;
    }
    gg_list_push(&p->book->calls, &entry->call);
    p->book->n_calls++;
    if (!p->book->calling && p->scope != NULL)
        p->book->calling = gg_spawn(p->scope, "presence calls", call_rooms, server) != NULL;
}

void mx_presence_apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                       size_t n, bool moved)
{
    struct mx_server *server = self;
    struct mx_presence_book *book = server->who_is_there->book;
    struct gg_arena *arena = n > 0 ? gg_arena_new() : NULL;
    for (size_t i = 0; i < n; i++) {
        struct mx_presence_state state;
        struct gg_str user_id;
        if (!mx_presence_read_row(rows[i].row, arena, &user_id, &state))
            continue;
        struct entry *entry = moved ? gg_map_get(book->users, user_id) : NULL;
        if (!moved) {
            note(book, token, user_id, &state);
        } else if (entry != NULL && entry->fresh) {
            entry->fresh = false;
            call(server, entry);
        }
    }
    gg_arena_free(arena);
}

/* ---- reading ---- */

const struct mx_presence_state *mx_presence_book_get(const struct mx_presence_book *book, struct gg_str user_id)
{
    const struct entry *entry = gg_map_get(book->users, user_id);
    return entry != NULL ? &entry->state : NULL;
}

bool mx_presence_book_active(struct mx_presence_book *book, struct gg_str user_id, int64_t part)
{
    struct entry *entry = gg_map_get(book->users, user_id);
    int64_t now = gg_wall_ms();
    if (entry == NULL)
        return true;
    int64_t last = entry->bumped > entry->state.last_active_ts ? entry->bumped : entry->state.last_active_ts;
    if (entry->state.kind == MX_ONLINE && entry->state.currently_active && now - last < part)
        return false;
    entry->bumped = now;
    return true;
}

bool mx_presence_book_since(const struct mx_presence_book *book, int64_t from, struct gg_arena *arena,
                            struct mx_presence_seen **out, size_t *n_out)
{
    size_t n = 0;
    struct gg_list *first = book->order.prev;
    *n_out = 0;
    if (from < book->horizon)
        return false;
    for (; first != &book->order && GG_CONTAINER(first, struct entry, order)->token > from; first = first->prev)
        n++;
    *out = GG_NEW_ARRAY(arena, struct mx_presence_seen, n + 1);
    for (struct gg_list *link = first->next; link != &book->order; link = link->next) {
        const struct entry *entry = GG_CONTAINER(link, struct entry, order);
        struct mx_presence_seen *seen = &(*out)[(*n_out)++];
        seen->user_id = gg_arena_str(arena, gg_strn(entry->user_id, entry->n));
        seen->state = entry->state;
        if (entry->state.status_msg.s != NULL)
            seen->state.status_msg = gg_arena_str(arena, entry->state.status_msg);
    }
    return true;
}
