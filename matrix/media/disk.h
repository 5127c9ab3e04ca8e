/* matrix/media/disk.h: what is done to files and folders, on threads of the pool. What is not void returns 0 or an errno. */
#ifndef MX_MEDIA_DISK_H
#define MX_MEDIA_DISK_H

#include <ganglion/fiber.h>
#include <stddef.h>

enum { MX_DISK_PATH = 1024 }; /* bytes of a path, with its NUL */

/* fn(arg) on a thread and to its end, also for who was told to end meanwhile. Where all threads are taken for long the loop does
 * it: for what is short. */
GG_YIELDS void mx_disk_run(void (*fn)(void *arg), void *arg);
/* Opens a file that is not there yet for writing; its folder is made if it has to be. */
int mx_disk_create(const char *path, int *fd_out);
int mx_disk_write(int fd, const void *data, size_t n);
/* The folders above path, those that lack: the deepest is tried first, as most are there. */
int mx_disk_make_folders(const char *path);
/* Gives the file at from the name path, in place of what has it; its folders are made if they have to be. The name is on the
 * disk, too, when it returns. */
int mx_disk_move(const char *from, const char *path);
/* A copy of the file at from, which has the name path when all of it is on the disk; unfinished: where it grows. */
int mx_disk_copy(const char *from, const char *unfinished, const char *path);

#endif
