/* matrix/presence/servers.c: whom other servers must be told of out of turn (facts replication 5.4): of all of ours in a room
 * that they have just come to, of who has just come to a room that they are in, and, before they take silence for absence,
 * of who is still there.
 *
 * The process that decides on presence says which server shall hear of which user, in a stream of its own memory; the
 * federation senders say it. Lost rows cost a stale presence, no more. */
#include "presence/internal.h"

#include "federation/hosts.h"
#include "userdata/streams.h"

#include <ganglion/log.h>
#include <ganglion/matrix/heads.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>

enum {
    KEEP_MS = 5 * 60 * 1000,             /* rows are kept for readers that come late */
    MAX_KEPT = 50000,
    MAX_AT_ONCE = 500,                   /* rows of one token */
    MAX_OF_ROOM = 10000,                 /* rows that one room's newcomers cause */
    MAX_REPEATS = 20000,
    IDLE_MS = 60 * 1000,
    RETRY_MS = 5 * 1000,
};
#define RECENT_MS INT64_C(604800000)     /* a week: who was there since is worth telling of though offline */

static struct gg_logger logger = {"ganglion.presence"};

struct kept {
    struct gg_list link;
    int64_t token, until;
    size_t n;
    char row[];
};

struct mx_presence_servers {
    struct gg_list kept; /* the oldest first */
    size_t n_kept;
    struct gg_map *repeats; /* user ids */
    struct gg_cond news;
    int64_t newest;         /* members have changed up to here */
    int64_t seen;           /* changes of rooms up to here were looked at */
    bool again;             /* and must be looked at once more */
};

/* ---- the stream ---- */

static void drop_oldest(struct mx_presence_servers *s)
{
    struct gg_list *link = gg_list_pop(&s->kept);
    free(GG_CONTAINER(link, struct kept, link));
    s->n_kept--;
}

static void keep(struct mx_presence_servers *s, int64_t token, struct gg_str row)
{
    struct kept *k = gg_xmalloc(sizeof(*k) + row.n);
    k->token = token;
    k->until = gg_deadline(KEEP_MS);
    k->n = row.n;
    memcpy(k->row, row.s, row.n);
    gg_list_init(&k->link);
    gg_list_push(&s->kept, &k->link);
    s->n_kept++;
    while (s->n_kept > MAX_KEPT || GG_CONTAINER(s->kept.next, struct kept, link)->until < gg_now_ms())
        drop_oldest(s);
}

static void keep_rows(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                      size_t n, bool moved)
{
    struct mx_server *server = self;
    for (size_t i = 0; !moved && i < n; i++)
        keep(server->who_is_there->servers, token, rows[i].row);
}

int mx_presence_servers_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                              struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached,
                              struct gg_error *err)
{
    struct mx_server *server = self;
    struct mx_presence_servers *s = server->who_is_there->servers;
    size_t n = 0;
    *out = GG_NEW_ARRAY(arena, struct gg_fetched, (s != NULL ? s->n_kept : 0) + 1);
    *reached = to;
    if (s != NULL) {
        GG_LIST_EACH(link, &s->kept) {
            const struct kept *k = GG_CONTAINER(link, struct kept, link);
            if (k->token <= from || k->token > to)
                continue;
            if (n >= limit && k->token != (*out)[n - 1].token) { /* a token's rows stay together */
                *reached = (*out)[n - 1].token;
                break;
            }
            (*out)[n++] = (struct gg_fetched){k->token, gg_arena_str(arena, gg_strn(k->row, k->n))};
        }
    }
    *n_out = n;
    return 0;
}

/* ---- saying it ---- */

struct batch {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str rows[MAX_AT_ONCE];
    size_t n, total;
};

static void flush(struct batch *b)
{
    if (b->n > 0)
        gg_stream_advance(b->server->presence_federation, b->rows, b->n);
    b->n = 0;
}

static void add(struct batch *b, struct gg_str host, struct gg_str user_id)
{
    struct gg_buf row = GG_BUF_INIT;
    if (b->total >= MAX_OF_ROOM)
        return;
    gg_buf_char(&row, '[');
    gg_buf_json_string(&row, host);
    gg_buf_char(&row, ',');
    gg_buf_json_string(&row, user_id);
    gg_buf_char(&row, ']');
    b->rows[b->n++] = gg_arena_str(b->arena, gg_buf_view(&row));
    b->total++;
    gg_buf_done(&row);
    if (b->n == MAX_AT_ONCE)
        flush(b);
}

/* Users of whom there is something to tell come to the front. */
static int keep_telling(struct mx_server *server, struct gg_str *users, size_t *n, struct gg_arena *arena, struct gg_error *err)
{
    struct mx_presence_seen *seen;
    size_t kept = 0;
    int rc = mx_presence_get_all(server, users, *n, arena, &seen, err);
    for (size_t i = 0; rc == 0 && i < *n; i++)
        if (seen[i].state.kind != MX_OFFLINE || seen[i].state.status_msg.s != NULL ||
            gg_wall_ms() - seen[i].state.last_active_ts < RECENT_MS)
            users[kept++] = users[i];
    *n = kept;
    return rc;
}

