/* matrix/federation/join_answer.h: what comes back from send_join, cut into its events. */
#ifndef MX_FEDERATION_JOIN_ANSWER_H
#define MX_FEDERATION_JOIN_ANSWER_H

#include <ganglion/base.h>

/* Slices of the answer's text, which must outlive it. */
struct mx_join_answer {
    struct gg_str event;   /* our join, perhaps signed by who let us in; s NULL: not sent back */
    struct gg_str *events; /* the state's first, then those of the auth chain; malloc'ed */
    size_t n, n_state;
};

/* v1: the answer of the old endpoint, [200, {...}]. Touches no fiber and no arena: it may run on any thread. NULL, or
 * what is wrong with the answer. */
const char *mx_join_answer_read(struct gg_str text, bool v1, struct mx_join_answer *out);
void mx_join_answer_done(struct mx_join_answer *answer);

#endif
