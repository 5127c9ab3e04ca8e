/* matrix/media/fetch.c: files of other servers: one transfer for all who ask, in a fiber of its own, straight to disk. */
#include "media/fetch.h"

#include "federation/client.h"
#include "media/fetch_one.h"
#include "media/stores.h"

#include <ganglion/memory.h>
#include <stdlib.h>

/* In all, and from one server: who answers drop by drop keeps us from others' files no more than from its own. */
enum { MAX_FETCHES = 256, MAX_OF_ONE = 32, LEAST_BALANCE = 1 << 20 };

struct flight {
    struct mx_fetch_one one; /* first: what is fetched, and what became of it */
    struct gg_cond landed;
    unsigned refs;
    bool done;
    int rc;
    struct gg_error err;
    struct gg_str key;
    struct gg_arena *arena;
};

static int unknown(struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
}

/* ---- one for many ---- */

static void release(struct flight *flight)
{
    if (--flight->refs == 0)
        gg_arena_free(flight->arena);
}

static void fly(void *arg)
{
    struct flight *flight = arg;
    struct gg_error err = GG_ERROR_INIT;
    flight->rc = mx_fetch_one(&flight->one, &err);
    flight->err = err;
    flight->done = true;
    gg_map_delete(flight->one.media->fetches, flight->key);
    gg_cond_broadcast(&flight->landed);
    release(flight);
}

static struct flight *start(struct mx_media *media, const struct mx_media_ask *ask, struct gg_str key)
{
    struct gg_arena *arena = gg_arena_new();
    struct flight *flight = GG_NEW(arena, struct flight);
    flight->arena = arena;
    flight->key = gg_arena_str(arena, key);
    flight->refs = 2; /* the fiber's and the asker's */
    flight->one = (struct mx_fetch_one){.media = media, .arena = arena, .origin = gg_arena_str(arena, ask->origin),
                                        .id = gg_arena_str(arena, ask->id), .timeout_ms = ask->timeout_ms,
                                        .address = gg_arena_strdup(arena, ask->address)};
    gg_cond_init(&flight->landed);
    gg_map_put(media->fetches, flight->key, flight);
    if (gg_spawn(media->scope, "media fetch", fly, flight) != NULL)
        return flight;
    gg_map_delete(media->fetches, flight->key);
    gg_arena_free(arena);
    return NULL;
}

static size_t count_of(const struct mx_media *media, struct gg_str origin)
{
    size_t n = 0;
    struct gg_str key;
    void *flight;
    for (size_t i = 0; gg_map_next(media->fetches, &i, &key, &flight);)
        n += gg_str_eq(((const struct flight *)flight)->one.origin, origin);
    return n;
}

/* What one address may still make us fetch; the bytes themselves are counted as they come. */
static int may_fetch(struct mx_media *media, const struct mx_media_ask *ask, struct gg_error *err)
{
    int64_t retry;
    if (gg_map_count(media->fetches) >= MAX_FETCHES || count_of(media, ask->origin) >= MAX_OF_ONE)
        return gg_refuse(err, 503, "M_UNKNOWN", "The server fetches too many files now");
    if (ask->address == NULL || mx_bucket_take_many(media->addresses, gg_str(ask->address), media->remote_rate, LEAST_BALANCE,
                                                    false, gg_now_ms(), &retry))
        return 0;
    return gg_refuse(err, 429, "M_LIMIT_EXCEEDED", "Requested file size exceeds ratelimits");
}

static int fetch_shared(struct mx_media *media, const struct mx_media_ask *ask, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_str key = gg_str(gg_arena_printf(arena, "%.*s/%.*s", GG_FMT(ask->origin), GG_FMT(ask->id)));
    struct flight *flight = gg_map_get(media->fetches, key);
    int rc = 0;
    if (flight != NULL)
        flight->refs++;
    else if ((rc = may_fetch(media, ask, err)) == 0 && (flight = start(media, ask, key)) == NULL)
        rc = gg_fail(err, GG_E_UNAVAILABLE, "no fiber is left");
    if (rc < 0)
        return rc;
    while (rc == 0 && !flight->done)
        rc = gg_cond_wait(&flight->landed, GG_FOREVER);
    if (rc < 0) {
        gg_fail(err, rc, "nobody waits for the file any more");
    } else if (flight->rc != 0) {
        rc = flight->rc;
        *err = flight->err;
    }
    release(flight);
    return rc;
}

/* ---- what is here ---- */

/* *here_out: it is kept, and may be shown. */
static int look(struct mx_media *media, const struct mx_media_ask *ask, struct gg_arena *arena, struct mx_media_row *out,
                bool *here_out, struct gg_error *err)
{
    bool found;
    int rc = mx_media_row_get(media->server, ask->origin, ask->id, arena, out, &found, err);
    *here_out = false;
    if (rc != 0)
        return rc;
    if (media->authenticated && !ask->logged_in && (!found || out->authenticated))
        return unknown(err); /* and nothing is fetched for who is not logged in */
    if (found && out->quarantined_by.s != NULL && !ask->past_quarantine)
        return unknown(err);
    *here_out = found && mx_media_there(media, out);
    return 0;
}

int mx_media_fetch(struct mx_media *media, const struct mx_media_ask *ask, struct gg_arena *arena, struct mx_media_row *out,
                   struct gg_error *err)
{
    bool here;
    if (!mx_fed_allowed(media->server, ask->origin))
        return gg_refuse(err, 403, "M_FORBIDDEN", "Federation denied with %.*s.", GG_FMT(ask->origin));
    if (ask->no_remote || gg_map_has(media->prevented, ask->origin))
        return unknown(err);
    int rc = look(media, ask, arena, out, &here, err);
    if (rc != 0 || here)
        return rc;
    rc = fetch_shared(media, ask, arena, err);
    if (rc == 0)
        rc = look(media, ask, arena, out, &here, err);
    return rc != 0 || here ? rc : unknown(err);
}