static void tell(struct batch *b, const struct gg_str *hosts, size_t n_hosts, const struct gg_str *users, size_t n_users)
{
    for (size_t h = 0; h < n_hosts; h++)
        for (size_t u = 0; u < n_users; u++)
            if (!gg_str_is(hosts[h], b->server->name))
                add(b, hosts[h], users[u]);
}

/* ---- newcomers ---- */

struct newcomers {
    struct gg_str room_id;
    struct gg_str *users;
    size_t n;
};

/* Servers all of whose members in the room are newcomers. counts: server -> newcomers of it, minus members. */
static size_t new_hosts(const struct newcomers *c, const struct mx_server *server, const struct gg_str *members, size_t n_members,
                        struct gg_arena *arena, struct gg_str *out)
{
    struct gg_map *counts = gg_map_new(NULL);
    struct gg_str host;
    void *value;
    size_t n = 0;
    for (size_t i = 0; i < c->n; i++) {
        host = mx_id_domain(c->users[i]);
        if (host.s != NULL && !gg_str_is(host, server->name))
            gg_map_put(counts, host, (void *)((intptr_t)gg_map_get(counts, host) + 1));
    }
    for (size_t i = 0; gg_map_count(counts) > 0 && i < n_members; i++) {
        host = mx_id_domain(members[i]);
        if (host.s != NULL && gg_map_has(counts, host))
            gg_map_put(counts, host, (void *)((intptr_t)gg_map_get(counts, host) - 1));
    }
    for (size_t i = 0; gg_map_next(counts, &i, &host, &value);)
        if ((intptr_t)value >= 0)
            out[n++] = gg_arena_str(arena, host);
    gg_map_free(counts);
    return n;
}

static size_t ours(const struct mx_server *server, const struct gg_str *users, size_t n, struct gg_str *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (mx_is_mine(server, users[i]))
            out[kept++] = users[i];
    return kept;
}

static int greet(struct mx_server *server, const struct newcomers *c, struct gg_arena *arena, struct gg_error *err)
{
    struct batch b = {.server = server, .arena = arena};
    const struct mx_head *head;
    const struct gg_str *members;
    struct mx_fed_hosts hosts;
    size_t n_members = 0, n_hosts = 0, n;
    int rc = mx_heads_get(server, c->room_id, arena, &head, err);
    if (rc == 0)
        rc = mx_fed_hosts_in_room(server, c->room_id, arena, &hosts, err);
    if (rc != 0 || !mx_fed_hosts_others(server, &hosts))
        return rc;
    struct gg_str *local = GG_NEW_ARRAY(arena, struct gg_str, head->n_joined + c->n + 1);
    if (ours(server, c->users, c->n, local) < c->n) { /* only others bring a new server: all members are looked at for them alone */
        struct gg_str *fresh = GG_NEW_ARRAY(arena, struct gg_str, c->n + 1);
        rc = mx_heads_joined(server, head, arena, &members, &n_members, err);
        n_hosts = rc == 0 ? new_hosts(c, server, members, n_members, arena, fresh) : 0;
        n = n_hosts > 0 ? ours(server, members, n_members, local) : 0;
        if (rc == 0)
            rc = keep_telling(server, local, &n, arena, err);
        if (rc == 0)
            tell(&b, fresh, n_hosts, local, n);
    }
    n = ours(server, c->users, c->n, local);
    if (rc == 0)
        rc = keep_telling(server, local, &n, arena, err);
    if (rc == 0)
        tell(&b, hosts.names, hosts.n, local, n);
    flush(&b);
    return rc;
}

static const struct gg_stmt select_newcomers = {
    "SELECT d.room_id, array_agg(d.state_key) FROM current_state_delta_stream AS d JOIN room_memberships AS m"
    " ON m.event_id = d.event_id LEFT JOIN room_memberships AS p ON p.event_id = d.prev_event_id"
    " WHERE d.stream_id > $1 AND d.stream_id <= $2 AND d.type = 'm.room.member' AND m.membership = 'join'"
    " AND p.membership IS DISTINCT FROM 'join' GROUP BY d.room_id", GG_LANE_SCAN};

static int look_at_rooms(struct mx_server *server, struct gg_error *err)
{
    struct mx_presence_servers *s = server->who_is_there->servers;
    int64_t upto = gg_stream_upto(server->events);
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    s->again = false;
    int rc = gg_db_read(server->db, &select_newcomers, GG_PARAMS(gg_p_i64(s->seen), gg_p_i64(upto)), arena, &rows, err);
    size_t n = rc == 0 ? gg_rows_count(rows) : 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct newcomers c = {.room_id = gg_rows_str(rows, i, 0)};
        c.users = gg_rows_texts(rows, i, 1, arena, &c.n);
        if (mx_presence_room_counts(server, c.room_id))
            rc = greet(server, &c, arena, err);
        if (rc == GG_E_NOT_FOUND) { /* gone meanwhile */
            *err = (struct gg_error)GG_ERROR_INIT;
            rc = 0;
        }
    }
    if (rc == 0)
        s->seen = upto;
    else
        s->again = true;
    gg_arena_free(arena);
    return rc;
}

