/* balance/plan_child.h: the plan of a deployment, made by a child. */
#ifndef GG_BALANCE_PLAN_CHILD_H
#define GG_BALANCE_PLAN_CHILD_H

#include <ganglion/buf.h>
#include <ganglion/error.h>

struct gg_host;

/* Runs `ganglion routes --format plan` over the files and folders of deployment (NULL-ended) with this process's plugin
 * folders. GG_E_INVALID with its reason when it refuses. */
GG_YIELDS GG_CHECKED int gg_plan_by_child(struct gg_host *host, const char *const *deployment, struct gg_buf *out,
                                          struct gg_error *err);

#endif
