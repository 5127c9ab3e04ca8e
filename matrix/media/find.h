/* matrix/media/find.h: from an mxc address to a file that may be shown. */
#ifndef MX_MEDIA_FIND_H
#define MX_MEDIA_FIND_H

#include "media/media.h"

/* Who asks, and how. */
struct mx_media_ask {
    struct gg_str origin, id;  /* mxc://origin/id; origin may be ours */
    int64_t timeout_ms;        /* how long what is not there yet is waited for */
    const char *address;       /* whose downloads from other servers are counted; NULL: nobody's */
    bool logged_in;            /* on a path that needs a login */
    bool past_quarantine;      /* an administrator looks at what is in quarantine */
    bool no_remote;            /* what we do not have of other servers is not fetched */
};

/* 0: *out is a file that is there and may be shown; texts in the arena. 404 M_NOT_FOUND: unknown, in quarantine, or only
 * for who is logged in; 504 M_NOT_YET_UPLOADED; 502: its origin does not give it; 429: too much was fetched for that
 * address; 403 M_FORBIDDEN: a server that we do not talk to. */
GG_YIELDS GG_CHECKED int mx_media_find(struct mx_media *media, const struct mx_media_ask *ask, struct gg_arena *arena,
                                       struct mx_media_row *out, struct gg_error *err);

#endif
