/* matrix/e2ee/dehydrated.h: a device of a user that receives while none of theirs is there (MSC3814). */
#ifndef MX_E2EE_DEHYDRATED_H
#define MX_E2EE_DEHYDRATED_H

#include "e2ee/keys.h"

struct mx_dehydrated {
    struct gg_str device_id;    /* s NULL: the user has none */
    struct gg_str device_data;  /* JSON object text */
    struct gg_str display_name; /* s NULL: none */
};
GG_YIELDS GG_CHECKED int mx_dehydrated_get(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                           struct mx_dehydrated *out, struct gg_error *err);
/* A request's body. 400 M_BAD_JSON, M_MISSING_PARAM, M_INVALID_PARAM. Pure. */
GG_CHECKED int mx_dehydrated_read(struct gg_str body, struct gg_str user_id, struct gg_arena *arena, struct mx_dehydrated *out,
                                  struct mx_key_upload *keys, struct gg_error *err);
/* Makes the device and its keys and deletes the one before; on the main process. 400 M_INVALID_PARAM: it is the id of a
 * device that the user has logged in. */
GG_YIELDS GG_CHECKED int mx_dehydrated_put(struct mx_server *server, struct gg_str user_id, const struct mx_dehydrated *device,
                                           const struct mx_key_upload *keys, struct gg_error *err);
/* Position of a token of /events, "d10"; -1: it is none. Pure. */
int64_t mx_dehydrated_token_read(struct gg_str token);

#endif
