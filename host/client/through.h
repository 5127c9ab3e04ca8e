/* client/through.h: requests to the world that another process of the deployment sends for us. For client/ only. */
#ifndef GG_CLIENT_THROUGH_H
#define GG_CLIENT_THROUGH_H

#include "client/client.h"

/* As gg_client_fetch, for requests that name an instance. */
GG_YIELDS GG_CHECKED int gg_client_fetch_through(struct gg_host *host, const struct gg_client_request *request,
                                                 struct gg_arena *arena, struct gg_client_answer *out,
                                                 struct gg_error *err);

#endif
