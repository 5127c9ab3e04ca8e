/* storage/groups.h: communities: our own tables, in the PostgreSQL schema `ganglion` (Synapse has none any more).
 *
 * A group lives on the server that its id names: that server's rows say who is in it and what it shows. Each user's own
 * server keeps, besides, which groups its users are in. */
#ifndef MX_STORAGE_GROUPS_H
#define MX_STORAGE_GROUPS_H

#include <ganglion/matrix/server.h>

/* Makes what is not there yet; any process may, at any time. */
GG_YIELDS GG_CHECKED int mx_groups_schema(struct mx_server *server, struct gg_error *err);

/* ---- groups of ours ---- */

enum { MX_GROUP_MAX = 5000 }; /* users, rooms or labels of one group that are looked at */

struct mx_group_row {
    struct gg_str name, avatar_url, short_description, long_description; /* s NULL: none */
    bool open;                                                           /* anybody may join */
};
struct mx_group_member {
    struct gg_str user_id;
    bool invited, admin, is_public;
    struct gg_str profile;      /* JSON object text, of users of other servers; s NULL: not known */
    struct gg_str attestation;  /* their server's, JSON object text; s NULL: none */
    int64_t valid_until;        /* of it */
    int64_t issued_until;       /* of ours to their server; 0: none */
};
struct mx_group_item {          /* a room; a label (category or role); a place in the summary */
    struct gg_str id, label;    /* label: of places, n 0: none */
    struct gg_str profile;      /* of labels: JSON object text */
    bool is_public;
    int64_t order;
};
enum mx_group_kind { MX_GROUP_ROOMS = 'r', MX_GROUP_USERS = 'u' }; /* categories order rooms, roles order users */

/* false in *created: there is such a group already. The creator is its first admin. */
GG_YIELDS GG_CHECKED int mx_groups_create(struct mx_server *server, struct gg_str group_id, const struct mx_group_row *row,
                                          struct gg_str creator, bool *created, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_get(struct mx_server *server, struct gg_str group_id, struct gg_arena *arena,
                                       struct mx_group_row *out, bool *found, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_set(struct mx_server *server, struct gg_str group_id, const struct mx_group_row *row,
                                       struct gg_error *err);

GG_YIELDS GG_CHECKED int mx_groups_member(struct mx_server *server, struct gg_str group_id, struct gg_str user_id,
                                          struct gg_arena *arena, struct mx_group_member *out, bool *found,
                                          struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_members(struct mx_server *server, struct gg_str group_id, bool invited, struct gg_arena *arena,
                                           struct mx_group_member **out, size_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_put_member(struct mx_server *server, struct gg_str group_id,
                                              const struct mx_group_member *member, struct gg_error *err);
/* Also from the summary. */
GG_YIELDS GG_CHECKED int mx_groups_remove_member(struct mx_server *server, struct gg_str group_id, struct gg_str user_id,
                                                 struct gg_error *err);

GG_YIELDS GG_CHECKED int mx_groups_rooms(struct mx_server *server, struct gg_str group_id, struct gg_arena *arena,
                                         struct mx_group_item **out, size_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_put_room(struct mx_server *server, struct gg_str group_id, struct gg_str room_id,
                                            bool is_public, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_remove_room(struct mx_server *server, struct gg_str group_id, struct gg_str room_id,
                                               struct gg_error *err);

/* label s NULL: all. */
GG_YIELDS GG_CHECKED int mx_groups_labels(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label,
                                          struct gg_arena *arena, struct mx_group_item **out, size_t *n_out,
                                          struct gg_error *err);
/* profile s NULL: as it was, at first {}. */
GG_YIELDS GG_CHECKED int mx_groups_put_label(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label,
                                             struct gg_str profile, bool is_public, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_remove_label(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label,
                                                struct gg_error *err);

GG_YIELDS GG_CHECKED int mx_groups_places(struct mx_server *server, struct gg_str group_id, char kind, struct gg_arena *arena,
                                          struct mx_group_item **out, size_t *n_out, struct gg_error *err);
/* order 0: at the end. */
GG_YIELDS GG_CHECKED int mx_groups_put_place(struct mx_server *server, struct gg_str group_id, char kind,
                                             const struct mx_group_item *place, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_remove_place(struct mx_server *server, struct gg_str group_id, char kind, struct gg_str label,
                                                struct gg_str id, struct gg_error *err);

/* ---- our users' groups, wherever these live ---- */

struct mx_group_membership {
    struct gg_str user_id, group_id, membership; /* "invite", "join", "leave" */
    bool admin, publicised;
    struct gg_str content;                       /* what an invite says, JSON object text */
    struct gg_str attestation;                   /* the group's server's; s NULL: none, the group is ours */
    int64_t valid_until, issued_until;           /* of it; of ours to that server */
    int64_t stream_id;
};
/* On the main process, which writes the stream. The row takes the place of what was there; stream_id is drawn here. */
GG_YIELDS GG_CHECKED int mx_groups_put_membership(struct mx_server *server, const struct mx_group_membership *row,
                                                  struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_membership(struct mx_server *server, struct gg_str user_id, struct gg_str group_id,
                                              struct gg_arena *arena, struct mx_group_membership *out, bool *found,
                                              struct gg_error *err);
/* Changed in (from, to]; from 0: all but those that were left. */
GG_YIELDS GG_CHECKED int mx_groups_memberships(struct mx_server *server, struct gg_str user_id, int64_t from, int64_t to,
                                               struct gg_arena *arena, struct mx_group_membership **out, size_t *n_out,
                                               struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_publicise(struct mx_server *server, struct gg_str user_id, struct gg_str group_id, bool publicise,
                                             struct gg_error *err);
/* Pairs of user and group that are shown to everybody. */
struct mx_group_pair {
    struct gg_str user_id, group_id;
};
GG_YIELDS GG_CHECKED int mx_groups_publicised(struct mx_server *server, const struct gg_str *users, size_t n, struct gg_arena *arena,
                                              struct mx_group_pair **out, size_t *n_out, struct gg_error *err);

/* ---- attestations of ours that run out before a moment: at most limit ---- */
GG_YIELDS GG_CHECKED int mx_groups_stale(struct mx_server *server, int64_t before, size_t limit, struct gg_arena *arena,
                                         struct mx_group_pair **out, size_t *n_out, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_issued(struct mx_server *server, const struct mx_group_pair *pair, int64_t until,
                                          struct gg_error *err);
/* One of another server's was renewed. *found false: it is about nobody that is known. */
GG_YIELDS GG_CHECKED int mx_groups_renewed(struct mx_server *server, const struct mx_group_pair *pair, struct gg_str attestation,
                                           int64_t valid_until, bool *found, struct gg_error *err);

gg_stream_fetch_fn mx_groups_fetch;

#endif
