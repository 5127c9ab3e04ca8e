/* decoder.c: the module that decodes pictures is loaded with the first one. It brings libvips and a hundred libraries behind
 * it, which take memory and time in every process that has them: most that serve media at times see no picture for long, and
 * a main process may never. */
#include "decoder.h"

#include <dlfcn.h>
#include <ganglion/log.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static struct gg_logger logger = {"ganglion.media"};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct mx_images *loaded;
static char problem[300];

/* "media_repository/pictures.so" beside this file, wherever that was installed. */
static bool find(char *out, size_t size)
{
    Dl_info here;
    if (dladdr(&loaded, &here) == 0 || here.dli_fname == NULL)
        return false;
    const char *slash = strrchr(here.dli_fname, '/');
    int n = snprintf(out, size, "%.*smedia_repository/pictures.so", slash != NULL ? (int)(slash + 1 - here.dli_fname) : 0, here.dli_fname);
    return n > 0 && (size_t)n < size;
}

/* On a thread of the pool: nobody else waits for it. Never unloaded, as the libraries have threads of their own. */
static void load(void)
{
    char path[1024];
    void *module = find(path, sizeof(path)) ? dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
    loaded = module != NULL ? dlsym(module, DECODER_SYMBOL) : NULL;
    if (loaded != NULL)
        return;
    const char *why = dlerror();
    snprintf(problem, sizeof(problem), "pictures are not decoded: %s", why != NULL ? why : "the module is not found");
    gg_err(&logger, "%s", problem);
}

static int missing(char *why, size_t size)
{
    snprintf(why, size, "%s", problem);
    return GG_E_UNAVAILABLE;
}

static int inspect(const char *path, int64_t max_pixels, struct mx_image_info *out, char *why, size_t size)
{
    pthread_once(&once, load);
    return loaded != NULL ? loaded->inspect(path, max_pixels, out, why, size) : missing(why, size);
}

static int make(const char *source, int64_t max_pixels, struct mx_image_task *tasks, size_t n, char *why, size_t size)
{
    pthread_once(&once, load);
    return loaded != NULL ? loaded->make(source, max_pixels, tasks, n, why, size) : missing(why, size);
}

const struct mx_images decoder = {.inspect = inspect, .make = make};
