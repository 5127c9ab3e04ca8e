/* gateway.c: one request to a push gateway (push gateway API, "POST /_matrix/push/v1/notify"). */
#include "pool.h"

#include <ganglion/client.h>
#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.pusher"};

enum { TIMEOUT_MS = 30000, CONNECT_MS = 10000, MAX_ANSWER = 65536 };

/* Is ours among the keys that the gateway refuses? */
static bool is_rejected(const struct pusher *pusher, struct gg_str answer)
{
    json_t *body = json_loadb(answer.s, answer.n, 0, NULL);
    const json_t *keys = json_object_get(body, "rejected");
    bool found = false;
    for (size_t i = 0; !found && i < json_array_size(keys); i++) {
        const char *key = json_string_value(json_array_get(keys, i));
        found = key != NULL && gg_str_is(pusher->row.pushkey, key);
    }
    json_decref(body);
    return found;
}

int pusher_tell(struct pusher *pusher, struct gg_str body, struct gg_arena *arena, bool *rejected, struct gg_error *err)
{
    static const char *const headers[] = {"Content-Type: application/json", NULL};
    struct gg_client_request request = {.method = "POST",
                                        .url = pusher->url,
                                        .headers = headers,
                                        .body = body,
                                        .connect_timeout_ms = CONNECT_MS,
                                        .max_answer = MAX_ANSWER,
                                        .public_only = true,
                                        .proxied = true,
                                        .insecure = mx_trusts_anybody(pool_server(pusher->pool))};
    struct gg_client_answer answer;
    int64_t before = gg_set_deadline(gg_deadline(TIMEOUT_MS));
    int rc = gg_client_fetch(pool_server(pusher->pool)->host, &request, arena, &answer, err);
    (void)gg_set_deadline(before);
    *rejected = false;
    if (rc < 0)
        return rc;
    if (answer.status < 200 || answer.status >= 300)
        return gg_fail(err, GG_E_UNAVAILABLE, "the gateway answered %d", answer.status);
    *rejected = is_rejected(pusher, answer.body);
    if (*rejected)
        gg_info(&logger, "%.*s of %.*s: the gateway does not know the key any more", GG_FMT(pusher->row.app_id),
                GG_FMT(pusher->row.user_id));
    return 0;
}
