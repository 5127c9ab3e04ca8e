/* matrix/push/age.h: where the stream of events stood some time ago. */
#ifndef MX_PUSH_AGE_H
#define MX_PUSH_AGE_H

#include <ganglion/matrix/server.h>

/* The lowest stream ordering whose event was received at or after `ts` (milliseconds); one more than the highest when
 * none was; 0 without events. About thirty small reads: received_ts has no index, but grows with the ordering. */
GG_YIELDS GG_CHECKED int mx_stream_ordering_at(struct mx_server *server, int64_t ts, int64_t *out, struct gg_error *err);

#endif
