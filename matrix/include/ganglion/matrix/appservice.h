/* ganglion/matrix/appservice.h: application services (application service API): who they are and what is theirs.
 *
 * Read from the registration files once, when the process loads; constant from then on. */
#ifndef GANGLION_MATRIX_APPSERVICE_H
#define GANGLION_MATRIX_APPSERVICE_H

#include <ganglion/client.h>
#include <ganglion/matrix/server.h>

struct mx_pattern;
struct gg_node;
struct mx_event;

struct mx_namespace {
    struct mx_pattern *pattern;
    bool exclusive;
};
struct mx_namespaces {
    struct mx_namespace *v;
    size_t n;
};

struct mx_appservice {
    const char *id, *as_token, *hs_token;
    const char *url;                     /* without a slash at its end; NULL: it is neither sent nor asked anything */
    const char *sender;                  /* user id */
    struct mx_namespaces users, aliases, rooms;
    const char **protocols;              /* of other networks */
    size_t n_protocols;
    struct gg_ip_range *from;               /* addresses from which its token counts; none: from everywhere */
    size_t n_from;
    bool rate_limited;
    bool ephemeral, unstable_ephemeral;  /* receive_ephemeral; the same as MSC2409 spelt it */
    bool extensions;                     /* MSC3202: device lists and counts of keys */
    bool manages_devices;                /* MSC4190: makes devices, never logs in */
    size_t index;                        /* its place in the list */
};

/* Reads a registration; server_name is the sender's. In the arena, patterns too. GG_E_INVALID with where and why. */
GG_API GG_CHECKED int mx_appservice_read(const struct gg_node *top, const char *file, const char *server_name,
                                         struct gg_arena *arena, struct mx_appservice *out, struct gg_error *err);

/* All of them, in the order of the configuration. */
GG_API const struct mx_appservice *mx_appservices(const struct mx_server *server, size_t *n_out);
/* NULL: none. */
GG_API const struct mx_appservice *mx_appservice_by_id(const struct mx_server *server, const char *id);
GG_API const struct mx_appservice *mx_appservice_by_token(const struct mx_server *server, struct gg_str token);
GG_API const struct mx_appservice *mx_appservice_by_sender(const struct mx_server *server, struct gg_str user_id);
static inline const struct mx_appservice *mx_appservice_of(const struct mx_server *server, const struct mx_requester *who)
{
    return who->app_service != NULL ? mx_appservice_by_id(server, who->app_service) : NULL;
}

/* Its sender, or in its namespace of users. */
GG_API bool mx_appservice_has_user(const struct mx_appservice *service, struct gg_str user_id);
GG_API bool mx_appservice_has_alias(const struct mx_appservice *service, struct gg_str alias);
GG_API bool mx_appservice_has_room_id(const struct mx_appservice *service, struct gg_str room_id);
/* Is the user the service's alone: its sender, or the first of its namespaces that fits is exclusive? */
GG_API bool mx_appservice_owns_user(const struct mx_appservice *service, struct gg_str user_id);
/* Does an exclusive namespace of any service fit? Such users get no notifications and stand in no directory. */
GG_API bool mx_appservices_own_user(const struct mx_server *server, struct gg_str user_id);
/* May a new account of that id be made, by `by` (NULL: by anybody else)? 400 M_EXCLUSIVE. */
GG_API GG_CHECKED int mx_appservices_admit_user(const struct mx_server *server, struct gg_str user_id,
                                                const struct mx_appservice *by, struct gg_error *err);
/* May who make, or take away, an alias? 400 M_EXCLUSIVE. */
GG_API GG_CHECKED int mx_appservices_admit_alias(const struct mx_server *server, const struct mx_requester *who,
                                                 struct gg_str alias, struct gg_error *err);

/* ---- interest (interest.c) ---- */

/* Which services see a room: seen[service.index], by its id, its aliases and its local members. An unknown room is
 * seen by its id alone. */
GG_API GG_YIELDS GG_CHECKED int mx_appservices_see_room(struct mx_server *server, struct gg_str room_id, bool *seen,
                                                        struct gg_error *err);
/* The same of an event: its sender and its member, then its room. */
GG_API GG_YIELDS GG_CHECKED int mx_appservices_see_event(struct mx_server *server, const struct mx_event *event, bool *seen,
                                                         struct gg_error *err);

/* ---- asking a service (ask.c) ---- */

struct gg_client_answer;
/* A request to the service: path is below its url, with a slash in front; body s NULL: GET. Whatever it answers is in
 * *out. Bounded in time and size; the service must have a url. */
GG_API GG_YIELDS GG_CHECKED int mx_appservice_request(struct mx_server *server, const struct mx_appservice *service,
                                                      const char *method, const char *path, struct gg_str body,
                                                      struct gg_arena *arena, struct gg_client_answer *out,
                                                      struct gg_error *err);
/* Asks a service for a user whom it claims, if there is no such account (senders need none): it may then register it. */
GG_API GG_YIELDS GG_CHECKED int mx_appservice_ask_user(struct mx_server *server, const struct mx_appservice *service,
                                                       struct gg_str user_id, struct gg_error *err);
/* The room of a local alias; where there is none the services that claim it are asked and may make it. s NULL: none. */
GG_API GG_YIELDS GG_CHECKED int mx_appservices_find_alias(struct mx_server *server, struct gg_str alias,
                                                          struct gg_arena *arena, struct gg_str *room_id_out,
                                                          struct gg_error *err);

#endif
