/* matrix/api/public_list.h: what is asked of the public list, by clients and by other servers alike. */
#ifndef MX_API_PUBLIC_LIST_H
#define MX_API_PUBLIC_LIST_H

#include "directory/published.h"

/* The body of POST /publicRooms but for `since`. Texts in the arena. 400 M_INVALID_PARAM, M_UNKNOWN. */
GG_CHECKED int mx_public_list_read(struct gg_str body, struct gg_arena *arena, struct mx_list_query *out, struct gg_error *err);
/* Which list: of a third party's network ("appservice|network"; n 0: none), of all networks, or the server's own. */
GG_CHECKED int mx_public_list_network(struct gg_str id, bool all, struct mx_list_query *out, struct gg_error *err);

#endif
