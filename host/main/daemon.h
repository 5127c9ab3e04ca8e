/* main/daemon.h: going to the background, and the pid file. */
#ifndef GG_MAIN_DAEMON_H
#define GG_MAIN_DAEMON_H

#include <ganglion/error.h>

/* Forks; to be called before there are threads. The parent waits until the child
 * says that it is ready, then exits with 0, or with the child's status if it ends
 * before (its messages still went to the parent's terminal). Returns in the child. */
GG_CHECKED int gg_daemonize(struct gg_error *err);
/* In the child, once it listens: releases the parent; standard streams go to
 * /dev/null unless keep_stdio. Nothing happens in a process that is no daemon. */
void gg_daemon_ready(bool keep_stdio);

GG_CHECKED int gg_pid_file_write(const char *path, struct gg_error *err);
/* Removes it if it is still ours. */
void gg_pid_file_remove(const char *path);

/* soft_file_limit: 0 means as many as the hard limit allows. */
void gg_raise_file_limit(int64_t soft);

#endif
