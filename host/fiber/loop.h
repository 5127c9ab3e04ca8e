/* loop.h: the libevent base under the fibers, for parts of the host that keep bufferevents or signal events.
 *
 * Callbacks of events run on the loop's own stack: they may signal, wake and spawn, never wait. */
#ifndef HOST_FIBER_LOOP_H
#define HOST_FIBER_LOOP_H

#include <stdint.h>

struct event_base;

/* NULL when no loop runs on this thread's process. */
struct event_base *gg_loop_base(void);
/* Which run of a loop this thread is in, counted from 1; 0 on any other thread and when none runs. */
uint64_t gg_loop_number(void);

#endif
