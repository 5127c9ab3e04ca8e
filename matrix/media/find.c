/* matrix/media/find.c: what is ours is looked up, and waited for when it was announced; of other servers: fetch.c. */
#include "media/find.h"

#include "media/fetch.h"

enum { LOOK_AGAIN_MS = 500 };

static int unknown(struct gg_error *err)
{
    return gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
}

static int find_own(struct mx_media *media, const struct mx_media_ask *ask, struct gg_arena *arena, struct mx_media_row *out,
                    struct gg_error *err)
{
    int64_t until = gg_deadline(ask->timeout_ms > 0 ? ask->timeout_ms : 0);
    for (;;) { /* another process may take the upload: the database is asked again */
        bool found;
        int rc = mx_media_row_get(media->server, (struct gg_str){0}, ask->id, arena, out, &found, err);
        if (rc != 0)
            return rc;
        if (!found || (out->quarantined_by.s != NULL && !ask->past_quarantine))
            return unknown(err);
        if (out->length != MX_MEDIA_EMPTY)
            return mx_media_hidden(media, out, ask->logged_in) ? unknown(err) : 0;
        if (out->created_ts < gg_wall_ms() - media->unused_ms)
            return unknown(err);
        if (gg_now_ms() >= until)
            return gg_refuse(err, 504, "M_NOT_YET_UPLOADED", "Media has not been uploaded yet");
        int64_t left = until - gg_now_ms();
        if ((rc = gg_sleep(left < LOOK_AGAIN_MS ? left : LOOK_AGAIN_MS)) < 0)
            return gg_fail(err, rc, "nobody waits for the upload any more");
    }
}

int mx_media_find(struct mx_media *media, const struct mx_media_ask *ask, struct gg_arena *arena, struct mx_media_row *out,
                  struct gg_error *err)
{
    bool ours = gg_str_is(ask->origin, media->server->name);
    int rc = ours ? find_own(media, ask, arena, out, err) : mx_media_fetch(media, ask, arena, out, err);
    if (rc == 0)
        mx_media_seen(media, ours ? (struct gg_str){0} : ask->origin, ask->id);
    return rc;
}
