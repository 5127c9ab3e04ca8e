/* clock.h: the loop keeps gg_now_ms() cheap by refreshing a cached value. */
#ifndef HOST_BASE_CLOCK_H
#define HOST_BASE_CLOCK_H

#include <ganglion/base.h>

/* Reads the clock and, on the thread that calls it, makes gg_now_ms() return
 * that reading until the next call. */
int64_t gg_clock_refresh(void);
/* The same for a fraction of the price, for each slice of a fiber: reads the clock only when the coarse one (a few
 * milliseconds) has moved. */
int64_t gg_clock_tick(void);
/* Back to a reading for each gg_now_ms() of this thread. */
void gg_clock_uncache(void);
/* Microseconds, always read anew. */
int64_t gg_clock_us(void);

#endif