/* A change is looked at once all writers of the stream are past it: it may be known long before. */
static bool has_news(const struct mx_server *server)
{
    const struct mx_presence_servers *s = server->who_is_there->servers;
    return s->again || (s->newest > s->seen && gg_stream_upto(server->events) > s->seen);
}

/* ---- those who are still there ---- */

static int repeat_one(struct mx_server *server, struct gg_str user_id, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct batch b = {.server = server, .arena = arena};
    struct gg_map *told = gg_map_new(NULL);
    const struct mx_user_room *rooms;
    size_t n = 0;
    int rc = mx_heads_rooms_of(server, user_id, arena, &rooms, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct mx_fed_hosts hosts;
        if (!gg_str_is(rooms[i].membership, "join") || !mx_presence_room_counts(server, rooms[i].room_id))
            continue;
        rc = mx_fed_hosts_in_room(server, rooms[i].room_id, arena, &hosts, err);
        for (size_t h = 0; rc == 0 && h < hosts.n; h++) {
            if (gg_map_has(told, hosts.names[h]) || gg_str_is(hosts.names[h], server->name))
                continue;
            gg_map_put(told, hosts.names[h], NULL);
            add(&b, hosts.names[h], user_id);
        }
    }
    flush(&b);
    gg_map_free(told);
    gg_arena_free(arena);
    return rc;
}

static int repeat_all(struct mx_server *server, struct gg_error *err)
{
    struct mx_presence_servers *s = server->who_is_there->servers;
    struct gg_map *due = s->repeats;
    struct gg_str user_id;
    void *value;
    int rc = 0;
    if (gg_map_count(due) == 0)
        return 0;
    s->repeats = gg_map_new(NULL);
    for (size_t i = 0; rc == 0 && !gg_cancelled() && gg_map_next(due, &i, &user_id, &value);)
        rc = repeat_one(server, user_id, err);
    gg_map_free(due);
    return rc;
}

void mx_presence_servers_repeat(struct mx_presences *p, struct gg_str user_id)
{
    if (gg_map_count(p->servers->repeats) >= MAX_REPEATS)
        return;
    gg_map_put(p->servers->repeats, user_id, NULL);
    gg_cond_broadcast(&p->servers->news);
}

/* ---- life ---- */

static void loop(void *arg)
{
    struct mx_server *server = arg;
    struct mx_presence_servers *s = server->who_is_there->servers;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        int rc = has_news(server) ? look_at_rooms(server, &err) : 0;
        if (rc == 0)
            rc = repeat_all(server, &err);
        if (rc != 0 && rc != GG_E_CANCELLED) {
            gg_warn(&logger, "other servers are not told who is there: %s", err.message);
            (void)gg_sleep(RETRY_MS);
        } else if (!has_news(server) && gg_map_count(s->repeats) == 0) {
            (void)gg_cond_wait(&s->news, gg_deadline(IDLE_MS));
        }
    }
}

/* What the rows say is read where all of it stands together; here it is enough that members may have changed. */
static bool of_members(struct gg_str row)
{
    return gg_str_starts(row, GG_STR("[\"state")) &&
           (gg_str_starts(row, GG_STR("[\"state-all\"")) || memmem(row.s, row.n, "\"m.room.member\"", 15) != NULL);
}

static void on_events(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                      size_t n, bool moved)
{
    struct mx_server *server = self;
    struct mx_presence_servers *s = server->who_is_there->servers;
    for (size_t i = 0; moved && i < n && s->newest < token; i++)
        if (of_members(rows[i].row))
            s->newest = token;
    if (moved && has_news(server))
        gg_cond_broadcast(&s->news);
}

struct mx_presence_servers *mx_presence_servers_new(struct mx_server *server)
{
    struct mx_presence_servers *s = gg_xcalloc(1, sizeof(*s));
    gg_list_init(&s->kept);
    s->repeats = gg_map_new(NULL);
    gg_cond_init(&s->news);
    gg_stream_follow(server->presence_federation, keep_rows, server);
    gg_stream_follow(server->events, on_events, server);
    return s;
}

void mx_presence_servers_free(struct mx_presence_servers *s)
{
    if (s == NULL)
        return;
    while (!gg_list_empty(&s->kept))
        drop_oldest(s);
    gg_map_free(s->repeats);
    free(s);
}

int mx_presence_servers_start(struct mx_presences *p, struct gg_error *err)
{
    p->servers->seen = gg_stream_upto(p->server->events);
    if (gg_spawn(p->scope, "presence for servers", loop, p->server) == NULL)
        return gg_fail(err, GG_E_UNAVAILABLE, "presence for other servers could not be started");
    return 0;
}
