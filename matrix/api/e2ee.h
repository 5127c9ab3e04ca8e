/* matrix/api/e2ee.h: handlers about devices and their keys; e2ee_routes.c says which path each one serves. */
#ifndef MX_API_E2EE_H
#define MX_API_E2EE_H

#include "accounts/accounts.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/server.h>

gg_handler_fn mx_api_send_to_device; /* to_device.c */
gg_handler_fn mx_api_keys_upload, mx_api_keys_query, mx_api_keys_claim, mx_api_keys_changes; /* e2ee_keys.c */
gg_handler_fn mx_api_cross_signing_upload, mx_api_signatures_upload; /* e2ee_cross_signing.c */
gg_handler_fn mx_api_backup_version_new, mx_api_backup_version, mx_api_backup_version_update, mx_api_backup_version_delete,
    mx_api_backup_get, mx_api_backup_put, mx_api_backup_delete; /* e2ee_backup.c */
gg_handler_fn mx_api_dehydrated_get, mx_api_dehydrated_put, mx_api_dehydrated_delete,
    mx_api_dehydrated_events; /* e2ee_dehydrated.c */

/* Device of who asks; 400 M_MISSING_PARAM if their token has none. */
GG_CHECKED int mx_api_own_device(struct gg_request *rq, struct gg_str *out, struct gg_error *err);

#endif
