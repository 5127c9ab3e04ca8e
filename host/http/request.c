/* What a handler can ask about its request; and the life of struct gg_request. */
#include "http/conn.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

enum { SPARE_REQUESTS = 64, KEEP_HEAD = 8192, MAX_QUERY_ITEMS = 256 };

/* ---- life ---- */

struct gg_request *gg_request_make(struct gg_http_conn *conn)
{
    struct gg_server *server = conn->server;
    struct gg_list *spare = gg_list_pop(&server->spare);
    struct gg_request *rq = spare != NULL ? GG_CONTAINER(spare, struct gg_request, link) : calloc(1, sizeof(*rq));
    GG_ASSERT(rq != NULL);
    if (spare != NULL)
        server->n_spare--;
    else
        rq->head = rq->body = rq->reply_headers = (struct gg_buf)GG_BUF_INIT;
    gg_list_push(&server->live, &rq->link);
    rq->server = server;
    rq->conn = conn;
    rq->port = conn->port;
    memcpy(rq->peer, conn->address, sizeof(rq->peer));
    rq->address = rq->peer;
    rq->https = conn->socket.ssl != NULL;
    rq->began_ms = gg_now_ms();
    rq->max_body = UINT64_MAX;
    gg_cond_init(&rq->wake);
    server->n_requests++;
    return rq;
}

void gg_request_release_body(struct gg_request *rq)
{
    rq->server->bodies -= rq->body_counted;
    rq->body_counted = 0;
}

/* Everything but the three buffers and the table of headers (a length guards it) back to zero. */
static void reset(struct gg_request *rq)
{
    struct gg_buf head = rq->head, reply_headers = rq->reply_headers;
    memset((char *)rq, 0, offsetof(struct gg_request, headers));
    memset((char *)rq + offsetof(struct gg_request, n_headers), 0,
           sizeof(*rq) - offsetof(struct gg_request, n_headers));
    rq->head = head;
    rq->reply_headers = reply_headers;
    rq->body = (struct gg_buf)GG_BUF_INIT;
    gg_buf_clear(&rq->head);
    gg_buf_clear(&rq->reply_headers);
}

void gg_request_drop(struct gg_request *rq)
{
    struct gg_server *server = rq->server;
    gg_list_remove(&rq->link);
    gg_request_release_body(rq);
    json_decref(rq->json);
    gg_arena_free(rq->arena);
    gg_buf_done(&rq->body);
    if (--server->n_requests == 0)
        gg_cond_broadcast(&server->idle);
    if (server->n_spare >= SPARE_REQUESTS || rq->head.cap > KEEP_HEAD || rq->reply_headers.cap > KEEP_HEAD) {
        gg_buf_done(&rq->head);
        gg_buf_done(&rq->reply_headers);
        free(rq);
        return;
    }
    reset(rq);
    server->n_spare++;
    gg_list_push_front(&server->spare, &rq->link);
}

/* ---- who and what ---- */

struct gg_host *gg_request_host(const struct gg_request *rq)
{
    return rq->server->host;
}

struct gg_arena *gg_request_arena(struct gg_request *rq)
{
    if (rq->arena == NULL)
        rq->arena = gg_arena_new();
    return rq->arena;
}

const char *gg_request_id(const struct gg_request *rq)
{
    return rq->id;
}

const char *gg_request_method(const struct gg_request *rq)
{
    return rq->method;
}

const char *gg_request_text(const struct gg_request *rq, struct gg_span span)
{
    return rq->head.data + span.at;
}

const char *gg_request_target(const struct gg_request *rq)
{
    return gg_request_text(rq, rq->target);
}

const char *gg_request_path(const struct gg_request *rq)
{
    struct gg_request *mine = (struct gg_request *)rq;
    if (rq->n_path == rq->target.n)
        return gg_request_target(rq);
    return gg_arena_strndup(gg_request_arena(mine), gg_request_target(rq), rq->n_path);
}

const struct gg_route *gg_request_route(const struct gg_request *rq)
{
    return rq->match.entry != NULL ? rq->match.entry->route : NULL;
}

const char *gg_request_param(const struct gg_request *rq, const char *name)
{
    const struct gg_router_entry *entry = rq->match.entry;
    for (size_t i = 0; entry != NULL && i < entry->n_names; i++)
        if (strcmp(entry->names[i], name) == 0)
            return rq->params[i];
    return NULL;
}

int gg_request_decode_params(struct gg_request *rq, struct gg_error *err)
{
    for (size_t i = 0; i < rq->match.n_values; i++) {
        size_t n;
        rq->params[i] = gg_percent_decode(gg_request_arena(rq), rq->match.values[i], false, &n);
        if (strlen(rq->params[i]) != n || !gg_utf8_valid(rq->params[i], n))
            return gg_refuse(err, 400, "M_INVALID_PARAM", "%s in the path is not valid UTF-8 text",
                             rq->match.entry->names[i]);
    }
    return 0;
}

