/* uia.c: sessions of interactive authentication. Steps may come to any process: all of it is in the database. */
#include "accounts/uia.h"

#include <ganglion/http.h>
#include <ganglion/log.h>
#include <stdlib.h>

#include "accounts/password.h"

#define WRONG_USER "The password is not that of the user who asks"

static struct gg_logger logger = {"ganglion.accounts"};

enum { SESSION_LETTERS = 24, SWEEP_MS = 300000, LIFE_MS = 48 * 3600 * 1000 };

static void drop_json(void *json)
{
    json_decref(json);
}

static json_t *kept(struct gg_request *rq, json_t *json)
{
    gg_arena_defer(gg_request_arena(rq), drop_json, json);
    return json;
}

static struct gg_str dump(struct gg_request *rq, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT);
    gg_arena_defer(gg_request_arena(rq), free, text);
    return gg_str(text);
}

/* The body without what is only for the moment. */
static json_t *client_params(struct gg_request *rq, json_t *body, bool with_password)
{
    json_t *params = kept(rq, json_copy(body));
    json_object_del(params, "auth");
    if (!with_password)
        json_object_del(params, "password");
    return params;
}

static struct gg_str note(const json_t *notes, const char *key, struct gg_arena *arena)
{
    struct gg_str text = mx_text(notes, key);
    return text.s ? gg_arena_str(arena, text) : text;
}

static void read_notes(struct gg_request *rq, const struct mx_uia_row *row, struct mx_uia *uia)
{
    json_t *notes = json_loadb(row->server.s, row->server.n, 0, NULL);
    uia->password_hash = note(notes, "password_hash", gg_request_arena(rq));
    uia->registered_user_id = note(notes, "registered_user_id", gg_request_arena(rq));
    json_decref(notes);
}

static struct gg_str named_session(json_t *body)
{
    return mx_text(json_object_get(body, "auth"), "session");
}

static int load_session(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                        struct mx_uia_row *row, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str id = gg_arena_str(arena, named_session(body));
    int status = mx_uia_read(server, id, arena, row, err);
    if (status)
        return status;
    if (!row->session_id.s)
        return gg_refuse(err, 400, "M_UNKNOWN", "Unknown session ID: %.*s", GG_FMT(id));
    if (!gg_str_is(row->uri, gg_request_path(rq)) || !gg_str_is(row->method, gg_request_method(rq)))
        return gg_refuse(err, 403, "M_FORBIDDEN",
                         "Requested operation has changed during the UI authentication session.");
    uia->session_id = id;
    read_notes(rq, row, uia);
    return 0;
}

int mx_uia_peek(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia, struct gg_error *err)
{
    struct mx_uia_row row;
    return named_session(body).s ? load_session(server, rq, body, uia, &row, err) : 0;
}

static int resume(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                  struct mx_uia_row *row, struct gg_error *err)
{
    int status = load_session(server, rq, body, uia, row, err);
    if (!status)
        status = mx_uia_touch(server, uia->session_id, gg_request_address(rq), gg_request_user_agent(rq), err);
    if (status)
        return status;
    json_t *now = client_params(rq, body, false);
    json_t *before = kept(rq, json_loadb(row->client.s, row->client.n, 0, NULL));
    uia->params = json_object_size(now) ? client_params(rq, body, true) : before;
    if (!json_object_size(now) || json_equal(now, before))
        return 0;
    return mx_uia_set_client(server, uia->session_id, dump(rq, now), err);
}

static int begin(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                 struct mx_uia_row *row, struct gg_error *err)
{
    char *id = gg_arena_alloc(gg_request_arena(rq), SESSION_LETTERS + 1);
    gg_random_text(id, SESSION_LETTERS, GG_LETTERS);
    uia->session_id = gg_str(id);
    uia->params = client_params(rq, body, true);
    *row = (struct mx_uia_row){.session_id = uia->session_id,
                               .uri = gg_str(gg_request_path(rq)),
                               .method = gg_str(gg_request_method(rq)),
                               .description = gg_str(uia->description),
                               .client = dump(rq, client_params(rq, body, false)),
                               .server = GG_STR("{}")};
    return mx_uia_create(server, row, gg_request_address(rq), gg_request_user_agent(rq), err);
}

/* ---- stages ---- */

static bool in_flow(const struct mx_uia *uia, struct gg_str stage)
{
    for (const char *const *s = uia->stages; *s; s++)
        if (gg_str_is(stage, *s))
            return true;
    return false;
}

static bool completed(const struct mx_uia_row *row, const char *stage)
{
    for (size_t i = 0; i < row->n_stages; i++)
        if (gg_str_is(row->stages[i], stage))
            return true;
    return false;
}

static int dummy_stage(struct mx_server *server, struct gg_request *rq, const json_t *auth, const struct mx_uia *uia,
                       struct gg_str *result_out, struct gg_error *err)
{
    *result_out = GG_STR("true");
    return 0;
}

