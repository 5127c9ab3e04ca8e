/* matrix/federation/sending/devices.c: messages to devices, and device lists, wait in tables; the streams tell for whom. */
#include "e2ee/outbound.h"
#include "federation/sending/sending.h"

#include "userdata/streams.h"

#include <ganglion/matrix/json.h>

/* ["@user:hs"] or ["server"] */
static void follow_messages(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                            const struct gg_row *rows, size_t n, bool moved)
{
    struct mx_sending *sending = self;
    for (size_t i = 0; moved && sending->scope != NULL && i < n; i++) {
        struct gg_str entity = mx_row_text(rows[i].row, 0);
        if (entity.s != NULL && entity.n > 0 && entity.s[0] != '@' && mx_dest_mine(sending, entity))
            mx_job_add(sending, MX_JOB_MESSAGES, entity, (struct gg_str){0}, true, NULL);
    }
}

/* [user, is_signature, hosts_calculated] */
static void follow_lists(void *self, struct gg_stream *stream, const char *instance, int64_t token,
                         const struct gg_row *rows, size_t n, bool moved)
{
    struct mx_sending *sending = self;
    bool calculated = false;
    for (size_t i = 0; i < n; i++) {
        struct mx_json_iter it = mx_json_iter(rows[i].row);
        calculated |= mx_json_next(&it) && mx_json_next(&it) && mx_json_next(&it) && mx_json_true(it.value);
    }
    if (!moved || !calculated || sending->scope == NULL || sending->lists_asked)
        return;
    sending->lists_asked = true;
    mx_job_add(sending, MX_JOB_LISTS, GG_STR(""), (struct gg_str){0}, true, NULL);
}

void mx_devices_watch(struct mx_sending *sending)
{
    gg_stream_follow(sending->server->to_device, follow_messages, sending);
    gg_stream_follow(sending->server->device_lists, follow_lists, sending);
}

int mx_messages_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err)
{
    struct mx_dest *dest;
    int rc = mx_dests_get(sending, &job->what, 1, &dest, err);
    if (rc != 0 || dest == NULL)
        return rc;
    dest->to_device = true;
    mx_dest_wake(dest);
    return 0;
}

/* By the ids that were announced since: a writer's ids may become visible out of order, so the range begins where all
 * writers had been, and a destination may be looked at once more. */
int mx_lists_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    int64_t upto = gg_stream_upto(sending->server->device_lists);
    struct gg_str *names;
    size_t n = 0;
    sending->lists_asked = false;
    int rc = mx_device_list_destinations(sending->server, sending->lists_from,
                                         gg_stream_max_seen(sending->server->device_lists), arena, &names, &n, err);
    struct mx_dest **dests = GG_NEW_ARRAY(arena, struct mx_dest *, n + 1);
    if (rc == 0)
        rc = mx_dests_get(sending, names, n, dests, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (dests[i] == NULL)
            continue;
        dests[i]->lists = true;
        mx_dest_wake(dests[i]);
    }
    if (rc == 0)
        sending->lists_from = upto;
    gg_arena_free(arena);
    return rc;
}
