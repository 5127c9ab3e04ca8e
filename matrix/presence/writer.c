/* matrix/presence/writer.c: the process that decides: what each device of a user said last, which of them sync, and what
 * becomes of them when time passes.
 *
 * Users hang in a wheel by the moment at which time may change them; a tick looks at one slot, never at all users. */
#include "presence/internal.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>

enum { MAX_USERS = 200000, MAX_DEVICES = 50, SLOTS = 512, LONGEST_TICK_MS = 5000, SHORTEST_TICK_MS = 50,
       KEEP_MS = 60 * 1000, INSTANCE_EXPIRY_MS = 5 * 60 * 1000,
       SILENCE_MS = 30 * 60 * 1000, /* of other servers, after which their users are offline */
       REPEAT_MS = 25 * 60 * 1000,  /* after which we tell other servers again who is there, before they think so of us */
       MAX_REMOTE = 150000 };

static struct gg_logger logger = {"ganglion.presence"};

struct device {
    struct mx_presence_device d;
    char *id; /* NULL: whatever names none */
};

struct user {
    struct mx_presence_pending pending; /* first; the state that stands */
    struct gg_list slot;                /* in writer.wheel, if time may change it */
    struct gg_list use;                 /* in writer.used */
    bool remote;                        /* another server decides; no devices */
    bool untold;                        /* the state differs from the last row in ways that were not worth telling */
    size_t n_devices;
    struct device *devices;
    char user_id[];
};

struct mx_presence_writer {
    struct gg_map *users;
    size_t n_remote;     /* users of other servers who are there */
    struct gg_list used; /* users, the one touched longest ago first */
    struct gg_list wheel[SLOTS];
    int64_t tick_ms, next_tick, next_keep, deaf_until; /* deaf_until: after a start clients get time to come back */
    struct gg_map *instances; /* instance id -> struct instance */
    struct mx_presence_save save;
};

/* Another process and the devices that sync with it. */
struct instance {
    int64_t heard;
    struct gg_map *keys;
};

/* ---- users and devices ---- */

static void free_device(struct user *u, size_t i)
{
    free(u->devices[i].id);
    u->devices[i] = u->devices[--u->n_devices];
}

static void user_free(void *value)
{
    struct user *u = value;
    while (u->n_devices > 0)
        free_device(u, u->n_devices - 1);
    free(u->devices);
    free((char *)(uintptr_t)u->pending.state.status_msg.s);
    gg_list_remove(&u->slot);
    gg_list_remove(&u->use);
    gg_list_remove(&u->pending.link);
    free(u);
}

static void instance_free(void *value)
{
    struct instance *instance = value;
    gg_map_free(instance->keys);
    free(instance);
}

/* Those who are gone and written make place; the table knows them. */
static void make_place(struct mx_presence_writer *w)
{
    if (gg_map_count(w->users) < MAX_USERS)
        return;
    GG_LIST_EACH(link, &w->used) {
        struct user *u = GG_CONTAINER(link, struct user, use);
        if (u->n_devices > 0 || u->untold || (u->remote && u->pending.state.kind != MX_OFFLINE) || u->pending.writing || !gg_list_empty(&u->pending.link))
            continue;
        gg_map_delete(w->users, u->pending.user_id);
        return;
    }
}

static struct user *add_user(struct mx_presences *p, struct gg_str user_id, const struct mx_presence_state *state)
{
    struct mx_presence_writer *w = p->writer;
    make_place(w);
    struct user *u = gg_xcalloc(1, sizeof(*u) + user_id.n + 1);
    memcpy(u->user_id, user_id.s, user_id.n);
    u->pending.user_id = gg_strn(u->user_id, user_id.n);
    u->pending.state = *state;
    if (state->status_msg.s != NULL)
        u->pending.state.status_msg.s = gg_xstrndup(state->status_msg.s, state->status_msg.n);
    gg_list_init(&u->pending.link);
    gg_list_init(&u->slot);
    gg_list_init(&u->use);
    u->remote = !mx_is_mine(p->server, user_id);
    w->n_remote += u->remote && state->kind != MX_OFFLINE;
    gg_map_put(w->users, user_id, u);
    return u;
}

