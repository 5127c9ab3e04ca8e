/* main/signals.h: signals as something that a fiber waits for. */
#ifndef GG_MAIN_SIGNALS_H
#define GG_MAIN_SIGNALS_H

#include <ganglion/error.h>

/* Blocks SIGTERM, SIGINT, SIGHUP and SIGUSR2 in this thread and in those that it will
 * start, ignores SIGPIPE, and returns a descriptor that tells of them. */
GG_CHECKED int gg_signals_open(int *fd_out, struct gg_error *err);
void gg_signals_close(int fd);
/* The next signal, or a negative status when the wait was cancelled. */
GG_YIELDS int gg_signals_next(int fd);

#endif
