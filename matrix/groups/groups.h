/* matrix/groups/groups.h: communities (client-server API r0.6 "Groups", as Synapse 1.18 had them). */
#ifndef MX_GROUPS_GROUPS_H
#define MX_GROUPS_GROUPS_H

#include <ganglion/matrix/server.h>

struct mx_group_member;

/* Are there groups here (ganglion.groups)? */
bool mx_groups_on(const struct mx_server *server);
struct gg_stream *mx_groups_stream(const struct mx_server *server); /* NULL: off */
bool mx_group_id_valid(struct gg_str id);

/* ---- what is asked of a group ---- */

/* One question or command. Texts live as long as the request. */
struct mx_group_call {
    struct mx_server *server;
    struct gg_arena *arena;
    struct gg_str group_id, requester;
    const char *origin;                     /* the server that asks; NULL: one of our clients */
    struct gg_str room_id, user_id, label, key; /* of the path; s NULL where it has none */
    char kind;                              /* enum mx_group_kind, of labels and places */
    const json_t *body;                     /* an object, or NULL */
};
typedef GG_YIELDS int mx_group_fn(const struct mx_group_call *call, json_t **answer, struct gg_error *err);

/* Of groups of ours. 404 M_NOT_FOUND: no such group; 403 M_FORBIDDEN: not for this user. */
mx_group_fn mx_group_profile, mx_group_summary, mx_group_rooms, mx_group_users, mx_group_invited, mx_group_labels, mx_group_label;
mx_group_fn mx_group_set_profile, mx_group_set_policy, mx_group_put_room, mx_group_remove_room, mx_group_room_config,
    mx_group_put_label, mx_group_remove_label, mx_group_put_place, mx_group_remove_place;
mx_group_fn mx_group_invite, mx_group_remove, mx_group_join, mx_group_accept;

/* ---- what our users do, and what is told of them (main process) ---- */

mx_group_fn mx_group_create;       /* body: localpart, profile; user_id is the creator */
mx_group_fn mx_group_self_join, mx_group_self_accept, mx_group_self_leave, mx_group_self_publicise;
mx_group_fn mx_group_told_invite, mx_group_told_remove, mx_group_told_renewal;
/* {"groups": [..]} of one user; {"users": {user: [..]}} of many, wherever they live. */
GG_YIELDS GG_CHECKED int mx_groups_joined(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, json_t **answer,
                                          struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_groups_publicised_of(struct mx_server *server, const struct gg_str *users, size_t n, bool ask_others,
                                                 struct gg_arena *arena, json_t **answer, struct gg_error *err);

/* ---- shared by the files of this folder ---- */

/* The asker's place in the group (zero and *is_member false: none). 404 where there is no such group. */
GG_YIELDS GG_CHECKED int mx_group_standing(const struct mx_group_call *call, struct mx_group_member *me, bool *is_member,
                                           struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_group_admin(const struct mx_group_call *call, struct gg_error *err); /* 403 for others */
/* Of an object's "m.visibility": {"type": "public" or "private"}; public unless it says otherwise. 400. */
GG_CHECKED int mx_group_visibility(const json_t *object, bool *is_public, struct gg_error *err);
json_t *mx_group_json(struct gg_str text); /* JSON text as a value; {} where it is none */
static inline json_t *mx_group_text(struct gg_str s) { return s.s != NULL ? json_stringn(s.s, s.n) : json_null(); }
/* A call to the other server about a user; *answer an object, to be given back. */
GG_YIELDS GG_CHECKED int mx_group_ask(struct mx_server *server, struct gg_str destination, const char *method, const char *path,
                                      const json_t *body, struct gg_arena *arena, json_t **answer, struct gg_error *err);

/* Ours that the user is in the group: {"group_id", "user_id", "valid_until_ms", "signatures"}. */
json_t *mx_attestation_new(struct mx_server *server, struct gg_str group_id, struct gg_str user_id, struct gg_arena *arena,
                           int64_t *valid_until);
/* Another server's: of this user, this group, that server, still valid. *text: to be kept. 400, 401 otherwise. */
GG_YIELDS GG_CHECKED int mx_attestation_check(struct mx_server *server, const json_t *attestation, struct gg_str group_id,
                                              struct gg_str user_id, struct gg_str signer, struct gg_arena *arena,
                                              struct gg_str *text, int64_t *valid_until, struct gg_error *err);
/* Renews those of ours that run out: some each time. */
GG_YIELDS void mx_attestations_renew(struct mx_server *server);

#endif
