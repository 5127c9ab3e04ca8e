/* matrix/appservice/sent.c: see sent.h. */
#include "appservice/sent.h"

#include "appservice/services.h"
#include "e2ee/to_device.h"

#include <ganglion/memory.h>

static int send(struct gg_request *rq, const struct mx_new_event *event, struct gg_str *event_id, struct gg_error *err)
{
    return mx_room_send(mx_server_of_request(rq), mx_requester_of(rq), event, gg_request_arena(rq), event_id, NULL, err);
}

static void remember(struct mx_cache *cache, struct gg_str key, struct gg_str event_id)
{
    char *copy = gg_xmalloc(event_id.n + 1);
    memcpy(copy, event_id.s, event_id.n);
    copy[event_id.n] = '\0';
    (void)mx_cache_put(cache, key, copy, event_id.n + 1, mx_cache_tick(cache));
}

int mx_send_once(struct gg_request *rq, const struct mx_new_event *event, struct gg_str *event_id_out, struct gg_error *err)
{
    const struct mx_requester *who = mx_requester_of(rq);
    struct mx_server *server = mx_server_of_request(rq);
    if (who->app_service == NULL || who->device_id != NULL || event->txn_id == NULL)
        return send(rq, event, event_id_out, err); /* those of devices are kept in the database */
    struct mx_cache *cache = mx_appservices_of(server)->sent;
    struct gg_str key = gg_str(gg_arena_printf(gg_request_arena(rq), "appservice%c%s%c%s", MX_KEY_SEP, who->app_service, MX_KEY_SEP,
                                               gg_request_path(rq)));
    struct mx_sent *sent = NULL;
    bool first;
    int rc = mx_sent_begin(server, key, &sent, &first, err);
    if (rc != 0)
        return rc;
    const char *known = first ? NULL : mx_cache_get(cache, key);
    if (known != NULL) {
        *event_id_out = gg_str(gg_arena_strdup(gg_request_arena(rq), known));
        return 0;
    }
    rc = send(rq, event, event_id_out, err);
    if (rc == 0)
        remember(cache, key, *event_id_out);
    if (first)
        mx_sent_end(server, sent, rc == 0);
    return rc;
}
