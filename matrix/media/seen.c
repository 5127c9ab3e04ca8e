/* matrix/media/seen.c: when a file was last looked at: gathered in memory and written once a minute, as retention needs no
 * better and a picture may be looked at by a whole room. */
#include "media/media.h"

#include <ganglion/log.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.media"};

/* When more is looked at within a minute, the rest is not written down. */
enum { MAX_SEEN = 50000 };

struct seen {
    size_t origin_n; /* text begins with the origin; 0: ours */
    size_t n;
    char text[];
};

void mx_media_seen(struct mx_media *media, struct gg_str origin, struct gg_str id)
{
    char key[600];
    int n = snprintf(key, sizeof(key), "%.*s/%.*s", GG_FMT(origin.s != NULL ? origin : GG_STR("")), GG_FMT(id));
    if (n < 0 || (size_t)n >= sizeof(key) || gg_map_count(media->seen) >= MAX_SEEN || gg_map_has(media->seen, gg_strn(key, (size_t)n)))
        return;
    struct seen *seen = gg_xcalloc(1, sizeof(*seen) + (size_t)n + 1);
    seen->origin_n = origin.s != NULL ? origin.n : 0;
    seen->n = (size_t)n;
    memcpy(seen->text, key, (size_t)n);
    gg_map_put(media->seen, gg_strn(key, (size_t)n), seen);
}

void mx_media_write_seen(void *arg)
{
    struct mx_media *media = arg;
    size_t n = 0;
    if (gg_map_count(media->seen) == 0)
        return;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *origins = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(media->seen));
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, gg_map_count(media->seen));
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(media->seen, &i, &key, &value); n++) {
        const struct seen *seen = value;
        const char *text = gg_arena_strndup(arena, seen->text, seen->n);
        origins[n] = seen->origin_n > 0 ? gg_strn(text, seen->origin_n) : (struct gg_str){0};
        ids[n] = gg_strn(text + seen->origin_n + 1, seen->n - seen->origin_n - 1);
    }
    gg_map_clear(media->seen);
    struct gg_error err = GG_ERROR_INIT;
    if (mx_media_touch(media->server, origins, ids, n, gg_wall_ms(), &err) < 0)
        gg_warn(&logger, "when %zu files were looked at is not kept: %s", n, err.message);
    gg_arena_free(arena);
}
