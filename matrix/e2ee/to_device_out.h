/* matrix/e2ee/to_device_out.h: messages to devices of other servers, as EDUs that wait to be sent (server-server API,
 * "Send-to-device messaging"; table device_federation_outbox). */
#ifndef MX_E2EE_TO_DEVICE_OUT_H
#define MX_E2EE_TO_DEVICE_OUT_H

#include "e2ee/to_device.h"

enum { MX_TO_DEVICE_EDU_BYTES = 65536 }; /* an EDU holds no more, unless one message alone is larger */

struct mx_outbox_edu {
    struct gg_str destination;
    struct gg_str content; /* JSON: sender, type, message_id, messages */
};
/* Contents for all that is not of `our_name`: as few for each server as fit. In the arena. Pure, but for message ids. */
void mx_to_device_edus(const char *our_name, struct gg_str sender, struct gg_str type, const struct mx_to_device_message *messages,
                       size_t n, struct gg_arena *arena, struct mx_outbox_edu **out, size_t *n_out);

#endif
