/* admin_tokens.c: tokens that let people register (admin API, "Registration Tokens"). */
#include "api/admin.h"
#include "storage/admin/registration_tokens.h"

enum { TOKEN_MAX = 64, TOKEN_LENGTH = 16 };
#define TOKEN_LETTERS GG_LETTERS "0123456789._~-"

int mx_admin_api_tokens(void *self, struct gg_request *rq, struct gg_error *err)
{
    int valid;
    int status = mx_admin_query_flag(rq, "valid", -1, &valid, err);
    return status ? status
                  : mx_admin_answer(rq, &mx_admin_registration_tokens,
                                    GG_PARAMS(mx_p_flag(valid), gg_p_i64(gg_wall_ms())), "", err);
}

static int answer_token(struct gg_request *rq, struct gg_str token, struct gg_error *err)
{
    return mx_admin_answer(rq, &mx_admin_registration_token, GG_PARAMS(gg_p_str(token)),
                           gg_arena_printf(gg_request_arena(rq), "No such registration token: %.*s", GG_FMT(token)), err);
}

static int invalid(struct gg_error *err, const char *why)
{
    return gg_refuse(err, 400, "M_INVALID_PARAM", "%s", why);
}

static int read_token(struct gg_request *rq, const json_t *body, struct gg_str *out, struct gg_error *err)
{
    const json_t *given = json_object_get(body, "token"), *length = json_object_get(body, "length");
    *out = mx_text(body, "token");
    if (given && !out->s)
        return invalid(err, "token must be a string");
    if (given && (!out->n || out->n > TOKEN_MAX))
        return invalid(err, "token must not be empty and must not be longer than 64 characters");
    if (given && (memchr(out->s, 0, out->n) || strspn(out->s, TOKEN_LETTERS) != out->n))
        return invalid(err, "token must consist only of letters, digits and . _ ~ -");
    if (given)
        return 0;
    if (length && !json_is_integer(length))
        return invalid(err, "length must be an integer");
    json_int_t n = length ? json_integer_value(length) : TOKEN_LENGTH;
    if (n < 1 || n > TOKEN_MAX)
        return invalid(err, "length must be greater than zero and not greater than 64");
    char *token = gg_arena_alloc(gg_request_arena(rq), (size_t)n + 1);
    gg_random_text(token, (size_t)n, TOKEN_LETTERS);
    *out = gg_strn(token, (size_t)n);
    return 0;
}

/* null and absent: no limit. */
static int read_number(const json_t *body, const char *key, int64_t *out, struct gg_error *err)
{
    const json_t *v = json_object_get(body, key);
    bool time = strcmp(key, "expiry_time") == 0;
    *out = json_is_integer(v) ? json_integer_value(v) : GG_NULL_I64;
    if (v && !json_is_null(v) && !json_is_integer(v))
        return invalid(err, time ? "expiry_time must be an integer or null"
                                 : "uses_allowed must be a non-negative integer or null");
    if (!json_is_integer(v))
        return 0;
    if (time)
        return *out < gg_wall_ms() ? invalid(err, "expiry_time must not be in the past") : 0;
    return *out < 0 || *out > INT32_MAX ? invalid(err, "uses_allowed must be a non-negative integer or null") : 0;
}

int mx_admin_api_new_token(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str token;
    int64_t uses, expiry;
    int status = read_token(rq, body, &token, err);
    if (!status)
        status = read_number(body, "uses_allowed", &uses, err);
    if (!status)
        status = read_number(body, "expiry_time", &expiry, err);
    if (!status)
        status = mx_admin_registration_token_add(mx_server_of_request(rq), token, uses, expiry, err);
    return status ? status : answer_token(rq, token, err);
}

int mx_admin_api_token(void *self, struct gg_request *rq, struct gg_error *err)
{
    return answer_token(rq, gg_str(gg_request_param(rq, "token")), err);
}

int mx_admin_api_put_token(void *self, struct gg_request *rq, struct gg_error *err)
{
    const json_t *body = gg_request_json(rq, err);
    struct gg_str token = gg_str(gg_request_param(rq, "token"));
    int64_t uses, expiry;
    int status = read_number(body, "uses_allowed", &uses, err);
    if (!status)
        status = read_number(body, "expiry_time", &expiry, err);
    if (!status)
        status = mx_admin_registration_token_set(mx_server_of_request(rq), token, json_object_get(body, "uses_allowed") != NULL,
                                                 uses, json_object_get(body, "expiry_time") != NULL, expiry, err);
    return status ? status : answer_token(rq, token, err);
}

int mx_admin_api_delete_token(void *self, struct gg_request *rq, struct gg_error *err)
{
    int status = mx_admin_registration_token_delete(mx_server_of_request(rq), gg_str(gg_request_param(rq, "token")), err);
    return status ? status : gg_reply_empty_object(rq);
}
