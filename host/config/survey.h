/* All processes of a deployment side by side, for --check-config. */
#ifndef GG_CONFIG_SURVEY_H
#define GG_CONFIG_SURVEY_H

#include "config/internal.h"

struct gg_surveyed {
    const char *file; /* the worker's own; NULL: the main process */
    const char *name; /* instance name */
    struct gg_config *config;
};

struct gg_survey {
    struct gg_arena *arena;
    struct gg_surveyed *processes; /* the main process first */
    size_t n;
    bool whole;          /* the files seem to be all that there are */
    struct gg_map *said; /* texts that were reported */
    struct gg_buf *report;
    size_t errors, warnings;
};

void gg_survey_say(struct gg_survey *survey, int level, const char *fmt, ...) GG_PRINTF(3, 4);
const struct gg_surveyed *gg_survey_find(const struct gg_survey *survey, const char *name);

void gg_survey_check_names(struct gg_survey *survey);                     /* cross_names.c */
void gg_survey_check_listeners(struct gg_survey *survey);                 /* cross_listeners.c */
void gg_survey_check_duties(struct gg_survey *survey);                    /* cross_duties.c */
void gg_survey_check_connections(struct gg_survey *survey, bool offline); /* cross_connections.c */

#endif
