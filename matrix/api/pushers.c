/* matrix/api/pushers.c: where a user wants to be notified (client-server API, "Push Notifications"). */
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/pushers.h>
#include <stdlib.h>

#include "accounts/macaroon.h"
#include "accounts/threepid.h"
#include "pages/pages.h"

enum { MAX_APP_ID = 64, MAX_PUSHKEY = 512 };

#define NOTIFY_PATH "/_matrix/push/v1/notify"

/* ---- telling ---- */

static void set_text(json_t *object, const char *key, struct gg_str text)
{
    json_object_set_new(object, key, text.s != NULL ? json_stringn(text.s, text.n) : json_null());
}

static json_t *as_json(const struct mx_pusher *p)
{
    json_t *one = json_object();
    json_t *data = p->data.s != NULL ? json_loadb(p->data.s, p->data.n, JSON_ALLOW_NUL, NULL) : NULL;
    set_text(one, "app_display_name", p->app_display_name);
    set_text(one, "app_id", p->app_id);
    set_text(one, "device_display_name", p->device_display_name);
    set_text(one, "kind", p->kind);
    set_text(one, "lang", p->lang);
    set_text(one, "profile_tag", p->profile_tag);
    set_text(one, "pushkey", p->pushkey);
    json_object_set_new(one, "data", data != NULL ? data : json_object());
    return one;
}

static int list(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_pusher *pushers;
    size_t n;
    int rc = mx_pushers_list(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), 0, 0, gg_request_arena(rq),
                             &pushers, &n, err);
    if (rc < 0)
        return rc;
    json_t *all = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(all, as_json(&pushers[i]));
    return gg_reply_json(rq, 200, json_pack("{s:o}", "pushers", all));
}

/* ---- setting ---- */

static int read_texts(json_t *body, struct mx_pusher *out, struct gg_error *err)
{
    const struct {
        const char *key;
        struct gg_str *to;
    } wanted[] = {{"kind", &out->kind}, {"app_id", &out->app_id}, {"app_display_name", &out->app_display_name},
                  {"device_display_name", &out->device_display_name}, {"pushkey", &out->pushkey}, {"lang", &out->lang}};
    for (size_t i = 0; i < GG_COUNT(wanted); i++) {
        json_t *value = json_object_get(body, wanted[i].key);
        if (value == NULL)
            return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing parameters: %s", wanted[i].key);
        if (!json_is_string(value))
            return gg_refuse(err, 400, "M_INVALID_PARAM", "%s must be a string", wanted[i].key);
        *wanted[i].to = gg_strn(json_string_value(value), json_string_length(value));
    }
    json_t *tag = json_object_get(body, "profile_tag");
    if (tag != NULL && !json_is_string(tag))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "profile_tag must be a string");
    out->profile_tag = tag != NULL ? gg_strn(json_string_value(tag), json_string_length(tag)) : GG_STR("");
    if (out->app_id.n > MAX_APP_ID || out->pushkey.n > MAX_PUSHKEY)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "app_id or pushkey is too long");
    return 0;
}

/* The gateway's address: http or https, and no other path (push gateway API). */
static bool gateway_ok(const char *url)
{
    const char *host = strncmp(url, "https://", 8) == 0 ? url + 8 : strncmp(url, "http://", 7) == 0 ? url + 7 : NULL;
    const char *path = host != NULL ? strchr(host, '/') : NULL;
    size_t n = strlen(NOTIFY_PATH);
    return path != NULL && path > host && strncmp(path, NOTIFY_PATH, n) == 0 && (path[n] == '\0' || path[n] == '?');
}

static int check_http(json_t *data, struct gg_error *err)
{
    json_t *url = json_object_get(data, "url");
    if (url == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Config Error: 'url' required in data for HTTP pusher");
    if (!json_is_string(url) || !gateway_ok(json_string_value(url)))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Config Error: 'url' must have a path of '" NOTIFY_PATH "'");
    return 0;
}

/* Mails go only to an address that is proven to be the user's. */
static int check_mail(struct gg_request *rq, const struct mx_pusher *p, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_str address, owner;
    if (!mx_push_mails_enabled(server->config))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Config Error: notifications by mail are not enabled on this server");
    int rc = mx_mail_canonical(p->pushkey, gg_request_arena(rq), &address, err);
    if (rc == 0)
        rc = mx_users_by_address(server, GG_STR("email"), address, gg_request_arena(rq), &owner, err);
    if (rc == 0 && (owner.s == NULL || !gg_str_eq(owner, p->user_id)))
        return gg_refuse(err, 400, "M_THREEPID_NOT_FOUND", "Email not found");
    return rc;
}

static int check(struct gg_request *rq, const struct mx_pusher *p, json_t *data, struct gg_error *err)
{
    if (data == NULL)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing parameters: data");
    if (!json_is_object(data))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "data must be an object");
    if (gg_str_is(p->kind, "http"))
        return check_http(data, err);
    if (gg_str_is(p->kind, "email"))
        return check_mail(rq, p, err);
    return gg_refuse(err, 400, "M_INVALID_PARAM", "Config Error: no such kind of pusher");
}

