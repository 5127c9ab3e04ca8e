/* The inside of a balancer. For balance/ only. */
#ifndef GG_BALANCE_BALANCE_H
#define GG_BALANCE_BALANCE_H

#include "balance/table.h"

#include <ganglion/balancer.h>
#include <ganglion/fiber.h>

struct gg_balancer {
    struct gg_host *host;
    struct gg_balancer_options options;
    struct gg_table *table; /* NULL: not read yet */
    struct gg_scope *watch; /* fibers that look at the table's backends */
    struct gg_mutex reading;
    struct gg_cond known; /* the first table is there */
};

void gg_table_keep(struct gg_table *table);
void gg_table_drop(struct gg_table *table); /* frees it with its last user */

/* ---- health.c ---- */

/* A fiber for each backend of the table, in balancer->watch. */
void gg_balance_watch(struct gg_balancer *balancer, struct gg_table *table);
/* What a request found out: it could not be reached, or it was. */
void gg_backend_note(struct gg_backend *backend, bool there, const char *why);

#endif
