/* ganglion/matrix/api.h: the tables that Matrix roles list in their descriptors: what two roles serve alike is written
 * once. Each table ends with an empty entry. */
#ifndef GANGLION_MATRIX_API_H
#define GANGLION_MATRIX_API_H

#include <ganglion/http.h>
#include <ganglion/repl.h>

/* Routes of the client-server API. */
GG_API extern const struct gg_route mx_routes_rooms[];
GG_API extern const struct gg_route mx_routes_sync[];
GG_API extern const struct gg_route mx_routes_sliding[];
GG_API extern const struct gg_route mx_routes_push[];
GG_API extern const struct gg_route mx_routes_userdata[];
GG_API extern const struct gg_route mx_routes_presence[];
GG_API extern const struct gg_route mx_routes_old_sync[];
GG_API extern const struct gg_route mx_routes_accounts[];
GG_API extern const struct gg_route mx_routes_e2ee[];
/* Those that only the main process serves. */
GG_API extern const struct gg_route mx_routes_accounts_main[];
GG_API extern const struct gg_route mx_routes_admin[];

/* Replication methods that every Matrix process serves. */
GG_API extern const struct gg_method mx_methods_userdata[];
GG_API extern const struct gg_method mx_methods_push[];
GG_API extern const struct gg_method mx_methods_accounts[];
GG_API extern const struct gg_method mx_methods_e2ee[];
GG_API extern const struct gg_method mx_methods_peers[];
GG_API extern const struct gg_method mx_methods_presence[];

#endif
