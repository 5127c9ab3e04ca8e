/* matrix/api/appservice.c: what application services and their networks are asked for by clients (client-server API,
 * "Third-party networks"; application service API, "Pinging"). */
#include "appservice/third_party.h"

#include <ganglion/config.h>
#include <ganglion/matrix/api.h>
#include <ganglion/matrix/appservice_sender.h>
#include <ganglion/topology.h>

#define CLIENT "/_matrix/client/(api/v1|r0|v3|unstable)"

/* ---- pings ---- */

static int check_pinger(struct gg_request *rq, const struct mx_appservice **out, struct gg_error *err)
{
    const struct mx_appservice *service = mx_appservice_of(mx_server_of_request(rq), mx_requester_of(rq));
    if (service == NULL)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Only application services can use the /appservice/ping endpoint");
    if (strcmp(service->id, gg_request_param(rq, "appservice_id")) != 0)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Mismatching application service ID in path");
    if (service->url == NULL)
        return gg_refuse(err, 400, "M_URL_NOT_SET", "The application service does not have a URL set");
    *out = service;
    return 0;
}

/* What went wrong, as the specification names it. */
static int failed(int rc, const struct gg_client_answer *answer, struct gg_error *err)
{
    char text[400];
    if (rc == GG_E_TIMEOUT)
        return gg_refuse(err, 504, "M_CONNECTION_TIMEOUT", "The application service did not answer in time");
    if (rc != 0) {
        strncpy(text, err->message, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        return gg_refuse(err, 502, "M_CONNECTION_FAILED", "%s", text);
    }
    json_t *body = json_stringn(answer->body.s != NULL ? answer->body.s : "", answer->body.n < 200 ? answer->body.n : 200);
    char *quoted = body != NULL ? json_dumps(body, JSON_ENCODE_ANY) : NULL; /* NULL: no UTF-8 */
    rc = gg_refuse(err, 502, "M_BAD_STATUS", "HTTP %d", answer->status);
    json_decref(body);
    char status[16];
    snprintf(status, sizeof(status), "%d", answer->status);
    gg_error_extra(err, "status", status);
    if (quoted != NULL)
        gg_error_extra(err, "body", quoted);
    free(quoted);
    return rc;
}

static int ping(void *self, struct gg_request *rq, struct gg_error *err)
{
    struct mx_server *server = mx_server_of_request(rq);
    const struct mx_appservice *service = NULL;
    struct gg_client_answer answer = {0};
    int rc = check_pinger(rq, &service, err);
    if (rc != 0)
        return rc;
    json_t *txn_id = json_object_get(gg_request_json(rq, err), "transaction_id");
    json_t *body = json_pack("{sO}", "transaction_id", txn_id != NULL ? txn_id : json_null());
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    int64_t began = gg_now_ms();
    rc = mx_appservice_request(server, service, "POST", "/_matrix/app/v1/ping", gg_str(text), gg_request_arena(rq), &answer, err);
    free(text);
    if (rc != 0 || answer.status < 200 || answer.status >= 300)
        return failed(rc, &answer, err);
    mx_as_sending_poke(server, service);
    return gg_reply_json(rq, 200, json_pack("{sI}", "duration_ms", (json_int_t)(gg_now_ms() - began)));
}

/* ---- networks ---- */

static int protocols(void *self, struct gg_request *rq, struct gg_error *err)
{
    return gg_reply_json(rq, 200, mx_third_party_protocols(mx_server_of_request(rq), NULL));
}

static int protocol(void *self, struct gg_request *rq, struct gg_error *err)
{
    const char *name = gg_request_param(rq, "protocol");
    json_t *all = mx_third_party_protocols(mx_server_of_request(rq), name), *one = json_object_get(all, name);
    json_incref(one);
    json_decref(all);
    return one != NULL ? gg_reply_json(rq, 200, one) : gg_refuse(err, 404, "M_NOT_FOUND", "Unknown protocol");
}

/* The query as it came, without the client's token. */
static struct gg_str fields_of(struct gg_request *rq)
{
    const char *query = strchr(gg_request_target(rq), '?');
    struct gg_buf out = GG_BUF_INIT;
    for (const char *p = query != NULL ? query + 1 : ""; *p != '\0';) {
        size_t n = strcspn(p, "&");
        if (strncmp(p, "access_token=", 13) != 0) {
            gg_buf_text(&out, out.n > 0 ? "&" : "");
            gg_buf_add(&out, p, n);
        }
        p += n + (p[n] == '&');
    }
    struct gg_str text = gg_arena_str(gg_request_arena(rq), gg_buf_view(&out));
    gg_buf_done(&out);
    return text;
}

static int find(struct gg_request *rq, const char *kind)
{
    const char *name = gg_request_param(rq, "protocol");
    return gg_reply_json(rq, 200, name != NULL ? mx_third_party_find(mx_server_of_request(rq), kind, name, fields_of(rq)) : json_array());
}

static int users(void *self, struct gg_request *rq, struct gg_error *err)
{
    return find(rq, "user");
}

static int locations(void *self, struct gg_request *rq, struct gg_error *err)
{
    return find(rq, "location");
}

#define READ(path_, handler_, doc_) \
    {"GET", CLIENT path_, handler_, "client", GG_AUTH_GUEST, .flags = GG_ROUTE_CANCELLABLE, .doc = doc_}

const struct gg_route mx_routes_appservice[] = {
    {"POST", "/_matrix/client/(v1|unstable|unstable/fi.mau.msc2659)/appservice/{appservice_id}/ping", ping, "client", GG_AUTH_USER,
     .flags = GG_ROUTE_JSON, .deadline_ms = 70000, .doc = "can the server reach the application service?"},
    READ("/thirdparty/protocols", protocols, "networks that bridges lead to"),
    READ("/thirdparty/protocol/{protocol}", protocol, "one of them"),
    READ("/thirdparty/user", users, "users of any network: none"),
    READ("/thirdparty/user/{protocol}", users, "users of a network"),
    READ("/thirdparty/location", locations, "places of any network: none"),
    READ("/thirdparty/location/{protocol}", locations, "places of a network"),
    {0},
};
