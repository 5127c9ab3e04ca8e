/* media/preview/link.h: parts of an address (RFC 3986), as pages and configurations write them. */
#ifndef MX_MEDIA_PREVIEW_LINK_H
#define MX_MEDIA_PREVIEW_LINK_H

#include <ganglion/arena.h>

/* Views into the address; s NULL: it has no such part ("" is one: "http://a/?" has an empty query). */
struct mx_link {
    struct gg_str scheme, authority, path, query, fragment;
    struct gg_str username, password, host, port; /* of the authority; the host without brackets */
};
struct mx_link mx_link_split(struct gg_str text);
/* http or https, with a host, nothing in it that no address has (blanks, controls, what is no UTF-8). */
bool mx_link_is_web(const struct mx_link *link, struct gg_str text);
/* Is the host an address, and no name? */
bool mx_link_is_address(const struct mx_link *link);
/* What reference means on the page base, in the arena (RFC 3986 section 5.2). */
const char *mx_link_resolve(struct gg_str base, struct gg_str reference, struct gg_arena *arena);

/* Percent-encoded bytes decoded, in the arena; a "%" that begins none stays. */
struct gg_str mx_link_unescape(struct gg_str text, struct gg_arena *arena);

#endif