/* From memory or from what was written last. Borrowed until the next yield. */
static int find_user(struct mx_presences *p, struct gg_str user_id, struct user **out, struct gg_error *err)
{
    struct mx_presence_writer *w = p->writer;
    *out = gg_map_get(w->users, user_id);
    if (*out == NULL) {
        struct gg_arena *arena = gg_arena_new();
        struct mx_presence_row *rows;
        struct mx_presence_state nobody = {0};
        size_t n;
        int rc = mx_presence_load_users(p->server, &user_id, 1, arena, &rows, &n, err);
        *out = gg_map_get(w->users, user_id); /* another fiber may have been faster */
        if (rc == 0 && *out == NULL)
            *out = add_user(p, user_id, n > 0 ? &rows[0].state : &nobody);
        gg_arena_free(arena);
        if (rc != 0)
            return rc;
    }
    gg_list_remove(&(*out)->use);
    gg_list_push(&w->used, &(*out)->use);
    return 0;
}

static bool same_id(const struct device *d, struct gg_str id)
{
    return d->id == NULL ? id.s == NULL : id.s != NULL && gg_str_is(id, d->id);
}

static struct device *find_device(struct user *u, struct gg_str id)
{
    for (size_t i = 0; i < u->n_devices; i++)
        if (same_id(&u->devices[i], id))
            return &u->devices[i];
    return NULL;
}

static int64_t last_sign(const struct device *d)
{
    return d->d.last_active_ts > d->d.last_sync_ts ? d->d.last_active_ts : d->d.last_sync_ts;
}

static struct device *device_for(struct user *u, struct gg_str id)
{
    struct device *known = find_device(u, id);
    if (known != NULL)
        return known;
    if (u->n_devices == MAX_DEVICES) {
        size_t oldest = 0;
        for (size_t i = 1; i < u->n_devices; i++)
            if (last_sign(&u->devices[i]) < last_sign(&u->devices[oldest]))
                oldest = i;
        free_device(u, oldest);
    }
    u->devices = gg_xrealloc(u->devices, (u->n_devices + 1) * sizeof(*u->devices));
    u->devices[u->n_devices] = (struct device){.id = id.s != NULL ? gg_xstrndup(id.s, id.n) : NULL};
    return &u->devices[u->n_devices++];
}

/* ---- which devices sync ---- */

static bool syncs(struct mx_presences *p, const struct user *u, const struct device *d)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str key = mx_presence_key(arena, u->pending.user_id, gg_str(d->id)), name;
    bool found = mx_presence_visits_here(p->visits, key);
    void *value;
    for (size_t i = 0; !found && gg_map_next(p->writer->instances, &i, &name, &value);)
        found = gg_map_has(((const struct instance *)value)->keys, key);
    gg_arena_free(arena);
    return found;
}

/* ---- time ---- */

static int64_t silence(const struct user *u)
{
    return u->remote ? SILENCE_MS : REPEAT_MS;
}

static void schedule(struct mx_presences *p, struct user *u)
{
    struct mx_presence_writer *w = p->writer;
    int64_t due = INT64_MAX, now = gg_wall_ms();
    if (!u->remote && u->pending.state.currently_active && u->pending.state.kind >= MX_ONLINE)
        due = u->pending.state.last_active_ts + p->times.granularity;
    if (u->pending.state.kind != MX_OFFLINE && u->pending.state.last_federation_ts > 0 &&
        u->pending.state.last_federation_ts + silence(u) < due)
        due = u->pending.state.last_federation_ts + silence(u);
    for (size_t i = 0; i < u->n_devices; i++) {
        u->devices[i].d.syncing = syncs(p, u, &u->devices[i]);
        int64_t at = mx_presence_device_due(&u->devices[i].d, &p->times);
        due = at < due ? at : due;
    }
    gg_list_remove(&u->slot);
    if (due == INT64_MAX)
        return;
    int64_t ticks = due > now ? (due - now) / w->tick_ms + 1 : 1;
    ticks = ticks < SLOTS ? ticks : SLOTS - 1; /* further away: looked at in between */
    gg_list_push(&w->wheel[(size_t)((w->next_tick + ticks - 1) % SLOTS)], &u->slot);
}

/* ---- a change ---- */

