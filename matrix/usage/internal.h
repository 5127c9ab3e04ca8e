/* usage/internal.h: what this folder keeps for a process. */
#ifndef MX_USAGE_INTERNAL_H
#define MX_USAGE_INTERNAL_H

#include "usage/usage.h"

#include <ganglion/matrix/cache.h>

struct mx_reserved {
    struct gg_str medium, address;
};

struct mx_usage {
    bool disabled;              /* hs_disabled */
    bool capped, counted;       /* limit_usage_by_mau; that, or only mau_stats_only */
    bool counts_here, tells_here; /* this process counts users; sends them notices */
    bool services_count;        /* track_appservice_user_ips: their users are seen, and so are under the cap */
    bool tells_terms;           /* user_consent.server_notice_content */
    int64_t cap;
    struct gg_str speaker;      /* of server notices; s NULL: there are none */
    const char *terms;          /* the version to agree to; NULL: none */
    const char *terms_refusal;  /* user_consent.block_events_error; NULL: anybody may send */
    struct mx_reserved *reserved; /* of the first `cap` addresses that are reserved */
    size_t n_reserved;
    struct gg_arena *arena;     /* of the above */
    struct mx_cache *members;   /* user id -> struct mx_member */
    struct mx_cache *seen;      /* user id -> int64_t, ms (monthly.c) */
    struct mx_cache *count;     /* "" -> int64_t */
    struct mx_cache *told;      /* user id -> bool: were they told that the server is full? (limit_notice.c) */
    struct gg_queue *pending;   /* user ids that were seen; owned text */
    struct gg_scope *scope;
};

/* ---- members.c ---- */

struct mx_member {
    bool exists, guest;
    bool support;    /* is never counted, never refused */
    bool excused;    /* need not agree to terms: support, bots, users of application services */
    bool agreed, told; /* to the current terms; has had the notice of them */
    int64_t trial_end_ms;
};
void mx_members_make(struct mx_server *server);
GG_YIELDS GG_CHECKED int mx_member_get(struct mx_server *server, struct gg_str user_id, struct mx_member *out,
                                       struct gg_error *err);

/* ---- monthly.c ---- */

void mx_monthly_make(struct mx_server *server);
/* As storage/usage.h, from memory. */
GG_YIELDS GG_CHECKED int mx_usage_last_seen(struct mx_server *server, struct gg_str user_id, int64_t *out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_usage_full(struct mx_server *server, bool *out, struct gg_error *err);
/* Counts a user who was seen, if they are to be counted and there is room. */
GG_YIELDS GG_CHECKED int mx_usage_count(struct mx_server *server, struct gg_str user_id, struct gg_error *err);
bool mx_usage_is_reserved(const struct mx_usage *usage, struct gg_str medium, struct gg_str address);
/* At the start of the process that counts: who has a reserved address has a place. */
GG_YIELDS GG_CHECKED int mx_usage_count_reserved(struct mx_server *server, struct gg_error *err);

/* ---- notices, on the main process ---- */

#define MX_USAGE_FULL "Monthly Active User Limit Exceeded"
#define MX_USAGE_FULL_TYPE "monthly_active_user"

GG_YIELDS GG_CHECKED int mx_terms_tell(struct mx_server *server, struct gg_str user_id, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_limit_tell(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

/* ---- seen.c ---- */

GG_CHECKED int mx_usage_follow(struct mx_server *server, struct gg_error *err);

#endif
