/* matrix/identity/identity.c: what this server asks of identity servers (identity service API v2). */
#include "identity/identity.h"

#include "json/refusal.h"

#include <ganglion/buf.h>
#include <ganglion/client.h>
#include <ganglion/config.h>
#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/crypto.h>
#include <ganglion/matrix/id.h>

static struct gg_logger logger = {"ganglion.identity"};

enum { TIMEOUT_MS = 15000, MAX_ANSWER = 256 * 1024, MAX_DEPTH = 50 };

bool mx_identity_name_valid(struct gg_str server)
{
    return server.s != NULL && mx_server_name_valid(server);
}

/* ---- one request ---- */

static int fetch(struct mx_server *server, const struct gg_client_request *request, struct gg_arena *arena,
                 struct gg_client_answer *out, struct gg_error *err)
{
    int64_t own = gg_deadline(TIMEOUT_MS), before = gg_get_deadline();
    gg_set_deadline(own < before ? own : before);
    int rc = gg_client_fetch(server->host, request, arena, out, err);
    gg_set_deadline(before);
    if (rc == GG_E_FORBIDDEN)
        return gg_refuse(err, 403, "M_UNKNOWN", "IP address blocked");
    if (rc != 0 && rc != GG_E_CANCELLED) {
        gg_info(&logger, "%s: %s", request->url, err->message);
        return gg_refuse(err, 502, "M_UNKNOWN", "The identity server could not be reached");
    }
    return rc;
}

static int read_answer(const struct gg_client_answer *answer, struct gg_arena *arena, struct mx_json **out, struct gg_error *err)
{
    struct gg_error bad = GG_ERROR_INIT;
    *out = NULL;
    if (mx_json_parse(answer->body, MAX_DEPTH, arena, out, &bad) != 0)
        *out = NULL;
    if (answer->status != 200)
        return mx_refusal_relay(answer->status, answer->body, "The identity server refused", arena, err); /* it says what the user can do */
    if (*out == NULL || (*out)->kind != MX_JSON_OBJECT)
        return gg_refuse(err, 502, "M_UNKNOWN", "The identity server's answer was not understood");
    return 0;
}

int mx_identity_call(struct mx_server *server, const struct mx_identity *identity, const char *path, struct gg_str body,
                     struct gg_arena *arena, struct mx_json **out, struct gg_error *err)
{
    const char *headers[4] = {"Content-Type: application/json"};
    size_t n_headers = 1;
    for (size_t i = 0; i < identity->access_token.n; i++) /* it becomes part of a header */
        if ((unsigned char)identity->access_token.s[i] <= ' ' || identity->access_token.s[i] == 0x7f)
            return gg_refuse(err, 400, "M_INVALID_PARAM", "id_access_token is no access token");
    if (identity->access_token.s != NULL)
        headers[n_headers++] = gg_arena_printf(arena, "Authorization: Bearer %.*s", GG_FMT(identity->access_token));
    if (identity->header != NULL)
        headers[n_headers] = identity->header;
    struct gg_client_request request = {.method = body.s != NULL ? "POST" : "GET",
                                        .url = gg_arena_printf(arena, "https://%.*s%s", GG_FMT(identity->server), path),
                                        .headers = headers, .body = body, .max_answer = MAX_ANSWER, .public_only = true,
                                        .insecure = mx_trusts_anybody(server)};
    struct gg_client_answer answer;
    int rc = fetch(server, &request, arena, &answer, err);
    return rc == 0 ? read_answer(&answer, arena, out, err) : rc;
}

/* ---- who has an address ---- */

struct gg_str mx_identity_hash(struct gg_str medium, struct gg_str address, struct gg_str pepper, struct gg_arena *arena)
{
    struct gg_str text = gg_str(gg_arena_printf(arena, "%.*s %.*s %.*s", GG_FMT(address), GG_FMT(medium), GG_FMT(pepper)));
    uint8_t digest[32];
    mx_sha256(text, digest);
    char *out = gg_arena_alloc(arena, mx_base64_size(sizeof(digest)));
    size_t n = mx_base64(digest, sizeof(digest), true, out);
    return gg_strn(out, n);
}

static bool offers(const struct mx_json *details, const char *algorithm)
{
    const struct mx_json *list = mx_json_member(details, "algorithms");
    for (uint32_t i = 0; list != NULL && list->kind == MX_JSON_ARRAY && i < list->n; i++)
        if (gg_str_is(mx_json_text(list->items[i]), algorithm))
            return true;
    return false;
}

int mx_identity_lookup(struct mx_server *server, const struct mx_identity *identity, struct gg_str medium, struct gg_str address,
                       struct gg_arena *arena, struct gg_str *user_id_out, struct gg_error *err)
{
    struct mx_json *details, *answer;
    *user_id_out = (struct gg_str){0};
    int rc = mx_identity_call(server, identity, "/_matrix/identity/v2/hash_details", (struct gg_str){0}, arena, &details, err);
    if (rc != 0)
        return rc;
    struct gg_str pepper = mx_json_text(mx_json_member(details, "lookup_pepper"));
    bool hashed = offers(details, "sha256");
    if (pepper.s == NULL || (!hashed && !offers(details, "none")))
        return gg_refuse(err, 502, "M_UNKNOWN", "The identity server's answer was not understood");
    struct gg_str asked = hashed ? mx_identity_hash(medium, address, pepper, arena)
                                 : gg_str(gg_arena_printf(arena, "%.*s %.*s", GG_FMT(address), GG_FMT(medium)));
    struct gg_buf body = GG_BUF_INIT;
    gg_buf_lit(&body, "{\"addresses\":[");
    gg_buf_json_string(&body, asked);
    gg_buf_printf(&body, "],\"algorithm\":\"%s\",\"pepper\":", hashed ? "sha256" : "none");
    gg_buf_json_string(&body, pepper);
    gg_buf_char(&body, '}');
    rc = mx_identity_call(server, identity, "/_matrix/identity/v2/lookup", gg_buf_view(&body), arena, &answer, err);
    gg_buf_done(&body);
    if (rc != 0)
        return rc;
    const struct mx_json *mappings = mx_json_member(answer, "mappings");
    if (mappings != NULL && mappings->kind == MX_JSON_OBJECT)
        *user_id_out = mx_json_text(mx_json_member(mappings, gg_arena_strndup(arena, asked.s, asked.n)));
    return 0;
}

/* ---- does a key still hold ---- */

int mx_identity_key_valid(struct mx_server *server, struct gg_str url, struct gg_str public_key, struct gg_arena *arena,
                          bool *valid, struct gg_error *err)
{
    struct gg_buf full = GG_BUF_INIT;
    struct mx_json *body = NULL;
    *valid = false;
    if (!gg_str_starts(url, GG_STR("https://")) || memchr(url.s, '\0', url.n) != NULL)
        return 0;
    gg_buf_str(&full, url);
    gg_buf_lit(&full, "?public_key=");
    gg_buf_urlencode(&full, public_key);
    struct gg_client_request request = {.url = gg_arena_strndup(arena, full.data, full.n), .max_answer = MAX_ANSWER,
                                        .public_only = true, .insecure = mx_trusts_anybody(server)};
    gg_buf_done(&full);
    struct gg_client_answer answer;
    int rc = fetch(server, &request, arena, &answer, err);
    if (rc == 0)
        rc = read_answer(&answer, arena, &body, err);
    const struct mx_json *said = rc == 0 ? mx_json_member(body, "valid") : NULL;
    *valid = said != NULL && said->kind == MX_JSON_TRUE;
    return rc;
}
