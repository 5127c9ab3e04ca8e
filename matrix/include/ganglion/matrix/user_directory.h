/* ganglion/matrix/user_directory.h: whom users find: entries of the directory, and searching it.
 *
 * Tables user_directory and user_directory_search; who shares a room with whom (users_in_public_rooms,
 * users_who_share_private_rooms) is kept by the role user_dir. */
#ifndef GANGLION_MATRIX_USER_DIRECTORY_H
#define GANGLION_MATRIX_USER_DIRECTORY_H

#include <ganglion/matrix/server.h>

struct mx_directory_entry {
    struct gg_str user_id, display_name, avatar_url; /* s NULL: unset */
};

/* Writes entries (distinct users), anew where there are some; other servers' users are no longer marked stale. */
GG_API GG_YIELDS GG_CHECKED int mx_directory_write(struct mx_server *server, const struct mx_directory_entry *entries, size_t n,
                                                   struct gg_error *err);
/* A local user's entry from the profile; nothing for a user without one. */
GG_API GG_YIELDS GG_CHECKED int mx_directory_renew(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

/* ---- what the role user_dir does, in one process at a time ---- */

/* Works off the next changes of current state up to the stream position, about a thousand, in one transaction with the
 * position reached. *more: the batch was full. GG_E_CONFLICT: another process does it, too. */
GG_API GG_YIELDS GG_CHECKED int mx_directory_advance(struct mx_server *server, int64_t upto, struct gg_arena *arena, bool *more,
                                                     struct gg_error *err);
/* Asks other servers for profiles of users whom only private rooms name, those that are due, some at once. *next_ms_out:
 * when to come again, by the wall clock. */
GG_API GG_YIELDS GG_CHECKED int mx_directory_refresh(struct mx_server *server, int64_t *next_ms_out, struct gg_error *err);

/* ---- searching ---- */

struct mx_directory_query {
    struct gg_str user_id; /* who searches */
    struct gg_str term;
    size_t limit;
};
struct mx_directory_result {
    struct mx_directory_entry *v;
    size_t n;
    bool limited; /* there were more */
};
/* Best first. Those who share a room with the user, or are in a public one; all with user_directory.search_all_users. */
GG_API GG_YIELDS GG_CHECKED int mx_directory_search(struct mx_server *server, const struct mx_directory_query *query,
                                                    struct gg_arena *arena, struct mx_directory_result *out,
                                                    struct gg_error *err);

#endif