const char *gg_request_next_header(const struct gg_request *rq, const char *name, size_t *cursor)
{
    size_t n = strlen(name);
    while (*cursor < rq->n_headers) {
        const struct gg_header *header = &rq->headers[(*cursor)++];
        if (header->name.n == n && strncasecmp(gg_request_text(rq, header->name), name, n) == 0)
            return gg_request_text(rq, header->value);
    }
    return NULL;
}

const char *gg_request_header(const struct gg_request *rq, const char *name)
{
    size_t cursor = 0;
    return gg_request_next_header(rq, name, &cursor);
}

const char *gg_request_address(const struct gg_request *rq)
{
    return rq->address;
}

const char *gg_request_user_agent(const struct gg_request *rq)
{
    const char *agent = gg_request_header(rq, "User-Agent");
    return agent != NULL ? agent : "";
}

bool gg_request_https(const struct gg_request *rq)
{
    return rq->https;
}

void gg_request_set_principal(struct gg_request *rq, void *principal, const char *name_for_logs)
{
    rq->principal = principal;
    rq->user = gg_arena_strdup(gg_request_arena(rq), name_for_logs);
}

void *gg_request_principal(const struct gg_request *rq)
{
    return rq->principal;
}

const char *gg_request_user(const struct gg_request *rq)
{
    return rq->user;
}

/* ---- the query ---- */

static size_t count_items(const char *query)
{
    size_t n = 1;
    for (; *query != '\0'; query++)
        n += *query == '&';
    return n < MAX_QUERY_ITEMS ? n : MAX_QUERY_ITEMS;
}

/* One key or value, decoded; what holds a NUL or bad UTF-8 is noted. */
static const char *decode_item(struct gg_request *rq, struct gg_str s)
{
    size_t n;
    const char *text = gg_percent_decode(gg_request_arena(rq), s, true, &n);
    rq->query_no_text = rq->query_no_text || strlen(text) != n || !gg_utf8_valid(text, n);
    return text;
}

/* A key without "=" is none, as for Synapse. */
static void parse_query(struct gg_request *rq)
{
    const char *target = gg_request_target(rq);
    const char *at = rq->n_path < rq->target.n ? target + rq->n_path + 1 : "";
    size_t max = count_items(at);
    rq->query = GG_NEW_ARRAY(gg_request_arena(rq), struct query_item, max);
    while (*at != '\0' && rq->n_query < max) {
        size_t n = strcspn(at, "&");
        const char *equals = memchr(at, '=', n);
        if (equals != NULL) {
            size_t n_key = (size_t)(equals - at);
            struct query_item *item = &rq->query[rq->n_query++];
            item->key = decode_item(rq, gg_strn(at, n_key));
            item->value = decode_item(rq, gg_strn(equals + 1, n - n_key - 1));
        }
        at += n + (at[n] == '&');
    }
}

/* Only escapes can bring a NUL or bad UTF-8, as the target is ASCII: most queries need not be looked at for it. */
static bool may_be_no_text(const char *query)
{
    for (const char *at = strchr(query, '%'); at != NULL; at = strchr(at + 1, '%'))
        if (at[1] != '\0' && strchr("089abcdefABCDEF", at[1]) != NULL)
            return true;
    return false;
}

int gg_request_check_query(struct gg_request *rq, struct gg_error *err)
{
    if (rq->n_path < rq->target.n && may_be_no_text(gg_request_target(rq) + rq->n_path))
        (void)gg_request_query(rq, ""); /* has it parsed */
    return rq->query_no_text ? gg_refuse(err, 400, "M_INVALID_PARAM", "The query is not valid UTF-8 text") : 0;
}

static const struct query_item *query_next(const struct gg_request *rq, const char *key, size_t *from)
{
    if (rq->query == NULL)
        parse_query((struct gg_request *)rq);
    for (size_t i = *from; i < rq->n_query; i++) {
        if (strcmp(rq->query[i].key, key) == 0) {
            *from = i + 1;
            return &rq->query[i];
        }
    }
    return NULL;
}

const char *gg_request_query(const struct gg_request *rq, const char *key)
{
    size_t from = 0;
    const struct query_item *item = query_next(rq, key, &from);
    return item != NULL ? item->value : NULL;
}

size_t gg_request_query_all(const struct gg_request *rq, const char *key, const char ***values_out)
{
    size_t n = 0, from = 0;
    (void)gg_request_query(rq, key); /* has it parsed */
    const char **values = GG_NEW_ARRAY(gg_request_arena((struct gg_request *)rq), const char *, rq->n_query + 1);
    for (const struct query_item *item; (item = query_next(rq, key, &from)) != NULL;)
        values[n++] = item->value;
    *values_out = values;
    return n;
}

