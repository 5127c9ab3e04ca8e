/* main/run.h: one process, from arguments to exit code. */
#ifndef GG_MAIN_RUN_H
#define GG_MAIN_RUN_H

#include "main/setup.h"

/* Runs until a signal ends it. 0, or 1 after one line on standard error that says why. */
int gg_run(const struct gg_args *args);

#endif