static uint8_t weightiest(const struct user *u)
{
    uint8_t kind = MX_OFFLINE;
    for (size_t i = 0; i < u->n_devices; i++)
        kind = u->devices[i].d.kind > kind ? u->devices[i].d.kind : kind;
    return kind;
}

/* status: replaces the message (s NULL: none) unless it is NULL. Returns whether others must be told. */
static bool change(struct mx_presences *p, struct user *u, struct mx_presence_state state, bool force)
{
    struct mx_presence_state *now = &u->pending.state;
    if (!u->remote)
        state.kind = weightiest(u);
    else
        p->writer->n_remote += (size_t)(state.kind != MX_OFFLINE) - (size_t)(now->kind != MX_OFFLINE);
    if (!u->remote && state.kind >= MX_ONLINE)
        state.currently_active = mx_presence_active_now(&state, &p->times, gg_wall_ms());
    bool told = force || mx_presence_notable(now, &state);
    bool other_text = state.status_msg.s != now->status_msg.s;
    char *old = other_text ? (char *)(uintptr_t)now->status_msg.s : NULL;
    if (other_text && state.status_msg.s != NULL)
        state.status_msg.s = gg_xstrndup(state.status_msg.s, state.status_msg.n);
    *now = state;
    free(old);
    u->untold = !told;
    if (told)
        mx_presence_save_add(&p->writer->save, &u->pending);
    schedule(p, u);
    return told;
}

/* A server that has fallen silent says nothing any more of its users. */
static void age_remote(struct mx_presences *p, struct user *u)
{
    struct mx_presence_state state = u->pending.state;
    if (gg_wall_ms() - state.last_federation_ts >= SILENCE_MS) {
        state.kind = MX_OFFLINE;
        state.currently_active = false;
    }
    bool untold = u->untold;
    if (!change(p, u, state, false))
        u->untold = untold;
}

static void repeat(struct mx_presences *p, struct user *u, int64_t now)
{
    int64_t told = u->pending.state.last_federation_ts;
    if (u->pending.state.kind == MX_OFFLINE || told == 0 || now - told < REPEAT_MS)
        return;
    u->pending.state.last_federation_ts = now;
    mx_presence_servers_repeat(p, u->pending.user_id);
}

static void age(struct mx_presences *p, struct user *u)
{
    int64_t now = gg_wall_ms();
    if (u->remote) {
        age_remote(p, u);
        return;
    }
    repeat(p, u, now);
    for (size_t i = u->n_devices; i-- > 0;) {
        struct device *d = &u->devices[i];
        d->d.syncing = syncs(p, u, d);
        mx_presence_age_device(&d->d, &p->times, now);
        if (d->d.kind == MX_OFFLINE && !d->d.syncing)
            free_device(u, i);
    }
    bool untold = u->untold;
    if (!change(p, u, u->pending.state, false))
        u->untold = untold;
}

/* *u_out NULL: this process does not decide. */
static int find_deciding(struct mx_presences *p, struct gg_str user_id, struct gg_str device_id, struct user **u_out,
                         struct device **d_out, struct gg_error *err)
{
    *u_out = NULL;
    if (p->writer == NULL || !p->tracked)
        return 0;
    int rc = find_user(p, user_id, u_out, err);
    if (rc == 0)
        *d_out = device_for(*u_out, device_id);
    return rc;
}

int mx_presence_decide(struct mx_server *server, struct gg_str user_id, struct gg_str device_id,
                       const struct mx_presence_wish *wish, struct gg_error *err)
{
    struct mx_presences *p = server->who_is_there;
    struct user *u;
    struct device *d;
    int64_t now = gg_wall_ms();
    int rc = find_deciding(p, user_id, device_id, &u, &d, err);
    if (rc != 0 || u == NULL)
        return rc;
    struct mx_presence_state state = u->pending.state;
    if (!wish->by_sync || d->d.kind != MX_BUSY) /* a sync does not end what a user said they are */
        d->d.kind = wish->kind;
    d->d.last_active_ts = now;
    if (wish->kind >= MX_ONLINE)
        state.last_active_ts = now;
    if (wish->by_sync)
        d->d.last_sync_ts = state.last_sync_ts = now;
    else
        state.status_msg = wish->status_msg;
    return change(p, u, state, wish->force_notify) ? mx_presence_save_now(&p->writer->save, err) : 0;
}

