/* ganglion/matrix/sender.h: what goes to other servers by itself, as the role federation_sender loads it. */
#ifndef GANGLION_MATRIX_SENDER_H
#define GANGLION_MATRIX_SENDER_H

#include <ganglion/plugin.h>

/* load() of the role: *self_out is the server. A process without the duty `federation_sender` gets no sender. */
GG_API GG_CHECKED int mx_sender_load(struct gg_host *host, void **self_out, struct gg_error *err);
/* Its own tables. */
GG_API extern const struct gg_migration mx_sender_migrations[];

#endif
