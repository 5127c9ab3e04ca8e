/* matrix/api/routing.c: who a request seems to come from, for proxies that keep one caller's requests together. Nothing
 * is checked here: that is for the process that answers. */
#include "api/routing.h"
#include "accounts/accounts.h"
#include "api/params.h"
#include "federation/x_matrix.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/crypto.h>
#include <strings.h>

enum { MAX_NAME = 255, TOKEN_MAX = 4096, HEADER_MAX = 4096 };

static struct gg_str token_of(struct gg_request *rq)
{
    const char *header = gg_request_header(rq, "Authorization"), *query = NULL;
    if (header != NULL && strncasecmp(header, "Bearer ", 7) == 0)
        return gg_str(header + 7);
    if (header == NULL && strstr(gg_request_target(rq), "access_token=") != NULL)
        query = gg_request_query(rq, "access_token");
    return gg_str(query);
}

struct gg_str mx_token_names_user(const char *server_name, struct gg_str token, struct gg_arena *arena)
{
    char localpart[MAX_NAME + 3];
    if (!gg_str_starts(token, GG_STR("syt_")))
        return (struct gg_str){0};
    struct gg_str coded = gg_strn(token.s + 4, token.n - 4);
    const char *end = memchr(coded.s, '_', coded.n);
    coded.n = end != NULL ? (size_t)(end - coded.s) : 0;
    int64_t n = coded.n > 0 && coded.n <= MAX_NAME ? mx_unbase64(coded, localpart) : -1;
    if (n <= 0)
        return (struct gg_str){0};
    return gg_str(gg_arena_printf(arena, "@%.*s:%s", (int)n, localpart, server_name));
}

struct gg_str mx_api_sender(struct gg_request *rq)
{
    struct mx_server *server = mx_server_of_request(rq);
    struct gg_arena *arena = gg_request_arena(rq);
    struct gg_str token = token_of(rq), user = {0};
    struct gg_error unknown = GG_ERROR_INIT;
    if (token.n == 0 || token.n > TOKEN_MAX)
        return GG_STR("");
    user = mx_token_names_user(server->name, token, arena);
    if (user.s == NULL && mx_token_user(server, token, arena, &user, &unknown) != 0)
        user = (struct gg_str){0}; /* the database does not answer: a token is at least the same each time */
    if (user.s == NULL && strstr(gg_request_target(rq), "user_id=") != NULL)
        user = gg_str(gg_request_query(rq, "user_id")); /* a bridge, for one of its users */
    return user.n > 0 ? user : token;
}

struct gg_str mx_api_origin(struct gg_request *rq)
{
    const char *header = gg_request_header(rq, "Authorization");
    struct mx_x_matrix signed_by;
    if (header == NULL || strlen(header) > HEADER_MAX || !mx_x_matrix_is(gg_str(header)) ||
        !mx_x_matrix_parse(gg_str(header), gg_request_arena(rq), &signed_by))
        return GG_STR("");
    return signed_by.origin;
}
