/* matrix/api/e2ee.h: handlers about devices and their keys; e2ee_routes.c says which path each one serves. */
#ifndef MX_API_E2EE_H
#define MX_API_E2EE_H

#include "accounts/accounts.h"

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/server.h>

gg_handler_fn mx_api_send_to_device; /* to_device.c */
gg_handler_fn mx_api_keys_upload, mx_api_keys_query, mx_api_keys_claim, mx_api_keys_changes; /* e2ee_keys.c */

/* Device of who asks; 400 M_MISSING_PARAM if their token has none. */
GG_CHECKED int mx_api_own_device(struct gg_request *rq, struct gg_str *out, struct gg_error *err);

#endif
