/* uia.c: sessions of interactive authentication. Steps may come to any process: all of it is in the database. */
#include "accounts/uia.h"

#include <ganglion/config.h>
#include <ganglion/http.h>
#include <ganglion/log.h>
#include <stdlib.h>

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
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    gg_arena_defer(gg_request_arena(rq), free, text);
    return gg_str(text);
}

/* Text of the database as an object; an empty one if it is none. */
static json_t *read_object(struct gg_request *rq, struct gg_str text)
{
    json_t *json = text.s ? json_loadb(text.s, text.n, JSON_ALLOW_NUL, NULL) : NULL;
    if (json_is_object(json))
        return kept(rq, json);
    json_decref(json);
    return kept(rq, json_object());
}

/* The body without what is only for the moment. */
static json_t *client_params(struct gg_request *rq, json_t *body, const struct mx_uia *uia, bool with_secrets)
{
    json_t *params = kept(rq, json_copy(body));
    json_object_del(params, "auth");
    if (with_secrets)
        return params;
    json_object_del(params, "password");
    if (uia->secret)
        json_object_del(params, uia->secret);
    return params;
}

static struct gg_str named_session(json_t *body)
{
    return mx_text(json_object_get(body, "auth"), "session");
}

static void read_results(struct gg_request *rq, const struct mx_uia_row *row, struct mx_uia *uia)
{
    uia->results = kept(rq, json_object());
    for (size_t i = 0; i < row->n_stages; i++) {
        json_t *result = json_loadb(row->results[i].s, row->results[i].n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        json_object_set_new(uia->results, row->stages[i].s, result ? result : json_true());
    }
}

static int changed(struct gg_error *err)
{
    return gg_refuse(err, 403, "M_FORBIDDEN", "Requested operation has changed during the UI authentication session.");
}

static int load_session(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia,
                        struct mx_uia_row *row, struct gg_error *err)
{
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str id = gg_arena_str(arena, named_session(body));
    int status = memchr(id.s, 0, id.n) ? 0 : mx_uia_read(server, id, arena, row, err);
    if (status)
        return status;
    if (!row->session_id.s)
        return gg_refuse(err, 400, "M_UNKNOWN", "Unknown session ID: %.*s", (int)(id.n < 64 ? id.n : 64), id.s);
    if (!gg_str_is(row->uri, gg_request_target(rq)) || !gg_str_is(row->method, gg_request_method(rq)))
        return changed(err);
    uia->session_id = id;
    uia->notes = read_object(rq, row->server);
    read_results(rq, row, uia);
    struct gg_str whose = mx_uia_noted(uia, "request_user_id");
    return uia->user_id.s && whose.s && !gg_str_eq(whose, uia->user_id) ? changed(err) : 0;
}

int mx_uia_peek(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia, struct gg_error *err)
{
    struct mx_uia_row row = {0};
    return named_session(body).s ? load_session(server, rq, body, uia, &row, err) : 0;
}

/* A client that goes on may leave its request out; if it sends it, it must be the same, or what it is from now on. */
static int resume(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia, struct gg_error *err)
{
    struct mx_uia_row row = {0};
    int status = load_session(server, rq, body, uia, &row, err);
    if (!status)
        status = mx_uia_touch(server, uia->session_id, gg_request_address(rq), gg_request_user_agent(rq), err);
    if (status)
        return status;
    json_t *now = client_params(rq, body, uia, false), *before = read_object(rq, row.client);
    uia->params = json_object_size(now) ? client_params(rq, body, uia, true) : before;
    if (!json_object_size(now) || json_equal(now, before))
        return 0;
    return uia->may_change ? mx_uia_set_client(server, uia->session_id, dump(rq, now), err) : changed(err);
}

static int begin(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia, struct gg_error *err)
{
    char *id = gg_arena_alloc(gg_request_arena(rq), SESSION_LETTERS + 1);
    gg_random_text(id, SESSION_LETTERS, GG_LETTERS);
    uia->session_id = gg_str(id);
    uia->params = client_params(rq, body, uia, true);
    uia->results = kept(rq, json_object());
    uia->notes = kept(rq, json_object());
    if (uia->user_id.s)
        json_object_set_new(uia->notes, "request_user_id", json_stringn(uia->user_id.s, uia->user_id.n));
    struct mx_uia_row row = {.session_id = uia->session_id,
                             .uri = gg_str(gg_request_target(rq)),
                             .method = gg_str(gg_request_method(rq)),
                             .description = gg_str(uia->description),
                             .client = dump(rq, client_params(rq, body, uia, false)),
                             .server = dump(rq, uia->notes)};
    return mx_uia_create(server, &row, gg_request_address(rq), gg_request_user_agent(rq), err);
}

/* ---- a step ---- */

static bool in_flows(const struct mx_uia *uia, struct gg_str stage)
{
    for (size_t i = 0; i < uia->n_flows; i++)
        for (const char *const *s = uia->flows[i].stages; *s; s++)
            if (gg_str_is(stage, *s))
                return true;
    return false;
}

static int run_stage(struct mx_server *server, struct gg_request *rq, const json_t *auth, struct mx_uia *uia,
                     bool *again_out, struct gg_error *err)
{
    struct mx_uia_try attempt = {server, rq, auth, uia};
    struct gg_str name = mx_text(auth, "type");
    const struct mx_uia_stage *stage = mx_uia_stage_find(name);
    json_t *result = NULL;
    *again_out = false;
    if (!stage || !stage->run)
        return gg_refuse(err, 400, "M_UNRECOGNIZED", "Unknown login type %.*s", (int)(name.n < 64 ? name.n : 64), name.s);
    if (json_object_get(uia->results, stage->name))
        return 0;
    if (!in_flows(uia, name) && !(stage->unasked && stage->unasked(server)))
        return 0; /* a stage that nobody asked for proves nothing: the answer says what is asked for */
    int status = stage->run(&attempt, &result, again_out, err);
    if (status)
        return status;
    json_object_set_new(uia->results, stage->name, result);
    return mx_uia_complete(server, uia->session_id, gg_str(stage->name), dump(rq, result), err);
}

int mx_uia_fallback(struct mx_server *server, struct gg_request *rq, struct gg_str session_id, const char *stage,
                    const json_t *auth, bool *again_out, struct gg_error *err)
{
    struct mx_uia_flow flow = {{stage}};
    struct mx_uia uia = {.flows = &flow, .n_flows = 1, .session_id = session_id};
    struct mx_uia_row row = {0};
    *again_out = false;
    int status = mx_uia_read(server, session_id, gg_request_arena(rq), &row, err);
    if (!status && !row.session_id.s)
        return gg_refuse(err, 400, "M_UNKNOWN", "Unknown session ID");
    if (status)
        return status;
    uia.notes = read_object(rq, row.server);
    read_results(rq, &row, &uia);
    return run_stage(server, rq, auth, &uia, again_out, err);
}

static bool complete(const struct mx_uia *uia)
{
    for (size_t i = 0; i < uia->n_flows; i++) {
        const char *const *s = uia->flows[i].stages;
        while (*s && json_object_get(uia->results, *s))
            s++;
        if (!*s)
            return true;
    }
    return false;
}

/* ---- the answer to a client that is not done ---- */

static json_t *flows_json(const struct mx_uia *uia)
{
    json_t *flows = json_array();
    for (size_t i = 0; i < uia->n_flows; i++) {
        json_t *stages = json_array();
        for (const char *const *s = uia->flows[i].stages; *s; s++)
            json_array_append_new(stages, json_string(*s));
        json_array_append_new(flows, json_pack("{so}", "stages", stages));
    }
    return flows;
}

static json_t *params_json(struct mx_server *server, const struct mx_uia *uia)
{
    json_t *params = json_object();
    for (size_t i = 0; i < uia->n_flows; i++)
        for (const char *const *s = uia->flows[i].stages; *s; s++) {
            const struct mx_uia_stage *stage = mx_uia_stage_find(gg_str(*s));
            if (stage && stage->params && !json_object_get(params, *s))
                json_object_set_new(params, *s, stage->params(server));
        }
    return params;
}

/* failure: why the stage was not completed, or NULL. */
static void make_answer(struct mx_server *server, struct mx_uia *uia, bool with_completed,
                        const struct gg_error *failure)
{
    json_t *reply = json_pack("{ss# so so}", "session", uia->session_id.s, (int)uia->session_id.n, "flows",
                              flows_json(uia), "params", params_json(server, uia));
    json_t *done = json_array(), *result;
    const char *name;
    json_object_foreach(uia->results, name, result)
        json_array_append_new(done, json_string(name));
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

static int check_auth(const json_t *auth, struct gg_error *err)
{
    const json_t *type = json_object_get(auth, "type"), *session = json_object_get(auth, "session");
    if (auth && !json_is_object(auth) && !json_is_null(auth))
        return gg_refuse(err, 400, "M_BAD_JSON", "auth must be an object");
    if ((type && !json_is_string(type)) || (session && !json_is_null(session) && !json_is_string(session)))
        return gg_refuse(err, 400, "M_BAD_JSON", "auth.type and auth.session must be strings");
    return 0;
}

int mx_uia_run(struct mx_server *server, struct gg_request *rq, json_t *body, struct mx_uia *uia, struct gg_error *err)
{
    json_t *auth = json_object_get(body, "auth");
    bool named = mx_text(auth, "type").s != NULL, again;
    int status = check_auth(auth, err);
    if (status)
        return status;
    status = named_session(body).s ? resume(server, rq, body, uia, err) : begin(server, rq, body, uia, err);
    if (status)
        return status;
    if (named && (status = run_stage(server, rq, auth, uia, &again, err))) {
        if (!again)
            return status;
        make_answer(server, uia, true, err);
        *err = (struct gg_error){0};
        return 0;
    }
    uia->done = complete(uia);
    if (!uia->done)
        make_answer(server, uia, json_object_size(auth) > 0, NULL);
    return 0;
}

int mx_uia_note_text(struct mx_server *server, struct mx_uia *uia, const char *key, struct gg_str value,
                     struct gg_error *err)
{
    struct gg_buf json = GG_BUF_INIT;
    gg_buf_json_string(&json, value);
    int status = mx_uia_note(server, uia->session_id, key, gg_buf_view(&json), err);
    gg_buf_done(&json);
    if (!status)
        json_object_set_new(uia->notes, key, json_stringn(value.s, value.n));
    return status;
}

/* ---- who asks ---- */

/* Was this token proved of late (configuration ui_auth.session_timeout)? */
static int proved_of_late(struct mx_server *server, int64_t token_id, bool *out, struct gg_error *err)
{
    int64_t timeout = gg_config_int(server->config, "ui_auth.session_timeout"), at;
    *out = false;
    if (timeout <= 0)
        return 0;
    int status = mx_tokens_validated(server, token_id, &at, err);
    *out = !status && at && gg_wall_ms() - at < timeout;
    return status;
}

static bool passwords_prove(const struct gg_config *config)
{
    return strcmp(gg_config_text(config, "password_config.enabled"), "false") != 0 &&
           gg_config_bool(config, "password_config.localdb_enabled");
}

/* The stage that proved it must have named the user who asks: another's password proves nothing. */
static int check_prover(const struct mx_uia *uia, struct gg_error *err)
{
    struct gg_str who = mx_text(uia->results, "m.login.password");
    return who.s && gg_str_eq(who, uia->user_id) ? 0 : gg_refuse(err, 403, "M_FORBIDDEN", "Invalid auth");
}

int mx_uia_confirm(struct mx_server *server, struct gg_request *rq, json_t *body, bool may_skip, struct mx_uia *uia,
                   struct gg_error *err)
{
    static const struct mx_uia_flow by_password = {{"m.login.password", NULL}};
    const struct mx_requester *who = mx_requester_of(rq);
    struct mx_user user = {0};
    uia->user_id = gg_str(who->user_id);
    if (!who->access_token_id)
        return gg_refuse(err, 403, "M_FORBIDDEN", "Without a session of your own this cannot be confirmed");
    int status = may_skip ? proved_of_late(server, who->access_token_id, &uia->done, err) : 0;
    if (!status && uia->done) {
        uia->params = client_params(rq, body, uia, true);
        return 0;
    }
    if (!status)
        status = mx_limit(server, "rc_login.failed_attempts", uia->user_id, NULL, false, err);
    if (!status)
        status = mx_users_get(server, uia->user_id, gg_request_arena(rq), &user, err);
    uia->flows = &by_password;
    uia->n_flows = passwords_prove(server->config) && user.password_hash.n;
    if (!status)
        status = mx_uia_run(server, rq, body, uia, err);
    if (!status && uia->done)
        status = check_prover(uia, err);
    if (!status && uia->done)
        status = mx_tokens_set_validated(server, who->access_token_id, err);
    return status;
}

int mx_uia_unless_service(struct mx_server *server, struct gg_request *rq, json_t *body, bool may_skip, struct mx_uia *uia,
                          struct gg_error *err)
{
    const struct mx_requester *who = mx_requester_of(rq);
    if (!who->app_service)
        return mx_uia_confirm(server, rq, body, may_skip, uia, err);
    uia->user_id = gg_str(who->user_id);
    uia->params = client_params(rq, body, uia, true);
    uia->done = true;
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
