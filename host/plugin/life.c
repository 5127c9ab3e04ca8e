/* The life of the loaded plugins: check, load, start, reload, drain, stop, unload. */
#include "plugin/plugins.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.plugin"};

/* Roles of one library share a function, which need not look at the same configuration again. */
static bool checked_before(const struct gg_plugins *plugins, size_t at)
{
    for (size_t i = 0; i < at; i++)
        if (plugins->roles[i]->desc.check == plugins->roles[at]->desc.check)
            return true;
    return false;
}

int gg_plugins_check(struct gg_plugins *plugins, const struct gg_host *host, struct gg_error *err)
{
    for (size_t i = 0; i < plugins->n; i++) {
        struct gg_role *role = plugins->roles[i];
        int rc = role->desc.check != NULL && !checked_before(plugins, i) ? role->desc.check(host, err) : 0;
        if (rc < 0)
            return rc; /* the message names keys of the configuration: no prefix helps */
    }
    return 0;
}

int gg_plugins_load(struct gg_plugins *plugins, struct gg_host *host, struct gg_error *err)
{
    for (size_t i = 0; i < plugins->n; i++) {
        struct gg_role *role = plugins->roles[i];
        int rc = role->desc.load != NULL ? role->desc.load(host, &role->self, err) : 0;
        if (rc < 0) {
            gg_error_prefix(err, "cannot load %s", role->desc.name);
            gg_plugins_unload(plugins);
            return rc;
        }
        role->state = GG_ROLE_LOADED;
        gg_debug(&logger, "loaded %s %s from %s", role->desc.name, role->desc.version, role->file);
    }
    return 0;
}

int gg_plugins_start(struct gg_plugins *plugins, struct gg_error *err)
{
    for (size_t i = 0; i < plugins->n; i++) {
        struct gg_role *role = plugins->roles[i];
        int rc = role->desc.start != NULL ? role->desc.start(role->self, err) : 0;
        if (rc < 0) {
            gg_error_prefix(err, "cannot start %s", role->desc.name);
            gg_plugins_stop(plugins);
            return rc;
        }
        role->state = GG_ROLE_STARTED;
    }
    return 0;
}

void gg_plugins_reload(struct gg_plugins *plugins)
{
    for (size_t i = 0; i < plugins->n; i++) {
        struct gg_role *role = plugins->roles[i];
        struct gg_error err = GG_ERROR_INIT;
        if (role->state == GG_ROLE_STARTED && role->desc.reload != NULL && role->desc.reload(role->self, &err) < 0)
            gg_err(&logger, "%s keeps its old settings: %s", role->desc.name, err.message);
    }
}

void gg_plugins_drain(struct gg_plugins *plugins, int64_t deadline)
{
    for (size_t i = plugins->n; i-- > 0;) {
        struct gg_role *role = plugins->roles[i];
        if (role->state == GG_ROLE_STARTED && role->desc.drain != NULL)
            role->desc.drain(role->self, deadline);
    }
}

void gg_plugins_stop(struct gg_plugins *plugins)
{
    for (size_t i = plugins->n; i-- > 0;) {
        struct gg_role *role = plugins->roles[i];
        if (role->state != GG_ROLE_STARTED)
            continue;
        if (role->desc.stop != NULL)
            role->desc.stop(role->self);
        role->state = GG_ROLE_STOPPED;
    }
}

void gg_plugins_unload(struct gg_plugins *plugins)
{
    for (size_t i = plugins->n; i-- > 0;) {
        struct gg_role *role = plugins->roles[i];
        if (role->state == GG_ROLE_OPENED)
            continue;
        if (role->desc.unload != NULL)
            role->desc.unload(role->self);
        role->self = NULL;
        role->state = GG_ROLE_OPENED;
    }
}
