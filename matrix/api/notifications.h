/* matrix/api/notifications.h: the handler of notifications.c; push_rules.c says which path it serves. */
#ifndef MX_API_NOTIFICATIONS_H
#define MX_API_NOTIFICATIONS_H

#include <ganglion/http.h>

gg_handler_fn mx_api_notifications;

#endif
