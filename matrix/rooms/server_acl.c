/* matrix/rooms/server_acl.c: which servers a room's m.room.server_acl lets in. */
#include "rooms/server_acl.h"

#include "ids/glob.h"

#include <arpa/inet.h>

static bool list_matches(struct gg_str list, struct gg_str server, struct gg_arena *arena)
{
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_is_array(list) && mx_json_next(&it))
        if (mx_json_is_string(it.value) && mx_glob(mx_json_string(it.value, arena), server, MX_GLOB_ONE | MX_GLOB_FOLD))
            return true;
    return false;
}

/* "[...]" or four numbers, with or without a port. */
static bool is_ip_literal(struct gg_str server)
{
    char host[256];
    struct in_addr address;
    const char *colon = server.n > 0 ? memchr(server.s, ':', server.n) : NULL;
    size_t n = colon != NULL ? (size_t)(colon - server.s) : server.n;
    if (server.n > 0 && server.s[0] == '[')
        return true;
    if (n >= sizeof(host))
        return false;
    memcpy(host, server.s, n);
    host[n] = '\0';
    return inet_pton(AF_INET, host, &address) == 1;
}

bool mx_server_acl_allows(struct gg_str content, struct gg_str server, struct gg_arena *arena)
{
    if (gg_str_is(mx_json_get(content, "allow_ip_literals"), "false") && is_ip_literal(server))
        return false;
    return !list_matches(mx_json_get(content, "deny"), server, arena) && list_matches(mx_json_get(content, "allow"), server, arena);
}

/* The specification matches hosts, without their port; Synapse, and rooms made with it, whole names. A name is in a list when
 * either is. */
static bool is_listed(struct gg_str list, struct gg_str server, struct gg_arena *arena)
{
    size_t n = server.n;
    while (n > 0 && server.s[n - 1] >= '0' && server.s[n - 1] <= '9')
        n--;
    bool port = n > 1 && n < server.n && server.s[n - 1] == ':';
    return list_matches(list, server, arena) || (port && list_matches(list, gg_strn(server.s, n - 1), arena));
}

bool mx_server_acl_lets_in(struct gg_str content, struct gg_str server, struct gg_arena *arena)
{
    if (gg_str_is(mx_json_get(content, "allow_ip_literals"), "false") && is_ip_literal(server))
        return false;
    return !is_listed(mx_json_get(content, "deny"), server, arena) && is_listed(mx_json_get(content, "allow"), server, arena);
}
