/* matrix/streams/work_off.c: the loop of what follows the changes of rooms at a distance. */
#include <ganglion/matrix/work_off.h>

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.work_off"};

enum {
    REST_MS = 50, /* between rounds: what comes in that time is one round; who makes a room sees it listed at once */
    RETRY_MS = 5000,
    IDLE_MS = 60000, /* a lost wake-up is made good by then */
};

struct mx_work_off {
    struct mx_server *server;
    const char *what;
    mx_work_off_fn *advance;
    struct gg_cond moved;
    bool news;
};

static void on_events(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                      size_t n, bool moved)
{
    struct mx_work_off *work = self;
    if (!moved)
        return;
    work->news = true;
    gg_cond_signal(&work->moved);
}

struct mx_work_off *mx_work_off_new(struct mx_server *server, const char *what, mx_work_off_fn *advance)
{
    struct mx_work_off *work = gg_xcalloc(1, sizeof(*work));
    work->server = server;
    work->what = what;
    work->advance = advance;
    gg_cond_init(&work->moved);
    gg_stream_follow(server->events, on_events, work);
    return work;
}

void mx_work_off_free(struct mx_work_off *work)
{
    free(work);
}

/* Everything that is there now, a batch at a time. */
static int catch_up(struct mx_work_off *work, struct gg_error *err)
{
    int rc = 0;
    for (bool more = true; rc == 0 && more && !gg_cancelled();) {
        struct gg_arena *arena = gg_arena_new();
        rc = work->advance(work->server, gg_stream_upto(work->server->events), arena, &more, err);
        gg_arena_free(arena);
    }
    return rc;
}

void mx_work_off_run(struct mx_work_off *work)
{
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        work->news = false;
        int rc = catch_up(work, &err);
        if (rc != 0 && rc != GG_E_CANCELLED)
            gg_warn(&logger, "%s: %s", work->what, err.message);
        (void)gg_sleep(rc == 0 ? REST_MS : RETRY_MS);
        if (rc == 0 && !work->news)
            (void)gg_cond_wait(&work->moved, gg_deadline(IDLE_MS));
    }
}
