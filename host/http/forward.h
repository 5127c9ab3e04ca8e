/* http/forward.h: requests that another process of the deployment must answer.
 *
 * Between Ganglion processes a request travels as it came to the path
 * /_ganglion/forward/<its target> of the other's replication listener, behind the
 * replication secret, with the caller's authorisation, address and scheme, the
 * processes that it passed (nobody is asked twice) and a count of hops. A process
 * that does not know that path is asked as a client would, at worker_main_http_uri. */
#ifndef GG_HTTP_FORWARD_H
#define GG_HTTP_FORWARD_H

#include <ganglion/error.h>
#include <ganglion/http.h>

#define GG_FORWARD_PATH "/_ganglion/forward" /* GET on itself: "this is Ganglion" */
enum { GG_FORWARD_HOPS = 3 };

struct gg_forward;
struct gg_server;

/* On a listener with the replication resource: turns a request for
 * /_ganglion/forward/<target> into the request that it carries. Negative: rq's
 * refusal is set. */
int gg_forward_accept(struct gg_request *rq);
/* Has another instance answer; fails with the specification's 404 when none can. */
GG_YIELDS int gg_forward(struct gg_request *rq, struct gg_error *err);
/* What a proxy says of the server behind it (RFC 9110, 15.6.3 and 15.6.5): 502, or 504 when it took too long. Nothing where the
 * client is to blame, or is answered already. */
void gg_forward_blame(const struct gg_request *rq, int rc, struct gg_error *err);
void gg_forward_free(struct gg_forward *forward); /* NULL is fine */

#endif
