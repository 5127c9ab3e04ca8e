/* sort.h: the two orders of state resolution 2. */
#ifndef MX_STATE_SORT_H
#define MX_STATE_SORT_H

#include "graph.h"

/* Reverse topological power ordering of events that are `sorted`; edges count between those only. What is part of a
 * circle drops out of the list. */
void sort_by_power(struct graph *g, struct list *events);
/* Mainline ordering based on the power levels event (UINT32_MAX: none). */
void sort_by_mainline(struct graph *g, struct list *events, uint32_t power_levels);

#endif
