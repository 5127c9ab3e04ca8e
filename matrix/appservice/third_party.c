/* matrix/appservice/third_party.c: see third_party.h. */
#include "appservice/third_party.h"

#include "appservice/services.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>

static struct gg_logger logger = {"ganglion.appservice"};

enum { ASK_MS = 15000, KEEP_MS = 3600 * 1000, KEEP_FAILURE_MS = 30 * 1000, MAX_RESULTS = 1000 };

/* GET of a service as JSON, a new reference; NULL: it did not answer as it should. */
static json_t *ask(struct mx_server *server, const struct mx_appservice *service, const char *path)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_client_answer answer = {0};
    struct gg_error err = GG_ERROR_INIT;
    int64_t own = gg_deadline(ASK_MS), before = gg_set_deadline(own);
    if (before < own)
        (void)gg_set_deadline(before);
    int rc = mx_appservice_request(server, service, "GET", path, gg_strn(NULL, 0), arena, &answer, &err);
    (void)gg_set_deadline(before);
    if (rc == 0 && (answer.status < 200 || answer.status >= 300))
        rc = gg_fail(&err, GG_E_PROTOCOL, "it answered %d", answer.status);
    json_t *json = rc == 0 ? json_loadb(answer.body.s, answer.body.n, JSON_DECODE_ANY, NULL) : NULL;
    if (json == NULL)
        gg_warn(&logger, "%s was asked for %.100s: %s", service->id, path, rc == 0 ? "it did not answer in JSON" : err.message);
    gg_arena_free(arena);
    return json;
}

/* ---- protocols ---- */

struct kept {
    int64_t until; /* gg_now_ms() */
    char json[];   /* "" when there was no good answer */
};

static void name_instances(const struct mx_appservice *service, json_t *info)
{
    size_t i;
    json_t *instance;
    json_array_foreach(json_object_get(info, "instances"), i, instance)
    {
        const char *network = json_string_value(json_object_get(instance, "network_id"));
        if (network != NULL)
            json_object_set_new(instance, "instance_id", json_sprintf("%s|%s", service->id, network));
    }
}

static json_t *keep(struct mx_server *server, struct gg_str key, json_t *info)
{
    struct mx_cache *cache = mx_appservices_of(server)->protocols;
    char *text = info != NULL ? json_dumps(info, JSON_COMPACT) : NULL;
    size_t n = text != NULL ? strlen(text) : 0;
    struct kept *kept = gg_xcalloc(1, sizeof(*kept) + n + 1);
    kept->until = gg_now_ms() + (text != NULL ? KEEP_MS : KEEP_FAILURE_MS);
    memcpy(kept->json, text != NULL ? text : "", n);
    free(text);
    (void)mx_cache_put(cache, key, kept, sizeof(*kept) + n, mx_cache_tick(cache));
    return info;
}

/* From memory, else asked for. A new reference, or NULL. */
static json_t *protocol_of(struct mx_server *server, const struct mx_appservice *service, const char *protocol)
{
    struct gg_buf key = GG_BUF_INIT, path = GG_BUF_INIT;
    gg_buf_printf(&key, "%s%c%s", service->id, MX_KEY_SEP, protocol);
    const struct kept *kept = mx_cache_get(mx_appservices_of(server)->protocols, gg_buf_view(&key));
    json_t *info = NULL;
    if (kept != NULL && kept->until > gg_now_ms()) {
        info = json_loads(kept->json, 0, NULL);
    } else {
        gg_buf_lit(&path, "/_matrix/app/v1/thirdparty/protocol/");
        gg_buf_urlencode(&path, gg_str(protocol));
        info = ask(server, service, path.data);
        if (info != NULL && !json_is_array(json_object_get(info, "instances"))) {
            gg_warn(&logger, "%s says of %s what cannot be used", service->id, protocol);
            json_decref(info);
            info = NULL;
        }
        name_instances(service, info);
        info = keep(server, gg_buf_view(&key), info);
    }
    gg_buf_done(&key);
    gg_buf_done(&path);
    return info;
}

/* Of several services the instances are put together; the rest ought to be the same. */
static void merge(json_t *all, const char *protocol, json_t *info)
{
    json_t *known = json_object_get(all, protocol);
    if (known != NULL)
        json_array_extend(json_object_get(known, "instances"), json_object_get(info, "instances"));
    else if (info != NULL)
        json_object_set(all, protocol, info);
    json_decref(info);
}

json_t *mx_third_party_protocols(struct mx_server *server, const char *only)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n);
    json_t *all = json_object();
    for (size_t i = 0; i < n; i++)
        for (size_t p = 0; v[i].url != NULL && p < v[i].n_protocols; p++)
            if (only == NULL || strcmp(only, v[i].protocols[p]) == 0)
                merge(all, v[i].protocols[p], protocol_of(server, &v[i], v[i].protocols[p]));
    return all;
}

/* ---- users and places ---- */

static bool is_result(const json_t *r, const char *field)
{
    return json_is_string(json_object_get(r, field)) && json_is_string(json_object_get(r, "protocol")) &&
           json_is_object(json_object_get(r, "fields"));
}

static void add_results(json_t *out, const struct mx_appservice *service, const json_t *answer, const char *field)
{
    size_t i;
    json_t *r;
    if (answer != NULL && !json_is_array(answer))
        gg_warn(&logger, "%s did not answer with a list", service->id);
    json_array_foreach(answer, i, r)
        if (is_result(r, field) && json_array_size(out) < MAX_RESULTS)
            json_array_append(out, r);
}

static bool serves(const struct mx_appservice *service, const char *protocol)
{
    for (size_t p = 0; service->url != NULL && p < service->n_protocols; p++)
        if (strcmp(service->protocols[p], protocol) == 0)
            return true;
    return false;
}

json_t *mx_third_party_find(struct mx_server *server, const char *kind, const char *protocol, struct gg_str query)
{
    size_t n;
    const struct mx_appservice *v = mx_appservices(server, &n);
    json_t *out = json_array();
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_printf(&path, "/_matrix/app/v1/thirdparty/%s/", kind);
    gg_buf_urlencode(&path, gg_str(protocol));
    gg_buf_text(&path, query.n > 0 ? "?" : "");
    gg_buf_str(&path, query);
    for (size_t i = 0; i < n; i++) {
        if (!serves(&v[i], protocol))
            continue;
        json_t *answer = ask(server, &v[i], path.data);
        add_results(out, &v[i], answer, strcmp(kind, "user") == 0 ? "userid" : "alias");
        json_decref(answer);
    }
    gg_buf_done(&path);
    return out;
}
