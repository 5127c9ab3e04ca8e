/* matrix/storage/relations_cache.c: what of events this process knows to be related to or not. */
#include "storage/relations_cache.h"

#include "storage/events/rows.h"
#include "storage/relations.h"

#include <ganglion/matrix/cache.h>
#include <ganglion/memory.h>
#include <stdlib.h>

enum { CACHE_BYTES = 4 * 1024 * 1024 };

/* cache_func get_relations_for_event: (room, event), written when a relation was redacted. */
static void forget(void *self, const struct gg_str *keys, size_t n)
{
    struct mx_server *server = self;
    if (n == 2)
        mx_cache_drop(server->related, keys[1]);
    else
        mx_cache_clear(server->related);
}

static void apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n,
                  bool moved)
{
    struct mx_server *server = self;
    struct mx_event_row row;
    if (moved)
        return;
    struct gg_arena *arena = gg_arena_new();
    for (size_t i = 0; i < n; i++) {
        bool parsed = stream == server->events ? mx_event_row_parse(rows[i].row, arena, &row) && row.kind == MX_ROW_EV
                                               : mx_backfill_row_parse(rows[i].row, arena, &row);
        if (parsed && row.relates_to.s != NULL)
            mx_cache_drop(server->related, row.relates_to);
    }
    gg_arena_free(arena);
}

void mx_related_make(struct mx_server *server)
{
    server->related = mx_cache_new(server, &(struct mx_cache_def){"relation_kinds", CACHE_BYTES, free});
    mx_caches_on(server, "get_relations_for_event", forget, server);
    gg_stream_follow(server->events, apply, server);
    gg_stream_follow(server->backfill, apply, server);
}

int mx_related_kinds(struct mx_server *server, const struct gg_str *parents, size_t n, struct gg_arena *arena, uint8_t *out,
                     struct gg_error *err)
{
    struct gg_str *missing = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    size_t *places = GG_NEW_ARRAY(arena, size_t, n + 1), m = 0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *known = mx_cache_get(server->related, parents[i]);
        out[i] = known != NULL ? *known : 0;
        if (known != NULL)
            continue;
        places[m] = i;
        missing[m++] = parents[i];
    }
    uint8_t *kinds = GG_NEW_ARRAY(arena, uint8_t, m + 1);
    uint64_t tick = mx_cache_tick(server->related);
    int rc = m > 0 ? mx_relations_kinds(server, missing, m, arena, kinds, err) : 0;
    for (size_t k = 0; rc == 0 && k < m; k++) {
        uint8_t *held = gg_xmalloc(1);
        *held = out[places[k]] = kinds[k];
        mx_cache_put(server->related, missing[k], held, 1, tick);
    }
    return rc;
}
