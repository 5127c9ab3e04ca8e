/* matrix/federation/fan_out.h: the same done for many at once, each of which waits for some other server. */
#ifndef MX_FEDERATION_FAN_OUT_H
#define MX_FEDERATION_FAN_OUT_H

#include <ganglion/fiber.h>

typedef GG_YIELDS void mx_fan_fn(void *arg, size_t i);
/* Calls fn(arg, i) once for each i < n, at most `width` of them at the same time, in fibers of their own that have the given
 * deadline; returns when all have ended. A caller that is cancelled cancels them, and waits all the same: what arg points
 * to, and arenas, may be shared with the caller. */
GG_YIELDS void mx_fan_out(const char *name, size_t n, size_t width, int64_t deadline, mx_fan_fn *fn, void *arg);

#endif
