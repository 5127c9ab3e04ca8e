/* storage/usage.h: what limits of use ask of the database: the table monthly_active_users (facts database 4), and of users
 * what exempts them. */
#ifndef MX_STORAGE_USAGE_H
#define MX_STORAGE_USAGE_H

#include <ganglion/matrix/server.h>

/* A user as limits see them; text in the arena. */
struct mx_usage_row {
    bool exists, guest;
    int64_t created_s;
    struct gg_str kind, service;        /* user_type and appservice_id; s NULL: none */
    struct gg_str agreed, told;         /* version of the terms that they agreed to, that they were sent a notice of */
};
GG_YIELDS GG_CHECKED int mx_usage_user(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena,
                                       struct mx_usage_row *out, struct gg_error *err);
/* Who was sent a notice of these terms. */
GG_YIELDS GG_CHECKED int mx_usage_terms_told(struct mx_server *server, struct gg_str user_id, struct gg_str version,
                                             struct gg_error *err);

/* When the user was last counted (ms); 0: they are not among those of this month. */
GG_YIELDS GG_CHECKED int mx_monthly_seen(struct mx_server *server, struct gg_str user_id, int64_t *out, struct gg_error *err);
/* How many there are, without the users of application services. */
GG_YIELDS GG_CHECKED int mx_monthly_count(struct mx_server *server, int64_t *out, struct gg_error *err);
struct mx_monthly_service {
    struct gg_str id; /* "native": none */
    int64_t n;
};
GG_YIELDS GG_CHECKED int mx_monthly_by_service(struct mx_server *server, struct gg_arena *arena,
                                               struct mx_monthly_service **out, size_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_monthly_put(struct mx_server *server, struct gg_str user_id, struct gg_error *err);
/* Takes out who was not seen since before_ms, and of the rest those longest not seen, so that at most `keep` are left (less
 * than 0: all). Reserved users stay and are not counted. */
GG_YIELDS GG_CHECKED int mx_monthly_reap(struct mx_server *server, int64_t before_ms, int64_t keep,
                                         const struct gg_str *reserved, size_t n_reserved, struct gg_error *err);

#endif
