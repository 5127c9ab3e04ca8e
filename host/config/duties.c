/* Which processes perform the duties that only one, or a named few, may perform. */
#include "config/internal.h"

#include <ganglion/log.h>
#include <ganglion/repl.h>

enum duty_form {
    DUTY_LIST,   /* a list of instances, shared by hash */
    DUTY_SINGLE, /* one instance */
    DUTY_MEDIA,  /* every process that may serve media */
    DUTY_MEDIA_BACKGROUND,
};

struct duty {
    const char *name;
    int form;
    const char *modern; /* key that names the processes */
    const char *legacy; /* switch of the main process, or NULL */
    const char *app;    /* worker_app that performs it when the switch is off */
};

static const struct duty duties[GG_N_DUTIES] = {
    {"federation_sender", DUTY_LIST, "federation_sender_instances", "send_federation", "synapse.app.federation_sender"},
    {"pusher", DUTY_LIST, "pusher_instances", "start_pushers", "synapse.app.pusher"},
    {"appservice", DUTY_SINGLE, "notify_appservices_from_worker", "notify_appservices", "synapse.app.appservice"},
    {"user_dir", DUTY_SINGLE, "update_user_directory_from_worker", "update_user_directory", "synapse.app.user_dir"},
    {"background", DUTY_SINGLE, "run_background_tasks_on", NULL, NULL},
    {"media_repository", DUTY_MEDIA, NULL, "enable_media_repo", "synapse.app.media_repository"},
    {"media_background", DUTY_MEDIA_BACKGROUND, "media_instance_running_background_jobs", NULL, NULL},
};

static const char *const *one_name(struct gg_config *config, const char *name)
{
    const char **list = GG_NEW_ARRAY(config->arena, const char *, 2);

    list[0] = name;
    return list;
}

static void assign(struct gg_duty_state *state, const char *const *names, size_t n)
{
    state->names = names;
    state->n = n;
}

static void assign_one(struct gg_config *config, struct gg_duty_state *state, const char *name)
{
    assign(state, one_name(config, name), 1);
}

static bool is_own_app(const struct gg_config *config, const struct duty *duty)
{
    return duty->app && strcmp(config->topo.worker_app, duty->app) == 0;
}

static bool is_listed(const struct gg_config *config, const struct gg_duty_state *state)
{
    for (size_t i = 0; i < state->n; i++)
        if (strcmp(state->names[i], config->topo.instance) == 0)
            return true;
    return false;
}

static void must_be_off(struct gg_config *config, const struct duty *duty)
{
    gg_config_find(
        config, GG_FINDING_ERROR,
        "%s: `worker_app: %s` needs `%s: false` in the shared file, or the main process would do the same work",
        gg_node_where(gg_node_get(config->root, "worker_app")), duty->app, duty->legacy);
}

/* A list of instances: the modern key decides alone; without it the switch. */
static void build_list(struct gg_config *config, const struct duty *duty, struct gg_duty_state *state)
{
    const struct gg_value *modern = gg_config_value(config, duty->modern);
    bool on_main = gg_config_bool(config, duty->legacy);

    if (modern->set) {
        assign(state, (const char *const *)modern->texts, modern->n_texts);
        state->mine = state->asked = is_listed(config, state);
        return;
    }
    if (is_own_app(config, duty)) {
        if (on_main)
            must_be_off(config, duty);
        assign_one(config, state, config->topo.instance);
        state->mine = state->asked = true;
        return;
    }
    if (on_main)
        assign_one(config, state, GG_MASTER);
    state->mine = on_main && config->topo.is_main;
    state->asked = state->mine && gg_config_set(config, duty->legacy);
}

/* One instance: modern and legacy keys may both stand there as long as they agree. */
static void build_single(struct gg_config *config, const struct duty *duty, struct gg_duty_state *state)
{
    const struct gg_value *modern = gg_config_value(config, duty->modern);
    const struct gg_value *legacy = duty->legacy ? gg_config_value(config, duty->legacy) : NULL;
    bool own_app = is_own_app(config, duty), by_modern, by_legacy;

    assign_one(config, state, GG_MASTER);
    if (own_app && legacy->b)
        must_be_off(config, duty);
    if (modern->set && modern->text && *modern->text)
        assign_one(config, state, modern->text);
    else if (legacy && legacy->set && !legacy->b)
        assign(state, own_app ? one_name(config, config->topo.instance) : NULL, own_app ? 1 : 0);
    state->mine = by_modern = is_listed(config, state);
    state->asked = state->mine && (modern->set || own_app || (legacy && legacy->set));
    if (!modern->set || !legacy || !legacy->set)
        return;
    by_legacy = legacy->b ? config->topo.is_main : own_app;
    if (by_modern != by_legacy)
        gg_config_find(config, GG_FINDING_ERROR, "%s: `%s` contradicts `%s` (%s): keep only `%s`", legacy->node->where,
                       duty->legacy, duty->modern, modern->node->where, duty->modern);
}

