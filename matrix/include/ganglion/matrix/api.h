/* ganglion/matrix/api.h: the tables that Matrix roles list in their descriptors: what two roles serve alike is written
 * once. Each table ends with an empty entry. */
#ifndef GANGLION_MATRIX_API_H
#define GANGLION_MATRIX_API_H

#include <ganglion/http.h>
#include <ganglion/repl.h>

/* Routes of the client-server API. */
GG_API extern const struct gg_route mx_routes_rooms[];
GG_API extern const struct gg_route mx_routes_delayed[];
GG_API extern const struct gg_route mx_routes_sync[];
GG_API extern const struct gg_route mx_routes_federation_send[];
GG_API extern const struct gg_route mx_routes_sliding[];
GG_API extern const struct gg_route mx_routes_push[];
GG_API extern const struct gg_route mx_routes_userdata[];
GG_API extern const struct gg_route mx_routes_presence[];
GG_API extern const struct gg_route mx_routes_old_sync[];
GG_API extern const struct gg_route mx_routes_accounts[];
GG_API extern const struct gg_route mx_routes_e2ee[];
GG_API extern const struct gg_route mx_routes_user_directory[];
/* Administration of media and previews of links, for the role media_repository; and for those that only know them. */
GG_API extern const struct gg_route mx_routes_media_upkeep[];
GG_API extern const struct gg_route mx_routes_media_upkeep_elsewhere[];
GG_API extern const struct gg_route mx_routes_appservice[];
/* Routes of the server-server API. */
GG_API extern const struct gg_route mx_routes_federation_proxy[];
GG_API extern const struct gg_route mx_routes_federation_devices[];
GG_API extern const struct gg_route mx_routes_federation_rooms[];
GG_API extern const struct gg_route mx_routes_federation_membership[];
GG_API extern const struct gg_route mx_routes_federation_whitelist[];
GG_API extern const struct gg_route mx_routes_pushers[];
/* Those that only the main process serves. */
GG_API extern const struct gg_route mx_routes_accounts_main[];
GG_API extern const struct gg_route mx_routes_welcome[]; /* of the main process alone */
GG_API extern const struct gg_route mx_routes_admin[];
/* Of other servers. */
GG_API extern const struct gg_route mx_routes_federation_keys[];
GG_API extern const struct gg_route mx_routes_federation_people[];
GG_API extern const struct gg_route mx_routes_groups[];
GG_API extern const struct gg_route mx_routes_federation_groups[];

/* keys/upload without keys: what the device has to hand out is told, nothing is written. */
struct gg_error;
GG_API GG_YIELDS int mx_api_keys_count(void *self, struct gg_request *rq, struct gg_error *err);

/* Who a request seems to come from, for a proxy that keeps one caller's requests together; in the request's arena, n 0: not
 * said. The user behind the access token (from the token itself, else looked up and cached; unknown tokens stand for
 * themselves), and the server that signed it. Neither is checked. */
GG_API GG_YIELDS struct gg_str mx_api_sender(struct gg_request *rq);
GG_API struct gg_str mx_api_origin(struct gg_request *rq);

/* Replication methods that every Matrix process serves. */
GG_API extern const struct gg_method mx_methods_userdata[];
GG_API extern const struct gg_method mx_methods_push[];
GG_API extern const struct gg_method mx_methods_pushers[];
GG_API extern const struct gg_method mx_methods_accounts[];
GG_API extern const struct gg_method mx_methods_federation[];
GG_API extern const struct gg_method mx_methods_e2ee[];
GG_API extern const struct gg_method mx_methods_peers[];
GG_API extern const struct gg_method mx_methods_presence[];
GG_API extern const struct gg_method mx_methods_remote_membership[];
GG_API extern const struct gg_method mx_methods_media[];
GG_API extern const struct gg_method mx_methods_delayed[];

#endif
