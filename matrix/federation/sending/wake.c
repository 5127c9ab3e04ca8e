/* matrix/federation/sending/wake.c: destinations to which something is owed, and that nobody has spoken of since, are tried
 * again: after a start all that were behind, later those whose time has come. Spread over time: after a night without
 * network there may be thousands. */
#include "federation/sending/sending.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum {
    PAGE = 50,
    EVERY_MS = 60 * 1000,
    SPREAD_MS = 100, /* between two, once so many were woken: */
    AT_ONCE = 50,
};

static bool wanted(const struct mx_sending *sending, struct gg_str name)
{
    const struct mx_dest *dest = mx_dest_held(sending, name);
    return dest != NULL ? dest->place == MX_DEST_IDLE && dest->not_before <= gg_now_ms() : mx_dest_mine(sending, name);
}

/* The tables name it: what memory thought of it may be out of date (it is not when it lies idle with nothing to do, or
 * another process, which was the sender once, has left something). */
static int wake(struct mx_sending *sending, struct gg_str name, struct gg_error *err)
{
    struct mx_owed owed;
    struct mx_dest *dest;
    int rc = mx_dests_get(sending, &name, 1, &dest, err);
    if (rc != 0 || dest == NULL)
        return rc;
    struct gg_arena *arena = gg_arena_new();
    rc = mx_owed_read(sending->server, &name, 1, arena, &owed, err);
    if (rc == 0 && (dest = mx_dest_held(sending, name)) != NULL && dest->place == MX_DEST_IDLE) {
        if (owed.events && dest->n_pdus == 0 && owed.last >= dest->last)
            dest->behind = true;
        dest->to_device |= owed.to_device;
        dest->lists |= owed.lists;
        mx_dest_wake(dest);
    }
    gg_arena_free(arena);
    return rc;
}

int mx_up_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err)
{
    struct mx_dest *dest;
    int rc = mx_dests_get(sending, &job->what, 1, &dest, err);
    if (rc == 0 && dest != NULL)
        mx_dest_is_up(dest);
    return rc;
}

static int wake_page(struct mx_sending *sending, struct gg_buf *after, size_t *n_woken, bool *end, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *names;
    size_t n = 0;
    struct gg_str last = gg_arena_str(arena, gg_buf_view(after));
    int rc = mx_owed_list(sending->server, last, gg_wall_ms(), PAGE, arena, &names, &n, err);
    for (size_t i = 0; rc == 0 && i < n && !gg_cancelled(); i++) {
        if (!wanted(sending, names[i]))
            continue;
        rc = wake(sending, names[i], err);
        if (++*n_woken > AT_ONCE)
            gg_sleep(SPREAD_MS);
    }
    if (rc == 0 && n > 0) {
        gg_buf_clear(after);
        gg_buf_str(after, names[n - 1]);
    }
    *end = n < PAGE;
    gg_arena_free(arena);
    return rc;
}

void mx_wake_owed(void *arg)
{
    struct mx_sending *sending = arg;
    while (!gg_cancelled()) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_buf after = GG_BUF_INIT;
        size_t n_woken = 0;
        bool end = sending->disputed;
        int rc = 0;
        while (rc == 0 && !end && !gg_cancelled())
            rc = wake_page(sending, &after, &n_woken, &end, &err);
        gg_buf_done(&after);
        if (rc != 0 && !gg_cancelled())
            gg_warn(&logger, "who is owed something is not known: %s", err.message);
        if (n_woken > 0)
            gg_info(&logger, "%zu servers to which something is owed were tried again", n_woken);
        gg_sleep(EVERY_MS);
    }
}