int mx_presence_decide_active(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_error *err)
{
    struct mx_presences *p = server->who_is_there;
    struct user *u;
    struct device *d;
    int rc = find_deciding(p, user_id, device_id, &u, &d, err);
    if (rc != 0 || u == NULL)
        return rc;
    struct mx_presence_state state = u->pending.state;
    state.last_active_ts = d->d.last_active_ts = gg_wall_ms();
    if (d->d.kind == MX_UNAVAILABLE)
        d->d.kind = MX_ONLINE;
    return change(p, u, state, false) ? mx_presence_save_now(&p->writer->save, err) : 0;
}

int mx_presence_hear(struct mx_server *server, const struct mx_presence_seen *said, size_t n, struct gg_error *err)
{
    struct mx_presences *p = server->who_is_there;
    struct user *u;
    bool told = false;
    int rc = 0;
    if (p->writer == NULL || !p->tracked)
        return 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (mx_is_mine(server, said[i].user_id) || (p->writer->n_remote >= MAX_REMOTE && said[i].state.kind != MX_OFFLINE))
            continue;
        rc = find_user(p, said[i].user_id, &u, err);
        if (rc != 0)
            break;
        struct mx_presence_state state = said[i].state;
        state.last_federation_ts = gg_wall_ms();
        state.last_sync_ts = u->pending.state.last_sync_ts;
        if (state.last_active_ts == 0)
            state.last_active_ts = u->pending.state.last_active_ts;
        told |= change(p, u, state, false);
    }
    return rc == 0 && told ? mx_presence_save_now(&p->writer->save, err) : rc;
}

/* ---- syncs begin and end ---- */

static void touch(struct mx_presences *p, struct gg_str user_id, struct gg_str device_id, bool syncing, int64_t at)
{
    struct user *u = gg_map_get(p->writer->users, user_id);
    struct device *d = u != NULL ? find_device(u, device_id) : NULL;
    if (d == NULL)
        return;
    if (!syncing && at > d->d.last_sync_ts)
        d->d.last_sync_ts = u->pending.state.last_sync_ts = at;
    u->untold = true;
    schedule(p, u);
}

void mx_presence_writer_visit(struct mx_presences *p, struct gg_str user_id, struct gg_str device_id, bool syncing)
{
    touch(p, user_id, device_id, syncing, gg_wall_ms());
}

static struct instance *instance_for(struct mx_presence_writer *w, struct gg_str id)
{
    struct instance *instance = gg_map_get(w->instances, id);
    if (instance == NULL) {
        instance = gg_xcalloc(1, sizeof(*instance));
        instance->keys = gg_map_new(NULL);
        gg_map_put(w->instances, id, instance);
    }
    return instance;
}

void mx_presence_writer_line(struct mx_presences *p, struct gg_str id, struct gg_str user_id, struct gg_str device_id,
                             bool syncing, int64_t at)
{
    struct gg_arena *arena = gg_arena_new();
    struct instance *instance = instance_for(p->writer, id);
    struct gg_str key = mx_presence_key(arena, user_id, device_id);
    instance->heard = gg_now_ms();
    if (!syncing)
        gg_map_delete(instance->keys, key);
    else if (gg_map_count(instance->keys) < MAX_USERS)
        gg_map_put(instance->keys, key, NULL);
    touch(p, user_id, device_id, syncing, at);
    gg_arena_free(arena);
}

void mx_presence_writer_clear(struct mx_presences *p, struct gg_str id)
{
    struct instance *instance = gg_map_get(p->writer->instances, id);
    if (instance == NULL)
        return;
    struct gg_map *keys = instance->keys;
    instance->keys = gg_map_new(NULL);
    gg_map_delete(p->writer->instances, id);
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(keys, &i, &key, &value);) {
        const char *cut = memchr(key.s, '\n', key.n);
        size_t n = (size_t)(cut - key.s);
        struct gg_str device = gg_strn(cut + 1, key.n - n - 1);
        touch(p, gg_strn(key.s, n), device.n > 0 ? device : (struct gg_str){0}, false, gg_wall_ms());
    }
    gg_map_free(keys);
}

