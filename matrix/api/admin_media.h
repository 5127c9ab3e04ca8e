/* matrix/api/admin_media.h: handlers of the admin API about media (admin_media_routes.c is their table). */
#ifndef MX_API_ADMIN_MEDIA_H
#define MX_API_ADMIN_MEDIA_H

#include "api/admin.h"

/* admin_media.c */
gg_handler_fn mx_admin_api_media_info, mx_admin_api_room_media, mx_admin_api_user_media, mx_admin_api_media_protect,
    mx_admin_api_media_unprotect;
/* admin_media_delete.c */
gg_handler_fn mx_admin_api_media_delete, mx_admin_api_media_delete_old, mx_admin_api_user_media_delete,
    mx_admin_api_purge_media_cache;
/* admin_media_quarantine.c */
gg_handler_fn mx_admin_api_quarantine, mx_admin_api_unquarantine, mx_admin_api_quarantine_room, mx_admin_api_quarantine_user,
    mx_admin_api_quarantine_changes;

struct mx_media_page;
/* from, limit, order_by and dir of the query; without an order the newest come first. */
GG_CHECKED int mx_admin_media_page(const struct gg_request *rq, struct mx_media_page *out, struct gg_error *err);

#endif
