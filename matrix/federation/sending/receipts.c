/* matrix/federation/sending/receipts.c: what our users have read is told to the servers in the room (server-server API,
 * "Receipts").
 *
 * In a busy room every message brings a receipt of every reader, for every server. So a room has a rate: after its
 * receipts were told to n servers it waits n / federation_rr_transactions_per_room_per_second seconds, and what comes
 * meanwhile goes together. */
#include "federation/sending/sending.h"

#include "userdata/streams.h"

#include <ganglion/config.h>
#include <ganglion/matrix/json.h>
#include <ganglion/memory.h>

enum { MAX_ROOMS = 20000, MAX_WAITING = 1000 };

struct receipt_room {
    struct mx_out_queue waiting;
    int64_t not_before; /* gg_now_ms() */
    bool asked;         /* a job will look at it */
};

static void room_free(void *value)
{
    struct receipt_room *room = value;
    mx_out_queue_clear(&room->waiting, MX_OUT_KINDS);
    free(room);
}

static struct receipt_room *room_for(struct mx_sending *sending, struct gg_str room_id)
{
    struct receipt_room *room = gg_map_get(sending->receipts, room_id);
    if (room != NULL || gg_map_count(sending->receipts) >= MAX_ROOMS)
        return room;
    room = gg_xcalloc(1, sizeof(*room));
    mx_out_queue_init(&room->waiting);
    gg_map_put(sending->receipts, room_id, room);
    return room;
}

static void ask(struct mx_sending *sending, struct gg_str room_id, struct receipt_room *room)
{
    if (room->asked || room->not_before > gg_now_ms() || mx_out_queue_empty(&room->waiting))
        return;
    room->asked = true;
    mx_job_add(sending, MX_JOB_RECEIPTS, room_id, (struct gg_str){0}, true, NULL);
}

/* [room, type, user, event, thread or null, data] */
static void take(struct mx_sending *sending, struct gg_str row)
{
    struct mx_out_receipt receipt = {mx_row_text(row, 0), mx_row_text(row, 1), mx_row_text(row, 2), mx_row_text(row, 3),
                                     mx_row_text(row, 4), {0}};
    struct mx_json_iter it = mx_json_iter(row);
    for (int i = 0; i < 6 && mx_json_next(&it); i++)
        receipt.data = it.value;
    if (receipt.room_id.s == NULL || receipt.user_id.s == NULL || receipt.event_id.s == NULL ||
        !mx_json_is_object(receipt.data) || !gg_str_is(receipt.type, "m.read") ||
        !mx_is_mine(sending->server, receipt.user_id))
        return;
    struct receipt_room *room = room_for(sending, receipt.room_id);
    if (room == NULL)
        return;
    struct mx_out_edu *edu = mx_out_receipt_new(&receipt);
    mx_out_queue_add(&room->waiting, edu);
    mx_out_edu_unref(edu);
    ask(sending, receipt.room_id, room);
}

static void follow(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                   size_t n, bool moved)
{
    struct mx_sending *sending = self;
    for (size_t i = 0; moved && sending->scope != NULL && i < n; i++)
        take(sending, rows[i].row);
}

void mx_receipts_watch(struct mx_sending *sending)
{
    sending->receipts = gg_map_new(room_free);
    gg_stream_follow(sending->server->receipts, follow, sending);
}

void mx_receipts_end(struct mx_sending *sending)
{
    gg_map_free(sending->receipts);
}

/* Rooms whose pause is over. Quiet ones are forgotten. */
void mx_receipts_tick(struct mx_sending *sending)
{
    size_t i = 0;
    struct gg_str room_id;
    void *value;
    while (gg_map_next(sending->receipts, &i, &room_id, &value)) {
        struct receipt_room *room = value;
        if (!room->asked && mx_out_queue_empty(&room->waiting) && room->not_before <= gg_now_ms())
            gg_map_delete(sending->receipts, room_id);
        else
            ask(sending, room_id, room);
    }
}

static int64_t pause_after(const struct mx_sending *sending, size_t n_told)
{
    int64_t rate = gg_config_int(sending->server->config, "federation_rr_transactions_per_room_per_second");
    return (int64_t)n_told * 1000 / (rate > 0 ? rate : 1);
}

int mx_receipts_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err)
{
    struct receipt_room *room = gg_map_get(sending->receipts, job->what);
    struct mx_out_edu *edus[MAX_WAITING];
    struct gg_list taken;
    size_t n = 0, n_told = 0;
    if (room == NULL)
        return 0;
    gg_list_init(&taken);
    mx_out_queue_take(&room->waiting, MX_OUT_RECEIPT, MAX_WAITING, &taken);
    room->asked = false;
    room->not_before = GG_FOREVER; /* nobody asks while this waits */
    GG_LIST_EACH(link, &taken)
        edus[n++] = GG_CONTAINER(link, struct mx_out_item, link)->edu;
    int rc = mx_tell_room(sending, job->what, edus, n, &n_told, err);
    mx_out_taken_drop(&taken);
    if ((room = gg_map_get(sending->receipts, job->what)) != NULL)
        room->not_before = gg_deadline(pause_after(sending, n_told));
    return rc;
}