static bool serves_media(const struct gg_config *config)
{
    for (size_t i = 0; i < config->topo.n_listeners; i++)
        if (gg_listener_has(&config->topo.listeners[i], "media"))
            return true;
    return false;
}

/* Main serves media under `client` and `federation` too; a worker with the
 * resource `media`; the old worker_app in any case. */
static void build_media(struct gg_config *config, const struct duty *duty, struct gg_duty_state *state)
{
    bool on = gg_config_bool(config, duty->legacy), own_app = is_own_app(config, duty);

    state->mine = own_app || (on && (config->topo.is_main || serves_media(config)));
    state->asked = own_app || (on && serves_media(config)) || (state->mine && gg_config_set(config, duty->legacy));
    if (state->mine)
        assign_one(config, state, config->topo.instance);
    else if (on)
        assign_one(config, state, GG_MASTER);
    else if (gg_config_set(config, "media_instance_running_background_jobs")) /* at least that one serves them */
        assign_one(config, state, gg_config_text(config, "media_instance_running_background_jobs"));
    if (!on && !own_app && serves_media(config))
        gg_config_find(
            config, config->topo.is_main ? GG_FINDING_ERROR : GG_FINDING_WARNING,
            "%s: a listener has the resource `media`, but `enable_media_repo: false` takes it from this process%s",
            config->topo.instance, config->topo.is_main ? "" : "; the resource is ignored");
}

static void build_media_background(struct gg_config *config, const struct duty *duty, struct gg_duty_state *state)
{
    const struct gg_value *modern = gg_config_value(config, duty->modern);
    const struct gg_duty_state *media = &config->topo.duties[state - config->topo.duties - 1];

    if (modern->set && *modern->text)
        assign_one(config, state, modern->text);
    else
        assign(state, media->names, media->n);
    state->mine = is_listed(config, state);
    state->asked = state->mine && modern->set;
}

void gg_duties_build(struct gg_config *config)
{
    for (size_t i = 0; i < GG_N_DUTIES; i++) {
        struct gg_duty_state *state = &config->topo.duties[i];

        if (duties[i].form == DUTY_LIST)
            build_list(config, &duties[i], state);
        else if (duties[i].form == DUTY_SINGLE)
            build_single(config, &duties[i], state);
        else if (duties[i].form == DUTY_MEDIA)
            build_media(config, &duties[i], state);
        else
            build_media_background(config, &duties[i], state);
    }
}

/* ---- asking ---- */

static const struct gg_duty_state *find(const struct gg_config *config, const char *name)
{
    for (size_t i = 0; i < GG_N_DUTIES; i++)
        if (strcmp(duties[i].name, name) == 0)
            return &config->topo.duties[i];
    return NULL;
}

static const struct gg_duty_state *must_find(const struct gg_config *config, const char *name)
{
    const struct gg_duty_state *state = find(config, name);

    if (!state)
        gg_panic(__FILE__, __LINE__, "there is no duty %s", name);
    return state;
}

bool gg_topology_has_duty(const struct gg_config *config, const char *duty, bool *explicit_out)
{
    const struct gg_duty_state *state = must_find(config, duty);

    if (explicit_out)
        *explicit_out = state->asked;
    return state->mine;
}

const char *const *gg_topology_duty(const struct gg_config *config, const char *duty, size_t *n_out)
{
    static const char *const nobody[] = {NULL};
    const struct gg_duty_state *state = must_find(config, duty);

    if (n_out)
        *n_out = state->n;
    return state->names ? state->names : nobody;
}

bool gg_topology_is_mine(const struct gg_config *config, const char *duty, struct gg_str key)
{
    const struct gg_duty_state *state = find(config, duty);
    size_t n = state ? state->n : 0;
    const char *const *names = state ? state->names : gg_topology_writers(config, duty, &n);

    return n > 0 && strcmp(names[gg_shard(key, n)], config->topo.instance) == 0;
}
