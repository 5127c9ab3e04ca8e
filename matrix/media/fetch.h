/* matrix/media/fetch.h: files of other servers: kept here once they were fetched. */
#ifndef MX_MEDIA_FETCH_H
#define MX_MEDIA_FETCH_H

#include "media/find.h"

/* As mx_media_find, for what is not ours. However many ask, it is fetched once, and goes on when they leave. */
GG_YIELDS GG_CHECKED int mx_media_fetch(struct mx_media *media, const struct mx_media_ask *ask, struct gg_arena *arena,
                                        struct mx_media_row *out, struct gg_error *err);

#endif
