/* matrix/json/refusal.c: what another server refused, handed on to the client who waits for its answer. */
#include "json/refusal.h"

#include <ganglion/matrix/json.h>

enum { MAX_DEPTH = 64, LONGEST_CODE = 60 };

static bool is_errcode(struct gg_str code)
{
    return code.n > 2 && code.n < LONGEST_CODE && gg_str_starts(code, GG_STR("M_")) && !gg_str_is(code, "M_UNKNOWN_TOKEN");
}

static int own_status(int status)
{
    return status < 400 || status > 499 ? 502 : status == 401 ? 400 : status;
}

int mx_refusal_relay(int status, struct gg_str body, const char *text, struct gg_arena *arena, struct gg_error *err)
{
    struct gg_error bad = GG_ERROR_INIT;
    struct gg_str code = {0}, said = {0};
    if (mx_json_check(body, MAX_DEPTH, &bad) == 0) {
        code = mx_json_string(mx_json_get(body, "errcode"), arena);
        said = mx_json_string(mx_json_get(body, "error"), arena);
    }
    return gg_refuse(err, own_status(status), is_errcode(code) ? gg_arena_strndup(arena, code.s, code.n) : "M_UNKNOWN", "%.*s",
                     GG_FMT(said.s != NULL ? said : gg_str(text)));
}
