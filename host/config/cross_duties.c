/* Duties across all files: somebody performs each, and nobody a second time. */
#include "config/survey.h"

struct checked_duty {
    const char *name, *what;
    bool shared; /* by hash: several performers are fine if they agree on the list */
    bool leased; /* of several processes one has it, and the others take over when that one dies */
    int missing; /* level of the finding when nobody performs it */
};

static const struct checked_duty checked[] = {
    {"federation_sender", "sends to other servers", true, false, GG_FINDING_ERROR},
    {"pusher", "sends push notifications", true, true, GG_FINDING_ERROR},
    {"appservice", "talks to application services", false, true, GG_FINDING_ERROR},
    {"user_dir", "maintains the user directory", false, true, GG_FINDING_ERROR},
    {"background", "runs periodic jobs", false, false, GG_FINDING_ERROR},
    {"media_repository", "serves media", true, false, GG_FINDING_WARNING},
};

static bool same_list(const struct gg_config *a, const struct gg_config *b, const char *duty)
{
    size_t n, m;
    const char *const *list = gg_topology_duty(a, duty, &n), *const *other = gg_topology_duty(b, duty, &m);

    for (size_t i = 0; n == m && i < n; i++)
        if (strcmp(list[i], other[i]) != 0)
            return false;
    return n == m;
}

/* A lease is for a whole duty: what is shared by hash has one for each part, and its parts must be the same to all. */
static bool stands_by(const struct checked_duty *duty, const struct gg_surveyed *first, const struct gg_surveyed *second)
{
    size_t n, m;

    gg_topology_duty(first->config, duty->name, &n);
    gg_topology_duty(second->config, duty->name, &m);
    return duty->leased && n <= 1 && m <= 1;
}

static void check_twice(struct gg_survey *survey, const struct checked_duty *duty, const struct gg_surveyed *first,
                        const struct gg_surveyed *second)
{
    if (strcmp(duty->name, "media_repository") == 0)
        return; /* any number may serve */
    if (duty->shared && same_list(first->config, second->config, duty->name))
        return;
    if (stands_by(duty, first, second))
        gg_survey_say(survey, GG_FINDING_NOTE, "of `%s` and `%s` one %s; the other stands by, and takes over when it dies",
                      first->name, second->name, duty->what);
    else
        gg_survey_say(survey, GG_FINDING_ERROR, "`%s` and `%s` both think that they are the one that %s",
                      first->name, second->name, duty->what);
}

static void check_duty(struct gg_survey *survey, const struct checked_duty *duty)
{
    const struct gg_surveyed *first = NULL;

    for (size_t i = 0; i < survey->n; i++) {
        const struct gg_surveyed *process = &survey->processes[i];

        if (!gg_topology_has_duty(process->config, duty->name, NULL))
            continue;
        if (first)
            check_twice(survey, duty, first, process);
        else
            first = process;
    }
    if (!first)
        gg_survey_say(survey, survey->whole ? duty->missing : GG_FINDING_NOTE, "no process of these files %s",
                      duty->what);
}

void gg_survey_check_duties(struct gg_survey *survey)
{
    for (size_t i = 0; i < GG_COUNT(checked); i++)
        check_duty(survey, &checked[i]);
}
