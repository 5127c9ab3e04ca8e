/* loops.c: works off the changes of rooms as they come, and asks for profiles when they are due. */
#include "loops.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/matrix/user_directory.h>
#include <ganglion/matrix/work_off.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.user_dir"};

enum { IDLE_MS = 60000, RETRY_MS = 5000, LEAST_MS = 1000 };

struct user_dir {
    struct mx_server *server;
    struct gg_duty *duty;
    struct mx_work_off *rooms;
};

/* Besides: profiles. A server that does not answer must not hold up what rooms tell. */
static void refresh(void *arg)
{
    struct user_dir *dir = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        int64_t next = INT64_MAX;
        int rc = mx_directory_refresh(dir->server, &next, &err);
        if (rc < 0 && rc != GG_E_CANCELLED)
            gg_warn(&logger, "profiles of other servers: %s", err.message);
        int64_t wait = rc < 0 ? RETRY_MS : next - gg_wall_ms();
        (void)gg_sleep(wait < LEAST_MS ? LEAST_MS : wait > IDLE_MS ? IDLE_MS : wait);
    }
}

static void work(void *arg)
{
    struct user_dir *dir = arg;
    struct gg_scope *beside = gg_scope_new(gg_host_scope(dir->server->host), "user_dir");
    if (gg_spawn(beside, "user_dir.profiles", refresh, dir) == NULL)
        gg_warn(&logger, "profiles of other servers will not be asked for");
    mx_work_off_run(dir->rooms);
    gg_scope_end(beside);
}

struct user_dir *user_dir_new(struct mx_server *server)
{
    struct user_dir *dir = gg_xcalloc(1, sizeof(*dir));
    dir->server = server;
    dir->rooms = mx_work_off_new(server, "user directory", mx_directory_advance);
    return dir;
}

int user_dir_start(void *self, struct gg_error *err)
{
    struct user_dir *dir = self;
    if (gg_topology_has_duty(dir->server->config, "user_dir", NULL))
        dir->duty = gg_duty_begin(dir->server->host, "user_dir", work, dir);
    return 0;
}

void user_dir_stop(void *self)
{
    struct user_dir *dir = self;
    gg_duty_end(dir->duty);
    dir->duty = NULL;
}

void user_dir_free(void *self)
{
    struct user_dir *dir = self;
    mx_work_off_free(dir->rooms);
    free(dir);
}
