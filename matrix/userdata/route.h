/* matrix/userdata/route.h: account data and tags set from any process: here, or at the process that writes them. */
#ifndef MX_USERDATA_ROUTE_H
#define MX_USERDATA_ROUTE_H

#include "userdata/account_data.h"

/* room_id s NULL: global. content: JSON object text. */
GG_YIELDS GG_CHECKED int mx_account_data_put(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                             struct gg_str type, struct gg_str content, struct gg_error *err);
/* content s NULL: takes the tag away. */
GG_YIELDS GG_CHECKED int mx_tag_put(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str tag,
                                    struct gg_str content, struct gg_error *err);

#endif
