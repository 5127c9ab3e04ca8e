/* matrix/api/old_sync.h: handlers of the sync API before /sync; old_sync.c says which path each one serves. */
#ifndef MX_API_OLD_SYNC_H
#define MX_API_OLD_SYNC_H

#include <ganglion/http.h>
#include <ganglion/matrix/server.h>

gg_handler_fn mx_api_initial_sync, mx_api_room_initial_sync;

/* `limit` of the query, 10 unless given. 400 M_INVALID_PARAM. */
GG_CHECKED int mx_api_old_limit(struct gg_request *rq, size_t *out, struct gg_error *err);

#endif
