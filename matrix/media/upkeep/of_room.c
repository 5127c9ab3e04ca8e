/* of_room.c: the files that the events of a room name. */
#include <ganglion/matrix/json.h>

#include "media/upkeep/upkeep.h"

enum { EVENTS = 500 };

/* Events may hold any text, the database none with NUL or lone surrogates: addresses are plain (client-server API, "mxc URIs"). */
static bool is_plain(struct gg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.s[i] <= ' ' || (unsigned char)s.s[i] >= 0x7f || memchr("/?#", s.s[i], 3) != NULL)
            return false;
    return s.n > 0 && s.n <= 255;
}

bool mx_mxc_split(struct gg_str text, struct mx_mxc *out)
{
    struct gg_str scheme = GG_STR("mxc://");
    if (!gg_str_starts(text, scheme))
        return false;
    struct gg_str rest = gg_strn(text.s + scheme.n, text.n - scheme.n);
    const char *slash = rest.n > 0 ? memchr(rest.s, '/', rest.n) : NULL;
    if (slash == NULL)
        return false;
    out->origin = gg_strn(rest.s, (size_t)(slash - rest.s));
    out->id = gg_strn(slash + 1, rest.n - out->origin.n - 1);
    return is_plain(out->origin) && is_plain(out->id);
}

static size_t add(struct gg_str value, struct gg_arena *arena, struct mx_mxc *out)
{
    return mx_json_is_string(value) && mx_mxc_split(mx_json_string(value, arena), out);
}

/* Those of a batch of events. */
static size_t collect(const struct gg_str *events, size_t n, struct gg_arena *arena, struct mx_mxc *out)
{
    static const char *const file[] = {"content", "url", NULL};
    static const char *const thumbnail[] = {"content", "info", "thumbnail_url", NULL};
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        used += add(mx_json_path(events[i], file), arena, &out[used]);
        used += add(mx_json_path(events[i], thumbnail), arena, &out[used]);
    }
    return used;
}

int mx_media_of_room(struct mx_server *server, struct gg_str room_id, mx_media_of_room_fn *fn, void *arg, struct gg_error *err)
{
    struct mx_media_walk walk = MX_MEDIA_WALK_INIT;
    int rc = 0;
    while (rc == 0 && !walk.done) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_str *events;
        size_t n;
        rc = mx_media_events_of_room(server, room_id, &walk, EVENTS, arena, &events, &n, err);
        if (rc == 0) {
            struct mx_mxc *files = GG_NEW_ARRAY(arena, struct mx_mxc, 2 * n + 1);
            rc = fn(arg, files, collect(events, n, arena, files), err);
        }
        gg_arena_free(arena);
    }
    return rc;
}