int gg_request_query_i64(const struct gg_request *rq, const char *key, int64_t fallback, int64_t *out,
                         struct gg_error *err)
{
    const char *text = gg_request_query(rq, key);
    *out = fallback;
    if (text == NULL)
        return 0;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    bool beyond = errno == ERANGE; /* a number all the same: as large, or as small, as there are */
    if ((errno != 0 && !beyond) || end == text || *end != '\0' || text[0] == ' ' || text[0] == '+')
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter %s must be an integer", key);
    *out = value;
    return 0;
}

int gg_request_query_count(const struct gg_request *rq, const char *key, int64_t fallback, int64_t *out,
                           struct gg_error *err)
{
    int rc = gg_request_query_i64(rq, key, fallback, out, err);
    if (rc == 0 && *out < 0 && gg_request_query(rq, key) != NULL)
        rc = gg_refuse(err, 400, "M_INVALID_PARAM", "Query parameter %s must be a positive integer.", key);
    return rc;
}

int gg_request_query_bool(const struct gg_request *rq, const char *key, bool fallback, bool *out, struct gg_error *err)
{
    const char *text = gg_request_query(rq, key);
    *out = fallback;
    if (text == NULL)
        return 0;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Boolean query parameter %s must be one of ['true', 'false']",
                         key);
    *out = text[0] == 't';
    return 0;
}

/* ---- the body ---- */

struct gg_str gg_request_body(const struct gg_request *rq)
{
    return gg_buf_view(&rq->body);
}

static int refuse_json(enum gg_json_found found, struct gg_error *err)
{
    return found == GG_JSON_TOO_DEEP ? gg_refuse(err, 400, "M_BAD_JSON", "The JSON of the body is nested too deeply")
                                     : gg_refuse(err, 400, "M_NOT_JSON", "Content not JSON.");
}

json_t *gg_request_json(struct gg_request *rq, struct gg_error *err)
{
    if (rq->json != NULL)
        return rq->json;
    struct gg_str body = gg_request_body(rq);
    if (body.n == 0)
        return rq->json = json_object();
    enum gg_json_found found = gg_json_check(body.s, body.n);
    json_error_t why;
    if (found <= GG_JSON_OTHER)
        rq->json = json_loadb(body.s, body.n, JSON_DECODE_ANY, &why);
    if (rq->json == NULL)
        refuse_json(found, err);
    return rq->json;
}

/* No tree: many handlers want none. */
int gg_request_check_json(struct gg_request *rq, struct gg_error *err)
{
    struct gg_str body = gg_request_body(rq);
    enum gg_json_found found = body.n == 0 ? GG_JSON_OBJECT : gg_json_check(body.s, body.n);
    if (found == GG_JSON_OBJECT)
        return 0;
    return found == GG_JSON_OTHER ? gg_refuse(err, 400, "M_BAD_JSON", "Content must be a JSON object.") : refuse_json(found, err);
}

int gg_request_wait_more(struct gg_request *rq, struct gg_error *err)
{
    if (rq->refusal.code != 0) {
        *err = rq->refusal;
        return err->code;
    }
    if (rq->conn == NULL)
        return gg_fail(err, GG_E_CLOSED, "the client hung up");
    gg_reply_continue(rq);
    int rc = gg_cond_wait(&rq->wake, GG_FOREVER);
    return rc < 0 ? gg_fail(err, rc, "the request's body did not come") : 0;
}

static int wait_for_body(struct gg_request *rq, struct gg_error *err)
{
    int rc = 0;
    while (rc == 0 && rq->body_at == rq->body.n && !rq->complete)
        rc = gg_request_wait_more(rq, err);
    return rc;
}

/* All that was read ahead is the handler's now: the loop may read on. */
static void let_more_come(struct gg_request *rq)
{
    gg_buf_clear(&rq->body);
    rq->body_at = 0;
    gg_request_release_body(rq);
    if (!rq->complete && rq->conn != NULL)
        gg_http_conn_pump(rq->conn);
}

int gg_request_take(struct gg_request *rq, struct gg_buf *out, struct gg_error *err)
{
    GG_ASSERT(rq->body_at == 0); /* not begun by gg_request_read */
    int rc = 0;
    while (rc == 0 && rq->body.n < rq->server->limits.max_stream && !rq->complete)
        rc = gg_request_wait_more(rq, err);
    gg_buf_clear(out);
    if (rc < 0)
        return rc;
    struct gg_buf piece = rq->body;
    rq->body = *out;
    *out = piece;
    let_more_come(rq);
    return 0;
}

int gg_request_read(struct gg_request *rq, char *out, size_t size, size_t *n_out, struct gg_error *err)
{
    *n_out = 0;
    int rc = wait_for_body(rq, err);
    if (rc < 0)
        return rc;
    size_t n = rq->body.n - rq->body_at < size ? rq->body.n - rq->body_at : size;
    memcpy(out, rq->body.data + rq->body_at, n);
    rq->body_at += n;
    *n_out = n;
    if (rq->body_at == rq->body.n)
        let_more_come(rq);
    return 0;
}
