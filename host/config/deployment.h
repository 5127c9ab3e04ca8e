/* All processes of a deployment side by side, for --check-config. */
#ifndef GG_CONFIG_DEPLOYMENT_H
#define GG_CONFIG_DEPLOYMENT_H

#include "config/internal.h"

struct gg_process {
    const char *file; /* the worker's own; NULL: the main process */
    const char *name; /* instance name */
    struct gg_config *config;
};

struct gg_deployment {
    struct gg_arena *arena;
    struct gg_process *processes; /* the main process first */
    size_t n;
    bool whole;          /* the files seem to be all that there are */
    struct gg_map *said; /* texts that were reported */
    struct gg_buf *report;
    size_t errors, warnings;
};

void gg_deployment_say(struct gg_deployment *deployment, int level, const char *fmt, ...) GG_PRINTF(3, 4);
const struct gg_process *gg_deployment_find(const struct gg_deployment *deployment, const char *name);

void gg_deployment_check_names(struct gg_deployment *deployment);                     /* cross_names.c */
void gg_deployment_check_listeners(struct gg_deployment *deployment);                 /* cross_listeners.c */
void gg_deployment_check_duties(struct gg_deployment *deployment);                    /* cross_duties.c */
void gg_deployment_check_connections(struct gg_deployment *deployment, bool offline); /* cross_connections.c */

#endif
