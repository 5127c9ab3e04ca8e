/* matrix/federation/device_edus.h: what other servers tell of their users' devices, and messages from these to ours. For the
 * table of EDUs; each runs on the writer that facts replication 9.4 names. 400: what it says makes no sense; who may not say it
 * is passed over without a word. */
#ifndef MX_FEDERATION_DEVICE_EDUS_H
#define MX_FEDERATION_DEVICE_EDUS_H

#include "e2ee/remote_devices.h"

#include <jansson.h>

/* The content of m.device_list_update: user_id s NULL: the origin may not say that. 400 M_BAD_JSON. Pure. */
GG_CHECKED int mx_fed_read_device_update(const char *origin, const json_t *content, struct gg_arena *arena,
                                         struct mx_remote_update *out, struct gg_error *err);

/* m.device_list_update, on the first writer of device_lists. Does not wait for other servers. */
GG_YIELDS GG_CHECKED int mx_fed_edu_device_list_update(struct mx_server *server, const char *origin, const json_t *content,
                                                       struct gg_error *err);
/* m.signing_key_update and org.matrix.signing_key_update, likewise. */
GG_YIELDS GG_CHECKED int mx_fed_edu_signing_key_update(struct mx_server *server, const char *origin, const json_t *content,
                                                       struct gg_error *err);
/* m.direct_to_device, on the writer of to_device. */
GG_YIELDS GG_CHECKED int mx_fed_edu_direct_to_device(struct mx_server *server, const char *origin, const json_t *content,
                                                     struct gg_error *err);

#endif
