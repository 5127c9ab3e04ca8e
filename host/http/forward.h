/* http/forward.h: requests that another process of the deployment must answer. */
#ifndef GG_HTTP_FORWARD_H
#define GG_HTTP_FORWARD_H

#include <ganglion/error.h>
#include <ganglion/http.h>

struct gg_forward;

/* On a listener with the replication resource: turns a request for
 * /_ganglion/forward/<target> into the request that it carries. Negative: rq's
 * refusal is set. */
int gg_forward_accept(struct gg_request *rq);
/* Has another instance answer; fails with the specification's 404 when none can. */
GG_YIELDS int gg_forward(struct gg_request *rq, struct gg_error *err);
void gg_forward_stop(struct gg_forward *forward);
void gg_forward_free(struct gg_forward *forward); /* NULL is fine */

#endif
