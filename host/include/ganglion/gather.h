/* ganglion/gather.h: calls that wait at the same time are carried out together.
 *
 * What costs much however little it does (a durable commit, a round trip, the start of a statement) is paid once for all
 * who want it: the first call begins a run; those that come meanwhile wait, and the next run takes them all. A run
 * that fails is tried again call by call, so that a bad one fails alone. Nothing returns before its run has ended. */
#ifndef GANGLION_GATHER_H
#define GANGLION_GATHER_H

#include <ganglion/error.h>
#include <ganglion/fiber.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { GG_GATHER_MAX = 128 }; /* calls of one run */

/* Embedded in what the caller wants done, which must be zeroed before: the run finds it by GG_CONTAINER. */
struct gg_gather_call {
    struct gg_list link;
    struct gg_str key;   /* calls of one key are never in runs at the same time, and keep their order; s NULL: none */
    size_t weight;       /* for max_weight: rows, for instance */
    int status;          /* the run may set it, and err: this call is refused, the others go on */
    struct gg_error err;
    bool done;
    struct gg_cond ended;
};

/* Carries out all of them: 0 when that is done (for each by its own status), else nothing is. Runs in a fiber of its
 * own, shielded; may be called again with fewer of them. */
typedef GG_YIELDS int gg_gather_fn(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err);

struct gg_gather_def {
    const char *name;      /* label of the metrics */
    gg_gather_fn *run;
    size_t max_weight;     /* of one run (one call may be more) */
    unsigned at_once;      /* runs at the same time; another is begun only when what waits would fill it */
    bool linger;           /* those who were just answered may come again: wait for them, 2 ms at most */
};

struct gg_gather;
/* def is borrowed. scope: of the fibers that run; NULL: the host's. */
GG_API struct gg_gather *gg_gather_new(struct gg_scope *scope, const struct gg_gather_def *def, void *self);
GG_API void gg_gather_free(struct gg_gather *gather); /* nobody is inside; NULL is fine */
/* Waits, whatever the fiber's deadline, until the call was in a run that ended. Failures of a run that hold for all (the
 * database is away, a commit is in doubt) are those of each call. */
GG_API GG_YIELDS GG_CHECKED int gg_gather(struct gg_gather *gather, struct gg_gather_call *call, struct gg_error *err);

#ifdef __cplusplus
}
#endif
#endif
