/* media/preview/preview.h: previews of links (client-server API, "GET /_matrix/client/v1/media/preview_url"). */
#ifndef MX_MEDIA_PREVIEW_H
#define MX_MEDIA_PREVIEW_H

#include <ganglion/client.h>
#include <ganglion/fiber.h>
#include <ganglion/map.h>
#include <ganglion/matrix/preview.h>

#include "media/file.h"
#include "media/preview/blocked.h"
#include "media/preview/oembed.h"

enum { MX_PREVIEW_URL_MAX = 8192 }; /* bytes of an address */

struct mx_previews { /* of a process that makes them */
    struct mx_server *server;
    const struct mx_pages *pages;
    struct gg_client_pool *pool;      /* connections, and the addresses that they may lead to */
    struct mx_blocked *blocked;
    struct mx_oembed *oembed;
    char *languages;                  /* the header Accept-Language */
    bool insecure;                    /* certificates are not checked: for tests */
    size_t max_bytes;                 /* of one answer (max_spider_size) */
    struct gg_map *running;           /* address -> struct job (jobs.c) */
    struct gg_mutex reading;          /* one page at a time: hostile ones may not take all threads of the pool, nor memory */
    struct gg_scope *scope;           /* the jobs' fibers */
};

/* NULL: this process makes none, or the configuration wants none. */
struct mx_previews *mx_previews_of(const struct mx_server *server);

/* The preview of an address as of that time (ms), for a user: a JSON object, in the arena. 403 M_UNKNOWN: not to be previewed; 502: it
 * could not be had. Whoever asks for what is being made waits for it. */
GG_YIELDS GG_CHECKED int mx_preview_get(struct mx_previews *previews, const char *url, struct gg_str user_id, int64_t ts,
                                        struct gg_arena *arena, struct gg_str *og_out, struct gg_error *err);

/* What was fetched (fetch.c); texts in the arena. */
struct mx_fetched {
    const char *url;  /* where redirects led to */
    int status;
    struct mx_media_file *file; /* the caller's, to be kept or dropped: nobody holds a body in memory */
    const char *type; /* Content-Type as it came; when none came, that of any bytes */
    struct gg_str name; /* of the file, as the answer says; s NULL: it does not */
    struct gg_str etag; /* s NULL: none */
};
/* With at most twenty redirects; each address of each is judged when it is connected to. data: addresses too, where so allowed. 403
 * M_UNKNOWN: it is an address, or a link, that must not be asked; 502 M_TOO_LARGE, M_UNKNOWN. */
GG_YIELDS GG_CHECKED int mx_preview_fetch(struct mx_previews *previews, const char *url, bool data_too, struct gg_arena *arena,
                                          struct mx_fetched *out, struct gg_error *err);

/* Makes one (make.c): fetches, reads, and keeps what came. *og_out: JSON text. */
GG_YIELDS GG_CHECKED int mx_preview_make(struct mx_previews *previews, const char *url, struct gg_str user_id,
                                         struct gg_arena *arena, struct gg_str *og_out, struct gg_error *err);

/* "data:image/png;base64,...": its type and bytes, in the arena (data.c; RFC 2397). False: it is none, or holds more than max. */
bool mx_data_url_read(const char *url, size_t max, struct gg_arena *arena, const char **type_out, struct gg_str *body_out);

#endif
