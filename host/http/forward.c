/* Forwarding: any path anywhere. */
#include "http/forward.h"

#include "http/conn.h"

int gg_forward_accept(struct gg_request *rq)
{
    return 0;
}

int gg_forward(struct gg_request *rq, struct gg_error *err)
{
    return gg_refuse(err, 404, "M_UNRECOGNIZED", "Unrecognized request");
}

void gg_forward_stop(struct gg_forward *forward)
{
}

void gg_forward_free(struct gg_forward *forward)
{
}
