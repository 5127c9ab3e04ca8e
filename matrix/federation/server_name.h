/* matrix/federation/server_name.h: the parts of a server name (appendix "Server Name"). */
#ifndef MX_FEDERATION_SERVER_NAME_H
#define MX_FEDERATION_SERVER_NAME_H

#include <ganglion/base.h>

struct mx_server_name {
    struct gg_str host; /* without the brackets of an IPv6 address; borrowed */
    uint16_t port;      /* 0: none is given */
    bool literal, v6;   /* the host is an IP address; an IPv6 one */
};
/* False: it is no server name, or its port is not within 1..65535. */
bool mx_server_name_split(struct gg_str name, struct mx_server_name *out);

#endif
