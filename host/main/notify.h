/* main/notify.h: what systemd is told. */
#ifndef GG_MAIN_NOTIFY_H
#define GG_MAIN_NOTIFY_H

#include <ganglion/base.h>
#include <sys/types.h>

/* Sends lines ("READY=1\nMAINPID=7") to $NOTIFY_SOCKET, a path or, with '@', an
 * abstract name. Without the variable, or when it fails, nothing happens: the
 * service manager then times out on its own, and says so. */
void gg_notify(const char *lines);
void gg_notify_ready(void);
void gg_notify_reloading(void);
void gg_notify_stopping(void);
/* Another process is the service's main one from now on. */
void gg_notify_main(pid_t pid);
/* Tells the service manager again and again that the loop turns, as often as it asked for; returns when it did not ask,
 * or when cancelled. */
GG_YIELDS void gg_notify_alive(void);

#endif
