/* matrix/api/userdata.h: handlers of userdata.c and its neighbours; userdata.c says which path each one serves. */
#ifndef MX_API_USERDATA_H
#define MX_API_USERDATA_H

#include <ganglion/matrix/api.h>
#include <ganglion/matrix/server.h>

gg_handler_fn mx_api_get_tags, mx_api_put_tag, mx_api_delete_tag, mx_api_read_markers;

/* The account_data writer's methods about tags. */
int mx_method_add_tag(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err);
int mx_method_remove_tag(void *self, const struct gg_call *call, json_t **answer, struct gg_error *err);

/* Sets account data here, or at the process that writes it; room_id s NULL: global. `text` is `content` as text. */
GG_YIELDS GG_CHECKED int mx_api_set_account_data(struct mx_server *server, struct gg_str user_id, struct gg_str room_id,
                                                 struct gg_str type, json_t *content, struct gg_str text, struct gg_error *err);
/* 0, or 403: users may do `what` ("add tags for") for themselves only. Reads the path's user_id. */
GG_CHECKED int mx_api_only_oneself(struct gg_request *rq, const char *what, struct gg_error *err);

#endif
