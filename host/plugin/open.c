/* Opens a plugin file through libltdl and finds its descriptor. */
#include "plugin/role.h"

#include <dlfcn.h>
#include <ltdl.h>

/* libltdl binds lazily and answers "file not found" for every kind of failure, so
 * the dynamic linker is asked first, with everything bound now: a plugin with an
 * undefined function is refused here, not at the first call. */
static int probe(const char *path, struct gg_error *err)
{
    if (dlopen(path, RTLD_NOW | RTLD_LOCAL) != NULL)
        return 0; /* the reference is kept: plugins stay for the life of the process */
    const char *reason = dlerror();
    return gg_fail(err, GG_E_INVALID, "cannot load %s: %s", path, reason != NULL ? reason : "unknown reason");
}

static int open_local(const char *path, lt_dlhandle *out, struct gg_error *err)
{
    lt_dladvise advise;
    if (lt_dlinit() != 0 || lt_dladvise_init(&advise) != 0)
        return gg_fail(err, GG_E_INTERNAL, "libltdl does not start: %s", lt_dlerror());
    lt_dladvise_local(&advise); /* one plugin's functions must not take the place of another's */
    *out = lt_dlopenadvise(path, advise);
    lt_dladvise_destroy(&advise);
    if (*out == NULL)
        return gg_fail(err, GG_E_INVALID, "cannot load %s: %s", path, lt_dlerror());
    return 0;
}

int gg_role_open(struct gg_arena *arena, const char *path, const char *base, struct gg_role **out, struct gg_error *err)
{
    lt_dlhandle handle = NULL;
    int rc = probe(path, err);
    if (rc == 0)
        rc = open_local(path, &handle, err);
    if (rc < 0)
        return rc;
    void *symbol = lt_dlsym(handle, "gg_plugin_entry");
    if (symbol == NULL)
        return gg_fail(err, GG_E_INVALID, "%s is no Ganglion plugin: it exports no gg_plugin_entry (see GG_PLUGIN)",
                       path);
    gg_plugin_entry_fn *entry;
    memcpy(&entry, &symbol, sizeof(entry)); /* ISO C has no cast from object to function pointer */
    rc = gg_role_adopt(arena, entry(), path, base, out, err);
    if (rc == 0)
        (*out)->handle = handle;
    return rc;
}