static void expire_instances(struct mx_presences *p)
{
    struct gg_str id;
    void *value;
    for (size_t i = 0; gg_map_next(p->writer->instances, &i, &id, &value);) {
        if (((const struct instance *)value)->heard + INSTANCE_EXPIRY_MS > gg_now_ms())
            continue;
        struct gg_arena *arena = gg_arena_new();
        mx_presence_writer_clear(p, gg_arena_str(arena, id)); /* changes the map: the rest waits for the next tick */
        gg_arena_free(arena);
        return;
    }
}

/* ---- the clock ---- */

static void keep_untold(struct mx_presence_writer *w)
{
    struct gg_str id;
    void *value;
    for (size_t i = 0; gg_map_next(w->users, &i, &id, &value);) {
        struct user *u = value;
        if (!u->untold)
            continue;
        u->untold = false;
        mx_presence_save_add(&w->save, &u->pending);
    }
}

static void tick(void *arg)
{
    struct mx_presences *p = arg;
    struct mx_presence_writer *w = p->writer;
    struct gg_error err = GG_ERROR_INIT;
    if (p->scope == NULL || gg_now_ms() < w->deaf_until)
        return;
    struct gg_list due;
    gg_list_init(&due);
    struct gg_list *slot = &w->wheel[w->next_tick % SLOTS], *link;
    while ((link = gg_list_pop(slot)) != NULL)
        gg_list_push(&due, link);
    w->next_tick++;
    while ((link = gg_list_pop(&due)) != NULL)
        age(p, GG_CONTAINER(link, struct user, slot));
    expire_instances(p);
    if (gg_now_ms() >= w->next_keep) {
        keep_untold(w);
        w->next_keep = gg_now_ms() + KEEP_MS;
    }
    if (!gg_list_empty(&w->save.due) && mx_presence_save_now(&w->save, &err) != 0)
        gg_warn(&logger, "presence could not be written: %s", err.message);
}

/* ---- life ---- */

struct mx_presence_writer *mx_presence_writer_new(struct mx_presences *p)
{
    struct mx_presence_writer *w = gg_xcalloc(1, sizeof(*w));
    int64_t shortest = p->times.sync_timeout < p->times.granularity ? p->times.sync_timeout : p->times.granularity;
    w->tick_ms = shortest / 6 > LONGEST_TICK_MS ? LONGEST_TICK_MS : shortest / 6;
    w->tick_ms = w->tick_ms < SHORTEST_TICK_MS ? SHORTEST_TICK_MS : w->tick_ms;
    w->users = gg_map_new(user_free);
    w->instances = gg_map_new(instance_free);
    gg_list_init(&w->used);
    for (size_t i = 0; i < SLOTS; i++)
        gg_list_init(&w->wheel[i]);
    mx_presence_save_init(&w->save, p->server);
    gg_host_every(p->server->host, "presence", w->tick_ms, false, tick, p);
    return w;
}

void mx_presence_writer_free(struct mx_presence_writer *w)
{
    if (w == NULL)
        return;
    gg_map_free(w->users);
    gg_map_free(w->instances);
    free(w);
}

/* Those who were there when the last writer stopped have a while to show themselves again. */
int mx_presence_writer_start(struct mx_presences *p, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct mx_presence_row *rows;
    size_t n;
    int rc = mx_presence_load(p->server, arena, &rows, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (gg_map_has(p->writer->users, rows[i].user_id))
            continue;
        struct user *u = add_user(p, rows[i].user_id, &rows[i].state);
        gg_list_push(&p->writer->used, &u->use);
        if (!u->remote)
            device_for(u, (struct gg_str){0})->d = (struct mx_presence_device){
                .kind = rows[i].state.kind, .last_active_ts = rows[i].state.last_active_ts,
                .last_sync_ts = rows[i].state.last_sync_ts};
        schedule(p, u);
    }
    p->writer->deaf_until = gg_now_ms() + p->times.sync_timeout;
    p->writer->next_keep = gg_now_ms() + KEEP_MS;
    gg_arena_free(arena);
    return rc;
}

void mx_presence_writer_stop(struct mx_presences *p)
{
    struct gg_error err = GG_ERROR_INIT;
    keep_untold(p->writer);
    if (mx_presence_save_now(&p->writer->save, &err) != 0)
        gg_warn(&logger, "the last presence could not be written: %s", err.message);
}
