/* ganglion/balancer.h: the requests of a whole deployment, each passed to the process that the route tables choose.
 *
 * The same plan as the files that `ganglion routes` writes for nginx and haproxy: pools of processes, ways to choose among
 * them (by a parameter of the path, by the caller), pools for first syncs and for bridges. */
#ifndef GANGLION_BALANCER_H
#define GANGLION_BALANCER_H

#include <ganglion/error.h>
#include <ganglion/http.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_balancer;

/* Who stands behind the request, where a pool is balanced by "user" or "source": text that is the same for the same one, in
 * the request's arena. Nobody has checked it: a forged one only chooses the process that refuses. n 0: not known, the
 * address counts. */
typedef GG_YIELDS struct gg_str gg_balancer_who_fn(void *self, struct gg_request *rq, const char *balance);

struct gg_balancer_options {
    const char *const *deployment; /* configuration files and folders of all processes; NULL-ended, empty: those of this one */
    int64_t stall_ms;              /* how long a process may be silent */
    int64_t check_ms;              /* between two looks at a process */
    gg_balancer_who_fn *who;
    void *self;
};

/* Does nothing yet. Options are copied, but not what they point to. */
GG_API struct gg_balancer *gg_balancer_new(struct gg_host *host, const struct gg_balancer_options *options);
GG_API void gg_balancer_free(struct gg_balancer *balancer); /* stopped, or never started; NULL is fine */
/* Reads the deployment and begins to watch its processes. Called again it reads anew: requests in flight go on as they were
 * sent; when it fails all stays as it is. */
GG_API GG_YIELDS GG_CHECKED int gg_balancer_read(struct gg_balancer *balancer, struct gg_error *err);
GG_API GG_YIELDS void gg_balancer_stop(struct gg_balancer *balancer);
/* A member for the /ready document (host.h): how many addresses are there, and which processes are not. Is anybody? */
GG_API bool gg_balancer_ready(const struct gg_balancer *balancer, struct gg_buf *out);
/* Has one of the processes answer, as gg_request_pass_on does. What reached none is tried at others; what may have reached
 * one, and may be done twice, once more elsewhere. 502: none could; 504: it was silent. */
GG_API GG_YIELDS GG_CHECKED int gg_balancer_pass(struct gg_balancer *balancer, struct gg_request *rq, struct gg_error *err);

#ifdef __cplusplus
}
#endif
#endif
