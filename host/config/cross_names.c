/* Names of processes across all files: unique, started, and equal for everybody. */
#include "config/survey.h"

static const char *file_of(const struct gg_surveyed *process)
{
    return process->file ? process->file : "the shared files";
}

static void check_unique(struct gg_survey *survey)
{
    for (size_t i = 1; i < survey->n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(survey->processes[i].name, survey->processes[j].name) == 0)
                gg_survey_say(survey, GG_FINDING_ERROR, "%s and %s have the same worker_name `%s`",
                              file_of(&survey->processes[j]), file_of(&survey->processes[i]),
                              survey->processes[i].name);
}

static void check_started(struct gg_survey *survey, const char *where, const char *what, const char *name)
{
    if (gg_survey_find(survey, name))
        return;
    gg_survey_say(survey, survey->whole ? GG_FINDING_ERROR : GG_FINDING_NOTE,
                  "%s: `%s` names `%s`, which none of the files starts", where, what, name);
}

/* Every key whose value is names of processes. */
static void check_value(struct gg_survey *survey, const struct gg_value *value)
{
    static const char *const singles[] = {"run_background_tasks_on", "notify_appservices_from_worker",
                                          "update_user_directory_from_worker",
                                          "media_instance_running_background_jobs"};
    static const char *const lists[] = {"federation_sender_instances", "pusher_instances"};
    bool names = value->key.flags & GG_KEY_INSTANCES;

    for (size_t i = 0; i < GG_COUNT(singles); i++)
        if (strcmp(value->key.path, singles[i]) == 0 && value->text && *value->text)
            check_started(survey, gg_node_where(value->node), value->key.path, value->text);
    for (size_t i = 0; i < GG_COUNT(lists); i++)
        names |= strcmp(value->key.path, lists[i]) == 0;
    for (size_t i = 0; names && i < value->n_texts; i++)
        check_started(survey, gg_node_where(value->node), value->key.path, value->texts[i]);
}

static void check_instance_map(struct gg_survey *survey, const struct gg_surveyed *process)
{
    size_t n;
    const struct gg_peer *peers = gg_topology_peers(process->config, &n);

    for (size_t i = 0; i < n; i++)
        if (!gg_survey_find(survey, peers[i].name))
            gg_survey_say(survey, survey->whole ? GG_FINDING_WARNING : GG_FINDING_NOTE,
                          "`instance_map` has `%s`, which none of the files starts", peers[i].name);
}

enum { MAX_DEPTH = 8 }; /* deeper is no list of names */

static bool same(const struct gg_node *a, const struct gg_node *b, int depth)
{
    if (gg_node_kind(a) != gg_node_kind(b) || depth == MAX_DEPTH)
        return false;
    if (!a)
        return true;
    if (a->kind != GG_NODE_MAP && a->kind != GG_NODE_LIST)
        return gg_str_eq(a->text, b->text);
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++) {
        const struct gg_node *other = a->kind == GG_NODE_MAP ? gg_node_get(b, a->entries[i].key) : b->entries[i].value;

        if (!same(a->entries[i].value, other, depth + 1))
            return false;
    }
    return true;
}

/* What all processes must agree on belongs in a shared file. A fault: who says otherwise breaks the deployment; addresses
 * may differ, where machines have several networks. */
static void check_shared(struct gg_survey *survey, const struct gg_surveyed *process)
{
    static const struct {
        const char *key;
        bool fault;
    } keys[] = {{"stream_writers", true},
                {"instance_map", false},
                {"federation_sender_instances", true},
                {"pusher_instances", true},
                {"run_background_tasks_on", true},
                {"redis", false},
                {"server_name", true},
                {"notify_appservices_from_worker", true},
                {"update_user_directory_from_worker", true},
                {"media_instance_running_background_jobs", true}};
    size_t n = process->file ? strlen(process->file) : 0;

    for (size_t i = 0; process->file && i < GG_COUNT(keys); i++) {
        const struct gg_entry *entry = gg_node_entry(process->config->root, keys[i].key);

        if (!entry || strncmp(entry->where, process->file, n) != 0 || entry->where[n] != ':')
            continue;
        if (keys[i].fault && !same(entry->value, gg_node_get(survey->processes[0].config->root, keys[i].key), 0))
            gg_survey_say(survey, GG_FINDING_ERROR, "%s: `%s` says otherwise than what `%s` reads: all processes must agree on it",
                          entry->where, keys[i].key, survey->processes[0].name);
        else
            gg_survey_say(survey, GG_FINDING_WARNING,
                          "%s: `%s` stands in a worker's own file; every process must agree on it, so it belongs in "
                          "a shared one",
                          entry->where, keys[i].key);
    }
}

void gg_survey_check_names(struct gg_survey *survey)
{
    check_unique(survey);
    for (size_t i = 0; i < survey->n; i++) {
        const struct gg_surveyed *process = &survey->processes[i];

        for (const struct gg_value *value = process->config->head; value; value = value->next)
            check_value(survey, value);
        check_instance_map(survey, process);
        check_shared(survey, process);
    }
}
