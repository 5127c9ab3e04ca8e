/* matrix/presence/visits.c: devices that sync with this process.
 *
 * Where this process does not decide, lines on the channel tell who does (facts replication 3, USER_SYNC): `start` with a
 * device's first sync, `end` when it has not come back for ten seconds. Starts are repeated now and then: a line may be
 * lost, and a process that is silent for five minutes counts as gone. */
#include "presence/internal.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.presence"};

enum { MAX_DEVICES = 200000, END_AFTER_MS = 10 * 1000, LOOK_MS = 5 * 1000, REPEAT_MS = 2 * 60 * 1000 };

struct mx_visit {
    struct mx_presences *p;
    size_t n_user, n_device;
    char text[]; /* key: user, newline, device */
};

struct here {
    unsigned n;      /* syncs in flight */
    int64_t ended;   /* gg_wall_ms() of the end of the last one */
    int64_t told;    /* gg_now_ms() of the last start line */
};

struct mx_presence_visits {
    struct mx_presences *p;
    struct gg_map *devices; /* key -> struct here; dropped when the end is told */
};

struct gg_str mx_presence_key(struct gg_arena *arena, struct gg_str user_id, struct gg_str device_id)
{
    return gg_str(gg_arena_printf(arena, "%.*s\n%.*s", GG_FMT(user_id), (int)device_id.n, device_id.n > 0 ? device_id.s : ""));
}

bool mx_presence_visits_here(const struct mx_presence_visits *visits, struct gg_str key)
{
    const struct here *here = gg_map_get(visits->devices, key);
    return here != NULL && here->n > 0;
}

/* USER_SYNC <instance id> <user> <device or None> <start or end> <ms> */
static void send_line(struct mx_presences *p, struct gg_str key, bool start, int64_t at)
{
    struct gg_buf line = GG_BUF_INIT;
    const char *cut = memchr(key.s, '\n', key.n);
    size_t n = (size_t)(cut - key.s);
    struct gg_str device = gg_strn(cut + 1, key.n - n - 1);
    gg_buf_printf(&line, "%s %.*s %.*s %s %lld", gg_host_instance_id(p->server->host), (int)n, key.s,
                  device.n > 0 ? (int)device.n : 4, device.n > 0 ? device.s : "None", start ? "start" : "end", (long long)at);
    gg_repl_send(p->server->host, "USER_SYNC", gg_buf_view(&line));
    gg_buf_done(&line);
}

static void look(void *arg)
{
    struct mx_presences *p = arg;
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(p->visits->devices, &i, &key, &value);) {
        struct here *here = value;
        if (here->n == 0 && here->ended + END_AFTER_MS <= gg_wall_ms()) {
            if (p->writer == NULL)
                send_line(p, key, false, here->ended);
            gg_map_delete(p->visits->devices, key);
        } else if (p->writer == NULL && here->told + REPEAT_MS <= gg_now_ms()) {
            send_line(p, key, true, gg_wall_ms());
            here->told = gg_now_ms();
        }
    }
}

struct mx_presence_visits *mx_presence_visits_new(struct mx_presences *p)
{
    struct mx_presence_visits *visits = gg_xcalloc(1, sizeof(*visits));
    visits->p = p;
    visits->devices = gg_map_new(free);
    gg_host_every(p->server->host, "presence visits", LOOK_MS, false, look, p);
    return visits;
}

void mx_presence_visits_free(struct mx_presence_visits *visits)
{
    if (visits == NULL)
        return;
    gg_map_free(visits->devices);
    free(visits);
}

void mx_presence_visits_stop(struct mx_presences *p)
{
    if (p->writer == NULL && gg_map_count(p->visits->devices) > 0)
        gg_repl_send(p->server->host, "CLEAR_USER_SYNC", gg_str(gg_host_instance_id(p->server->host)));
}

/* ---- begin and end ---- */

static struct gg_str user_of(const struct mx_visit *visit)
{
    return gg_strn(visit->text, visit->n_user);
}

static struct gg_str device_of(const struct mx_visit *visit)
{
    return visit->n_device > 0 ? gg_strn(visit->text + visit->n_user + 1, visit->n_device) : (struct gg_str){0};
}

static struct mx_visit *count_in(struct mx_presences *p, struct gg_str user_id, struct gg_str device_id)
{
    struct mx_visit *visit = gg_xcalloc(1, sizeof(*visit) + user_id.n + device_id.n + 2);
    visit->p = p;
    visit->n_user = user_id.n;
    visit->n_device = device_id.n;
    memcpy(visit->text, user_id.s, user_id.n);
    visit->text[user_id.n] = '\n';
    if (device_id.n > 0)
        memcpy(visit->text + user_id.n + 1, device_id.s, device_id.n);
    struct gg_str key = gg_str(visit->text);
    struct here *here = gg_map_get(p->visits->devices, key);
    if (here == NULL) {
        here = gg_xcalloc(1, sizeof(*here));
        gg_map_put(p->visits->devices, key, here);
        here->told = gg_now_ms();
        if (p->writer == NULL)
            send_line(p, key, true, gg_wall_ms());
    }
    here->n++;
    return visit;
}

void mx_presence_visit_begin(struct mx_server *server, const struct mx_requester *requester, uint8_t kind,
                             struct mx_visit **visit_out)
{
    struct mx_presences *p = server->who_is_there;
    struct gg_error err = GG_ERROR_INIT;
    const struct mx_presence_wish wish = {.kind = kind, .by_sync = true};
    struct gg_str user_id = gg_str(requester->user_id), device_id = gg_str(requester->device_id);
    *visit_out = NULL;
    if (!p->tracked || kind == MX_OFFLINE || requester->app_service != NULL ||
        gg_map_count(p->visits->devices) >= MAX_DEVICES)
        return;
    if (mx_presence_set(server, user_id, device_id, &wish, &err) != 0)
        gg_info(&logger, "%s syncs, which its presence does not show: %s", requester->user_id, err.message);
    *visit_out = count_in(p, user_id, device_id);
    if (p->writer != NULL)
        mx_presence_writer_visit(p, user_id, device_id, true);
}

void mx_presence_visit_end(struct mx_visit *visit)
{
    if (visit == NULL)
        return;
    struct here *here = gg_map_get(visit->p->visits->devices, gg_str(visit->text));
    if (here != NULL && here->n > 0)
        here->n--;
    if (here != NULL)
        here->ended = gg_wall_ms();
    if (visit->p->writer != NULL)
        mx_presence_writer_visit(visit->p, user_of(visit), device_of(visit), false);
    free(visit);
}
