/* matrix/api/routing.h: what a request says of its sender without being asked to prove it. */
#ifndef MX_API_ROUTING_H
#define MX_API_ROUTING_H

#include <ganglion/arena.h>

/* "syt_<localpart in base64>_...": such a token says whose it is (facts http-api). The user id, in the arena; s NULL: a
 * token of another kind. Pure. */
struct gg_str mx_token_names_user(const char *server_name, struct gg_str token, struct gg_arena *arena);

#endif
