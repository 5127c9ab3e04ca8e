/* matrix/e2ee/streams.h: sources of the streams of this folder, for the table of streams. */
#ifndef MX_E2EE_STREAMS_H
#define MX_E2EE_STREAMS_H

#include <ganglion/matrix/server.h>

gg_stream_fetch_fn mx_to_device_fetch, mx_device_lists_fetch;

#endif
