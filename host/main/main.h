/* main/main.h: the one entry of libganglion that the executable calls; not part of the SDK. */
#ifndef GG_MAIN_MAIN_H
#define GG_MAIN_MAIN_H

#include <ganglion/base.h>

/* What the command line asks for; the exit code: 0, 1 (it failed), 2 (usage). */
GG_API int gg_main(int argc, char **argv);

#endif
