/* matrix/sync/shared.h: identical requests that run at the same time are answered by one of them. A client that loses its
 * connection and asks again, or a proxy that repeats, must not cost twice. */
#ifndef MX_SYNC_SHARED_H
#define MX_SYNC_SHARED_H

#include "sync/sync.h"

struct mx_shared; /* one for each process */
struct mx_shared *mx_shared_new(void);
void mx_shared_free(struct mx_shared *shared); /* NULL is fine */

struct mx_shared_answer;
/* The answer for key: *own_out true: the caller computes it and ends with mx_shared_done. Otherwise somebody does: see
 * mx_shared_wait. */
struct mx_shared_answer *mx_shared_join(struct mx_shared *shared, struct gg_str key, bool *own_out);
/* By whoever computes: text NULL: it came to nothing (an error, or the client went away), those who wait try themselves. */
void mx_shared_done(struct mx_shared *shared, struct gg_str key, struct mx_shared_answer *answer, const struct gg_buf *text);
/* By the others: appends the answer. 0; GG_E_CONFLICT: nothing came of it, join again; GG_E_CANCELLED. */
GG_YIELDS int mx_shared_wait(struct mx_shared_answer *answer, struct gg_buf *out);

#endif
