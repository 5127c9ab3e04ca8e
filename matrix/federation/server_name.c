/* server_name.c: host and port of a server name. */
#include "federation/server_name.h"

#include <arpa/inet.h>
#include <ganglion/matrix/id.h>

static bool port_of(struct gg_str digits, uint16_t *out)
{
    uint32_t value = 0;
    if (!digits.n || digits.n > 5)
        return false;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.s[i] < '0' || digits.s[i] > '9')
            return false;
        value = value * 10 + (uint32_t)(digits.s[i] - '0');
    }
    *out = (uint16_t)value;
    return value >= 1 && value <= 65535;
}

static bool is_literal(struct gg_str host, int family)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    if (host.n >= sizeof(text))
        return false;
    memcpy(text, host.s, host.n);
    text[host.n] = '\0';
    return inet_pton(family, text, address) == 1;
}

bool mx_server_name_split(struct gg_str name, struct mx_server_name *out)
{
    *out = (struct mx_server_name){0};
    if (!mx_server_name_valid(name))
        return false;
    const char *end = name.s + name.n, *host_end;
    if (name.s[0] == '[') {
        host_end = memchr(name.s, ']', name.n);
        out->host = gg_strn(name.s + 1, (size_t)(host_end - name.s) - 1);
        out->v6 = out->literal = true;
        host_end++;
    } else {
        host_end = memchr(name.s, ':', name.n);
        host_end = host_end ? host_end : end;
        out->host = gg_strn(name.s, (size_t)(host_end - name.s));
        out->literal = is_literal(out->host, AF_INET);
    }
    if (out->v6 && !is_literal(out->host, AF_INET6))
        return false;
    return host_end == end || (*host_end == ':' && port_of(gg_strn(host_end + 1, (size_t)(end - host_end) - 1), &out->port));
}
