/* ganglion/matrix/id.h: user, room, alias and event identifiers, server names (appendix "Identifier Grammar"). */
#ifndef GANGLION_MATRIX_ID_H
#define GANGLION_MATRIX_ID_H

#include <ganglion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { MX_ID_MAX = 255 }; /* bytes, with sigil and domain */

GG_API bool mx_server_name_valid(struct gg_str s);   /* host, IPv4 or [IPv6], optional port */
GG_API bool mx_user_id_valid(struct gg_str s);        /* historical grammar: any localpart, also an empty one, without ':' and NUL */
GG_API bool mx_user_id_strict(struct gg_str s);       /* a-z 0-9 . _ = - / + : what new users may be called */
GG_API bool mx_localpart_strict(struct gg_str localpart);
GG_API bool mx_room_id_valid(struct gg_str s);        /* "!opaque:domain" and, from version 12, "!<43 base64url>" */
GG_API bool mx_room_alias_valid(struct gg_str s);
GG_API bool mx_event_id_valid(struct gg_str s);       /* "$opaque:domain" and "$<hash>" */
GG_API struct gg_str mx_id_localpart(struct gg_str id); /* between the sigil and the first ':' */
GG_API struct gg_str mx_id_domain(struct gg_str id);    /* after the first ':'; s NULL when there is none */

#ifdef __cplusplus
}
#endif
#endif