static int set_one(struct gg_request *rq, json_t *body, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_requester *requester = mx_requester_of(rq);
    struct mx_pusher p = {.user_id = gg_str(requester->user_id),
                          .device_id = requester->device_id != NULL ? gg_str(requester->device_id) : gg_strn(NULL, 0),
                          .ts = gg_wall_ms(),
                          .last_stream_ordering = gg_stream_upto(server->events)};
    json_t *data = json_object_get(body, "data");
    int rc = read_texts(body, &p, err);
    if (rc == 0)
        rc = check(rq, &p, data, err);
    if (rc < 0)
        return rc;
    char *text = json_dumps(data, JSON_COMPACT);
    p.data = gg_str(text);
    rc = mx_pusher_set(server, &p, !json_is_true(json_object_get(body, "append")), err);
    free(text);
    return rc;
}

static int remove_one(struct gg_request *rq, json_t *body, struct gg_error *err)
{
    const char *app_id, *pushkey;
    if (json_unpack(body, "{s:s, s:s}", "app_id", &app_id, "pushkey", &pushkey) != 0)
        return gg_refuse(err, 400, "M_MISSING_PARAM", "Missing parameters: app_id and pushkey must be strings");
    return mx_pusher_remove(mx_server_of_request(rq), gg_str(mx_requester_of(rq)->user_id), gg_str(app_id), gg_str(pushkey),
                            err);
}

static int set(void *self, struct gg_request *rq, struct gg_error *err)
{
    json_t *body = gg_request_json(rq, err);
    if (body == NULL)
        return err->code;
    int rc = json_is_null(json_object_get(body, "kind")) ? remove_one(rq, body, err) : set_one(rq, body, err);
    return rc < 0 ? rc : gg_reply_empty_object(rq);
}

/* ---- the link in a mail ---- */

static int reply_page(struct gg_request *rq, int status, const char *title, const char *reason)
{
    const struct mx_page_value values[] = {{"title", gg_str(title)}, {"failure_reason", gg_str(reason)}};
    return mx_page_reply(rq, mx_server_of_request(rq)->accounts->pages, status, "unsubscribed.html", values, GG_COUNT(values));
}

/* GET: a browser; POST: the button of a mail program (RFC 8058). The token says whose pusher it is. */
static int unsubscribe(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const char *token = gg_request_query(rq, "access_token"), *app_id = gg_request_query(rq, "app_id"),
               *pushkey = gg_request_query(rq, "pushkey");
    if (token == NULL || app_id == NULL || pushkey == NULL)
        return reply_page(rq, 400, "This link is not complete", "Copy the whole link from the mail into your browser.");
    struct gg_str user_id = mx_unsubscribe_token_user(gg_request_arena(rq), server->accounts->guest_secret, gg_str(token),
                                                      gg_str(app_id), gg_str(pushkey));
    if (user_id.s == NULL)
        return reply_page(rq, 403, "This link is not valid", "Nothing was changed.");
    int rc = mx_pusher_remove(server, user_id, gg_str(app_id), gg_str(pushkey), err);
    return rc < 0 ? rc : reply_page(rq, 200, "You have been unsubscribed", "");
}

#define PUSHERS "/_matrix/client/(r0|v3|api/v1|v2_alpha|unstable)/pushers"
const struct gg_route mx_routes_pushers[] = {
    {.method = "GET", .path = PUSHERS, .handler = list, .resource = "client", .auth = GG_AUTH_USER, .writer = GG_WRITER_MAIN,
     .doc = "where the user is notified"},
    {.method = "POST", .path = PUSHERS "/set", .handler = set, .resource = "client", .auth = GG_AUTH_USER,
     .flags = GG_ROUTE_JSON, .writer = GG_WRITER_MAIN, .doc = "notify the user somewhere, or no longer"},
    {.method = "GET", .path = "/_matrix/client/unstable/pushers/remove", .handler = unsubscribe, .resource = "client",
     .writer = GG_WRITER_MAIN, .doc = "the same as below, for old mails"},
    {.method = "GET", .path = "/_synapse/client/unsubscribe", .handler = unsubscribe, .resource = "client",
     .doc = "no more mails: the link in them"},
    {.method = "POST", .path = "/_synapse/client/unsubscribe", .handler = unsubscribe, .resource = "client",
     .doc = "no more mails: the button of a mail program"},
    {0},
};