/* The password must be that of who asks, not only of anybody. */
static int password_stage(struct mx_server *server, struct gg_request *rq, const json_t *auth, const struct mx_uia *uia,
                          struct gg_str *result_out, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str named, user_id, password = mx_text(auth, "password");
    int status = mx_login_name(server, auth, arena, &named, err);
    if (!status && (!password.s || password.n > MX_PASSWORD_MAX))
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Bad parameter: password");
    if (!status)
        status = mx_login_password(server, rq, named, password, &user_id, err);
    if (!status && !gg_str_eq(user_id, uia->user_id))
        return gg_refuse(err, 403, "M_FORBIDDEN", WRONG_USER);
    if (!status)
        *result_out = gg_str(gg_arena_printf(arena, "\"%.*s\"", GG_FMT(user_id)));
    return status;
}

static const struct stage {
    const char *name;
    int (*run)(struct mx_server *server, struct gg_request *rq, const json_t *auth, const struct mx_uia *uia,
               struct gg_str *result_out, struct gg_error *err);
} stages[] = {
    {"m.login.dummy", dummy_stage},
    {"m.login.password", password_stage},
};

static const struct stage *find_stage(const struct mx_uia *uia, struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(stages); i++)
        if (gg_str_is(name, stages[i].name) && in_flow(uia, name))
            return &stages[i];
    return NULL;
}

static void add_stage(struct gg_request *rq, struct mx_uia_row *row, const char *name)
{
    struct gg_str *more = GG_NEW_ARRAY(gg_request_arena(rq), struct gg_str, row->n_stages + 1);
    if (row->n_stages)
        memcpy(more, row->stages, row->n_stages * sizeof *more);
    more[row->n_stages++] = gg_str(name);
    row->stages = more;
}

static int run_stage(struct mx_server *server, struct gg_request *rq, const json_t *auth, const struct mx_uia *uia,
                     struct mx_uia_row *row, struct gg_error *err)
{
    const struct stage *stage = find_stage(uia, mx_text(auth, "type"));
    struct gg_str result;
    if (!stage)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "Invalid login submission");
    if (completed(row, stage->name))
        return 0;
    int status = stage->run(server, rq, auth, uia, &result, err);
    if (status)
        return status;
    add_stage(rq, row, stage->name);
    return mx_uia_complete(server, uia->session_id, gg_str(stage->name), result, err);
}

/* failure: why the stage was not completed, or NULL. */
static void make_answer(struct mx_uia *uia, const struct mx_uia_row *row, bool with_completed,
                        const struct gg_error *failure)
{
    json_t *flow = json_array(), *done = json_array();
    for (const char *const *s = uia->stages; *s; s++)
        json_array_append_new(flow, json_string(*s));
    for (size_t i = 0; i < row->n_stages; i++)
        json_array_append_new(done, json_stringn(row->stages[i].s, row->stages[i].n));
    json_t *reply = json_pack("{ss# s[{so}] s{}}", "session", uia->session_id.s, (int)uia->session_id.n, "flows",
                              "stages", flow, "params");
    if (with_completed)
        json_object_set(reply, "completed", done);
    json_decref(done);
    if (failure) {
        json_object_set_new(reply, "errcode", json_string(failure->errcode));
        json_object_set_new(reply, "error", json_string(failure->message));
    }
    uia->answer = reply;
}

int mx_uia_answer(struct gg_request *rq, struct mx_uia *uia)
{
    return gg_reply_json(rq, 401, uia->answer);
}

/* A wrong password lets the client try again in the same session. */
static bool may_try_again(const struct gg_error *err, struct gg_str stage)
{
    return gg_str_is(stage, "m.login.password") && err->http_status == 403 &&
           strcmp(err->errcode, "M_FORBIDDEN") == 0 && strcmp(err->message, WRONG_USER) != 0;
}

int mx_uia_run(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia, struct gg_error *err)
{
    json_t *auth = json_object_get(body, "auth");
    struct gg_str stage = mx_text(auth, "type");
    struct mx_uia_row row = {0};
    int status =
        named_session(body).s ? resume(server, rq, body, uia, &row, err) : begin(server, rq, body, uia, &row, err);
    if (status)
        return status;
    if (stage.s && (status = run_stage(server, rq, auth, uia, &row, err))) {
        if (!may_try_again(err, stage))
            return status;
        make_answer(uia, &row, true, err);
        return 0;
    }
    uia->done = true;
    for (const char *const *s = uia->stages; *s; s++)
        uia->done = uia->done && completed(&row, *s);
    if (!uia->done)
        make_answer(uia, &row, json_is_object(auth), NULL);
    return 0;
}

static void sweep(void *arg)
{
    struct gg_error err = GG_ERROR_INIT;
    if (mx_uia_sweep(arg, gg_wall_ms() - LIFE_MS, &err))
        gg_warn(&logger, "old sessions of interactive authentication were not removed: %s", err.message);
}

void mx_uia_make(struct mx_server *server)
{
    gg_host_every(server->host, "ui_auth_sweep", SWEEP_MS, true, sweep, server);
}
