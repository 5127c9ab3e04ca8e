/* matrix/media/serve.h: a file as an answer. */
#ifndef MX_MEDIA_SERVE_H
#define MX_MEDIA_SERVE_H

#include "media/media.h"

#include <ganglion/http.h>

struct mx_media_serving {
    int fd;                /* mx_media_open */
    int64_t length;
    struct gg_str type;    /* content type; s NULL: application/octet-stream */
    struct gg_str name;    /* what the file is called at the asker's; s NULL: nothing is said */
    bool multipart;        /* as servers are told: multipart/mixed, with a JSON object in front */
};

/* Answers with the file, or part of it (Range), and closes it. 404 M_NOT_FOUND: fd is -1; then nothing was answered. */
GG_YIELDS GG_CHECKED int mx_media_serve(struct gg_request *rq, const struct mx_media_serving *what, struct gg_error *err);
/* Does the client say that it has it (If-None-Match)? Then it is told so, and this is true. */
bool mx_media_client_has_it(struct gg_request *rq);
/* "Not found '<path>'" */
int mx_media_not_found(struct gg_request *rq, struct gg_error *err);

/* A content type as it is kept: what no header may hold is application/octet-stream. Lives as long as type, or longer. */
struct gg_str mx_media_type_plain(struct gg_str type);
/* Content-Type as it is sent: text without a charset is UTF-8; what a header must not hold is left out. In the arena. */
const char *mx_media_type_header(struct gg_str type, struct gg_arena *arena);
/* Content-Disposition: inline for what a browser may safely show, with the name as a token or in UTF-8 (RFC 6266). */
const char *mx_media_disposition(struct gg_str type, struct gg_str name, struct gg_arena *arena);
/* The name in a Content-Disposition of another server, in the arena; s NULL: none, or none that can be read. */
struct gg_str mx_media_name_of(struct gg_str disposition, struct gg_arena *arena);

#endif
