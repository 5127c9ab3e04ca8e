/* matrix/federation/hints.c: keys in Redis for the processes that send events to other servers. */
#include "federation/hints.h"
#include "federation/hosts.h"

#include "parts.h"

#include <ganglion/memory.h>
#include <ganglion/topology.h>
#include <stdlib.h>

#define KEPT_MS INT64_C(3600000)
#define AGAIN_MS INT64_C(1800000)
enum { REMEMBERED = 1024 };

struct mx_fed_hints {
    bool wanted; /* somebody else sends */
    struct {
        int64_t group, at_ms;
    } told[REMEMBERED]; /* groups whose servers were told of lately, by their number */
};

static void tell_group(struct mx_server *server, struct gg_str event_id, int64_t group)
{
    char key[320];
    struct gg_buf value = GG_BUF_INIT;
    if (event_id.n > 255)
        return;
    int n = snprintf(key, sizeof(key), "cache_v1:event_to_prev_state_group:%.*s", GG_FMT(event_id));
    gg_buf_i64(&value, group);
    if (n > 0 && (size_t)n < sizeof(key))
        gg_repl_cache_set(server->host, key, gg_buf_view(&value), KEPT_MS);
    gg_buf_done(&value);
}

static void tell_hosts(struct mx_server *server, const struct mx_head *head)
{
    char key[64];
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf value = GG_BUF_INIT;
    struct mx_fed_hosts hosts;
    mx_fed_hosts_of_head(server, head, arena, &hosts);
    gg_buf_char(&value, '[');
    for (size_t i = 0; i < hosts.n; i++) {
        if (i)
            gg_buf_char(&value, ',');
        gg_buf_json_string(&value, hosts.names[i]);
    }
    gg_buf_char(&value, ']');
    snprintf(key, sizeof(key), "cache_v1:get_joined_hosts:%lld", (long long)head->group);
    gg_repl_cache_set(server->host, key, gg_buf_view(&value), KEPT_MS);
    gg_buf_done(&value);
    gg_arena_free(arena);
}

static bool told_lately(struct mx_fed_hints *hints, int64_t group)
{
    size_t place = (size_t)group % REMEMBERED;
    bool lately = hints->told[place].group == group && gg_now_ms() - hints->told[place].at_ms < AGAIN_MS;
    if (!lately) {
        hints->told[place].group = group;
        hints->told[place].at_ms = gg_now_ms();
    }
    return lately;
}

void mx_fed_hint(struct mx_server *server, struct gg_str room_id, const struct mx_persist_item *items, size_t n)
{
    struct mx_fed_hints *hints = server->fed_hints;
    if (!hints->wanted)
        return;
    const struct mx_head *head = mx_heads_cached(server, room_id);
    if (head && mx_fed_hosts_never_others(server, head))
        return; /* nobody is sent them */
    for (size_t i = 0; i < n; i++) {
        int64_t group = items[i].group_before;
        if (!group)
            continue;
        tell_group(server, items[i].event->event_id, group);
        if (head && head->group == group && !told_lately(hints, group))
            tell_hosts(server, head);
    }
}

/* ---- the part ---- */

static bool others_send(const struct mx_server *server)
{
    size_t n;
    const char *const *senders = gg_topology_duty(server->config, "federation_sender", &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(senders[i], gg_topology_instance(server->config)) != 0)
            return true;
    return n == 0; /* somebody whose name is not known here */
}

static int make(struct mx_server *server, struct gg_error *err)
{
    (void)err;
    server->fed_hints = gg_xcalloc(1, sizeof(*server->fed_hints));
    server->fed_hints->wanted = gg_host_redis_enabled(server->host) && others_send(server);
    return 0;
}

static void free_part(struct mx_server *server)
{
    free(server->fed_hints);
    server->fed_hints = NULL;
}

const struct mx_part mx_part_fed_hints = {"federation hints", make, NULL, NULL, free_part, NULL};
