/* matrix/federation/candidates.h: servers that are asked one after the other until one of them does it. */
#ifndef MX_FEDERATION_CANDIDATES_H
#define MX_FEDERATION_CANDIDATES_H

#include <ganglion/matrix/server.h>

enum { MX_CANDIDATES_MAX = 50 }; /* a client, an alias or a room may name any number */

struct mx_candidates {
    const char *names[MX_CANDIDATES_MAX];
    size_t n;
};

/* Adds a name, copied to the arena: not ourselves, no bad name, none twice; what is beyond the bound is dropped. */
void mx_candidates_add(struct mx_server *server, struct mx_candidates *to, struct gg_str name, struct gg_arena *arena);
/* Moves a name that is listed to the front. */
void mx_candidates_prefer(struct mx_candidates *c, const char *name);

/* Asks one server: 0 ends the search. */
typedef GG_YIELDS int mx_candidate_fn(void *arg, const char *name, struct gg_error *err);
/* Asks in order. The next one is asked after a failure to reach a server, an answer that makes no sense
 * (GG_E_PROTOCOL), a 5xx, and a 4xx whose errcode stands in go_on (NULL-ended; may be NULL); another 4xx is the answer,
 * as Synapse has it. When nobody is left: 502 "Failed to <what> via any server". */
GG_YIELDS GG_CHECKED int mx_candidates_ask(const struct mx_candidates *c, const char *what, const char *const *go_on,
                                           mx_candidate_fn *fn, void *arg, struct gg_error *err);
/* Does the other side say that it has no such endpoint (spec "Unsupported endpoints")? */
bool mx_fed_unknown_endpoint(const struct gg_error *err);

#endif
