/* matrix/federation/serve.h: what a process keeps to answer other servers' questions about rooms. */
#ifndef MX_FEDERATION_SERVE_H
#define MX_FEDERATION_SERVE_H

#include <ganglion/map.h>
#include <ganglion/matrix/cache.h>

struct mx_fed_serving {
    struct mx_cache *state_ids; /* state_ids.h */
    struct gg_map *flights;     /* of state_ids that are being worked out */
};

#endif
