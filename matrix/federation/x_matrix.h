/* matrix/federation/x_matrix.h: the header by which a server signs a request (server-server API, "Request
 * Authentication"). Pure. */
#ifndef MX_FEDERATION_X_MATRIX_H
#define MX_FEDERATION_X_MATRIX_H

#include <ganglion/arena.h>
#include <ganglion/base.h>

struct mx_x_matrix {
    struct gg_str origin, key_id, signature; /* origin: a valid server name */
    struct gg_str destination;               /* s NULL: not said, as older servers do */
};

/* Is this an Authorization header of that scheme at all? */
bool mx_x_matrix_is(struct gg_str header);
/* Quoted values, bare ones (servers of old wrote key ids with their colon), names in any case, parameters in any order,
 * unknown ones ignored. false: malformed. Values are in the arena or borrowed from header. */
bool mx_x_matrix_parse(struct gg_str header, struct gg_arena *arena, struct mx_x_matrix *out);

#endif
