/* What the role does all the time. */
#ifndef USER_DIR_LOOPS_H
#define USER_DIR_LOOPS_H

#include <ganglion/matrix/server.h>

struct user_dir;
/* Follows the streams; does no I/O. */
struct user_dir *user_dir_new(struct mx_server *server);
/* Begins, if the configuration gives this process the duty: now, or when the process that has it is gone. */
int user_dir_start(void *dir, struct gg_error *err);
GG_YIELDS void user_dir_stop(void *dir);
void user_dir_free(void *dir);

#endif
