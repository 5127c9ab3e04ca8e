/* matrix/api/peers.c: what Synapse's processes tell each other and hear back "done", whose subject is not built here.
 *
 * A worker that lets a user leave a room says so. Nothing here waits for it, but a peer that got an error would fail its
 * own client. */
#include <ganglion/matrix/api.h>

static int heard(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    *answer_out = json_object();
    return 0;
}

const struct gg_method mx_methods_peers[] = {
    {"membership_change", 3, GG_METHOD_MAIN_ONLY, heard, NULL, "A user has left a room, which the events stream tells, too."},
    {0},
};
