/* matrix/sync/lazy.h: which member events a device was sent of late (client-server API, "Lazy-loading room members").
 *
 * Only a saving: what is forgotten is sent once more. Each is remembered with the position that the client had when it was
 * sent: one who comes again with that position has not had the answer, and gets the same once more. */
#ifndef MX_SYNC_LAZY_H
#define MX_SYNC_LAZY_H

#include <ganglion/base.h>

struct mx_lazy;
struct mx_lazy *mx_lazy_new(void);
void mx_lazy_free(struct mx_lazy *lazy); /* NULL is fine */
void mx_lazy_forget(struct mx_lazy *lazy, struct gg_str device);
/* Was it sent in an answer to another position than `since`? */
bool mx_lazy_sent(const struct mx_lazy *lazy, struct gg_str device, struct gg_str event_id, int64_t since);
void mx_lazy_note(struct mx_lazy *lazy, struct gg_str device, struct gg_str event_id, int64_t since);

#endif
