/* matrix/federation/device_serve.h: devices and keys of our users, as other servers ask for them (server-server API, "Device
 * Management", "End-to-End Encryption"). */
#ifndef MX_FEDERATION_DEVICE_SERVE_H
#define MX_FEDERATION_DEVICE_SERVE_H

#include <ganglion/matrix/server.h>

/* Each appends the answer. 400 M_INVALID_PARAM: no user id; 400 M_UNKNOWN: not one of our users; 400 M_BAD_JSON. */

/* GET user/devices/{user_id}: devices with keys, with their names if the configuration allows that. */
GG_YIELDS GG_CHECKED int mx_fed_serve_devices(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                              struct gg_buf *out, struct gg_error *err);
/* POST user/keys/query; body: JSON object text. */
GG_YIELDS GG_CHECKED int mx_fed_serve_keys(struct mx_server *server, struct gg_str body, struct gg_arena *arena,
                                           struct gg_buf *out, struct gg_error *err);
/* POST user/keys/claim. */
GG_YIELDS GG_CHECKED int mx_fed_serve_claim(struct mx_server *server, struct gg_str body, struct gg_arena *arena,
                                            struct gg_buf *out, struct gg_error *err);

#endif
