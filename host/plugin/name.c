/* From worker_app to the base name of a file, its Debian package and its schema. */
#include "plugin/name.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "synapse.app."

/* Apps of Synapse's past that became generic_worker; its own later names are files of their own. */
static const char *const historical_names[] = {"synchrotron", "client_reader", "federation_reader", "event_creator"};

bool gg_role_name_valid(const char *name)
{
    if (!isalnum((unsigned char)name[0]) || strlen(name) >= GG_ROLE_MAX)
        return false;
    for (const char *c = name; *c != '\0'; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '.' && *c != '-')
            return false;
    return true;
}

static bool is_historical(const char *name)
{
    for (size_t i = 0; i < GG_COUNT(historical_names); i++)
        if (strcmp(name, historical_names[i]) == 0)
            return true;
    return false;
}

int gg_role_of_app(const char *worker_app, struct gg_role_name *out, struct gg_error *err)
{
    memset(out, 0, sizeof(*out));
    const char *app = worker_app != NULL ? worker_app : PREFIX "homeserver";
    if (!gg_role_name_valid(app) || strchr(app, '.') == NULL)
        return gg_fail(err, GG_E_INVALID,
                       "worker_app '%s' is not the name of a worker app: it is written as synapse.app.NAME, or as a "
                       "dotted name of letters, digits, '_', '-' and '.'",
                       app);
    const char *base = app;
    if (strncmp(app, PREFIX, sizeof(PREFIX) - 1) == 0) {
        base = app + sizeof(PREFIX) - 1;
        if (*base == '\0' || strchr(base, '.') != NULL || !gg_role_name_valid(base))
            return gg_fail(err, GG_E_INVALID, "worker_app '%s' is not the name of a worker app", app);
        out->historical = is_historical(base);
    }
    snprintf(out->base, sizeof(out->base), "%s", out->historical ? "generic_worker" : base);
    return 0;
}

void gg_role_package(const char *base, char *out, size_t size)
{
    snprintf(out, size, "ganglion-plugin-%s", base);
    for (char *c = out; *c != '\0'; c++) /* Debian allows no '_' and no capitals in a package's name */
        *c = *c == '_' ? '-' : (char)tolower((unsigned char)*c);
}

void gg_role_schema(const char *base, char *out, size_t size)
{
    const char *dot = strrchr(base, '.');
    snprintf(out, size, "ganglion_%s", dot != NULL ? dot + 1 : base);
    for (char *c = out; *c != '\0'; c++)
        *c = *c == '-' ? '_' : (char)tolower((unsigned char)*c);
}
