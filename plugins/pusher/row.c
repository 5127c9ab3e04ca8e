/* row.c: a pusher of a row of the table. */
#include "pool.h"

#include <ganglion/log.h>
#include <ganglion/matrix/id.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.pusher"};

static void copy_texts(struct pusher *pusher, const struct mx_pusher *row)
{
    pusher->row = *row;
    struct gg_str *texts[] = {&pusher->row.user_id, &pusher->row.kind, &pusher->row.app_id, &pusher->row.pushkey,
                              &pusher->row.app_display_name, &pusher->row.device_display_name, &pusher->row.profile_tag,
                              &pusher->row.lang, &pusher->row.device_id, &pusher->row.data};
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        if (texts[i]->s != NULL)
            *texts[i] = gg_arena_str(pusher->arena, *texts[i]);
}

/* "https://push.example.org:1234/...": "push.example.org:1234" */
static const char *host_of(const char *url, struct gg_arena *arena)
{
    const char *from = strstr(url, "://");
    from = from != NULL ? from + 3 : url;
    return gg_arena_strndup(arena, from, strcspn(from, "/"));
}

/* Where to, and the device as the gateway is told of it: its data is what the client gave, without the address. */
static bool read_data(struct pusher *pusher)
{
    const struct mx_pusher *row = &pusher->row;
    json_t *data = row->data.s != NULL ? json_loadb(row->data.s, row->data.n, JSON_ALLOW_NUL, NULL) : NULL;
    const char *url = json_string_value(json_object_get(data, "url"));
    const char *format = json_string_value(json_object_get(data, "format"));
    bool ok = url != NULL;
    if (ok) {
        pusher->url = gg_arena_strdup(pusher->arena, url);
        pusher->host = host_of(url, pusher->arena);
        pusher->ids_only = format != NULL && strcmp(format, "event_id_only") == 0;
        json_object_del(data, "url");
        pusher->device = json_pack("{s:s%, s:s%, s:I, s:O}", "app_id", row->app_id.s, row->app_id.n, "pushkey", row->pushkey.s,
                                   row->pushkey.n, "pushkey_ts", (json_int_t)(row->ts / 1000), "data", data);
        ok = pusher->device != NULL;
    }
    json_decref(data);
    return ok;
}

struct pusher *pusher_new(struct pool *pool, const struct mx_pusher *row)
{
    bool mails = gg_str_is(row->kind, "email") && mx_push_mails_enabled(pool_server(pool)->config);
    if (row->disabled || (!mails && !gg_str_is(row->kind, "http")))
        return NULL;
    struct pusher *pusher = gg_xcalloc(1, sizeof(*pusher));
    pusher->pool = pool;
    pusher->arena = gg_arena_new();
    pusher->badge_told = -1;
    gg_list_init(&pusher->of_user);
    gg_list_init(&pusher->ready);
    copy_texts(pusher, row);
    pusher->mails = mails;
    pusher->host = "mail"; /* all share one mail server */
    if (mails || read_data(pusher))
        return pusher;
    gg_warn(&logger, "the pusher %lld of %.*s has no address", (long long)row->id, GG_FMT(row->user_id));
    pusher_free(pusher);
    return NULL;
}

void pusher_free(struct pusher *pusher)
{
    gg_list_remove(&pusher->of_user);
    gg_list_remove(&pusher->ready);
    if (pusher->retry != NULL)
        gg_timer_stop(pusher->retry);
    json_decref(pusher->device);
    gg_arena_free(pusher->arena);
    free(pusher);
}
