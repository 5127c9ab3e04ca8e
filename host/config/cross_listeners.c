/* Listeners across all files: writers can be reached, where instance_map says, and no
 * port is asked for twice. */
#include "config/survey.h"

static bool matches(const struct gg_listener *listener, const struct gg_peer *peer)
{
    if (!gg_listener_has(listener, "replication"))
        return false;
    if (peer->path)
        return listener->path && strcmp(listener->path, peer->path) == 0;
    return listener->port == peer->port && !listener->path;
}

static bool has_replication(const struct gg_surveyed *process)
{
    for (size_t i = 0; i < process->config->topo.n_listeners; i++)
        if (gg_listener_has(&process->config->topo.listeners[i], "replication"))
            return true;
    return false;
}

static void check_place(struct gg_survey *survey, const struct gg_surveyed *process, const struct gg_peer *peer)
{
    const struct gg_topology *topo = &process->config->topo;

    for (size_t i = 0; i < topo->n_listeners; i++) {
        if (!matches(&topo->listeners[i], peer))
            continue;
        if (topo->listeners[i].tls != peer->tls)
            gg_survey_say(survey, GG_FINDING_ERROR,
                          "%s: the replication listener of `%s` %s TLS, but `instance_map` says otherwise",
                          topo->listeners[i].where, process->name, topo->listeners[i].tls ? "has" : "has no");
        return;
    }
    if (peer->path)
        gg_survey_say(survey, GG_FINDING_ERROR,
                      "`instance_map` has `%s` at %s, but it has no replication listener there", process->name,
                      peer->path);
    else
        gg_survey_say(survey, GG_FINDING_ERROR,
                      "`instance_map` has `%s` on port %u, but it has no replication listener there", process->name,
                      peer->port);
}

/* Whatever one process believes about another must be true. */
static void check_peers(struct gg_survey *survey, const struct gg_surveyed *process)
{
    for (size_t i = 0; i < process->config->topo.n_peers; i++) {
        const struct gg_peer *peer = &process->config->topo.peers[i];
        const struct gg_surveyed *other = gg_survey_find(survey, peer->name);

        if (other)
            check_place(survey, other, peer);
    }
}

static void check_writer(struct gg_survey *survey, const struct gg_value *value, const char *name)
{
    const struct gg_surveyed *writer = gg_survey_find(survey, name);

    if (!writer || has_replication(writer) || (!writer->file && survey->n == 1))
        return;
    gg_survey_say(survey, GG_FINDING_ERROR, "%s: `%s` is named by `%s`, but has no replication listener",
                  gg_node_where(value->node), name, value->key.path);
}

static void check_writers(struct gg_survey *survey, const struct gg_surveyed *process)
{
    for (const struct gg_value *value = process->config->head; value; value = value->next)
        for (size_t i = 0; (value->key.flags & GG_KEY_INSTANCES) && value->set && i < value->n_texts; i++)
            check_writer(survey, value, value->texts[i]);
}

static bool share_address(const struct gg_listener *a, const struct gg_listener *b)
{
    for (size_t i = 0; i < a->n_addresses; i++)
        for (size_t j = 0; j < b->n_addresses; j++)
            if (strcmp(a->addresses[i], b->addresses[j]) == 0 || strcmp(a->addresses[i], "0.0.0.0") == 0 ||
                strcmp(b->addresses[j], "0.0.0.0") == 0 || strcmp(a->addresses[i], "::") == 0 ||
                strcmp(b->addresses[j], "::") == 0)
                return true;
    return false;
}

static bool collide(const struct gg_listener *a, const struct gg_listener *b)
{
    if (a->path || b->path)
        return a->path && b->path && strcmp(a->path, b->path) == 0;
    return a->port == b->port && a->port != 0 && share_address(a, b);
}

static void check_pair(struct gg_survey *survey, const struct gg_surveyed *a, const struct gg_surveyed *b)
{
    for (size_t i = 0; i < a->config->topo.n_listeners; i++)
        for (size_t j = 0; j < b->config->topo.n_listeners; j++) {
            const struct gg_listener *mine = &a->config->topo.listeners[i], *other = &b->config->topo.listeners[j];

            if (collide(mine, other))
                gg_survey_say(survey, GG_FINDING_WARNING,
                              "`%s` (%s) and `%s` (%s) listen on the same %s: that works on different machines only",
                              a->name, mine->where, b->name, other->where, mine->path ? "path" : "port");
        }
}

void gg_survey_check_listeners(struct gg_survey *survey)
{
    for (size_t i = 0; i < survey->n; i++) {
        check_peers(survey, &survey->processes[i]);
        check_writers(survey, &survey->processes[i]);
        for (size_t j = 0; j < i; j++)
            check_pair(survey, &survey->processes[j], &survey->processes[i]);
    }
}
