/* matrix/federation/sending/typing.c: who of ours types is told to the servers in the room (server-server API, "Typing").
 *
 * The stream carries a room's whole list; what is told is the difference. It is told again every 40 s for as long as
 * somebody types: the others forget it after a minute. */
#include "federation/sending/sending.h"

#include "userdata/streams.h"

#include <ganglion/matrix/json.h>
#include <ganglion/memory.h>

enum { AGAIN_MS = 40 * 1000, MAX_ROOMS = 20000, MAX_USERS = 1000 };

struct typist {
    int64_t told; /* gg_now_ms() */
    bool still;   /* in the list that is being read */
};

struct typing_room {
    struct gg_map *users; /* ours -> struct typist */
};

static void room_free(void *value)
{
    struct typing_room *room = value;
    gg_map_free(room->users);
    free(room);
}

static struct typing_room *room_for(struct mx_sending *sending, struct gg_str room_id)
{
    struct typing_room *room = gg_map_get(sending->typing, room_id);
    if (room != NULL || gg_map_count(sending->typing) >= MAX_ROOMS)
        return room;
    room = gg_xcalloc(1, sizeof(*room));
    room->users = gg_map_new(free);
    gg_map_put(sending->typing, room_id, room);
    return room;
}

static void note_typist(struct mx_sending *sending, struct typing_room *room, struct gg_str room_id, struct gg_str user_id)
{
    struct typist *typist = gg_map_get(room->users, user_id);
    if (typist == NULL) {
        if (gg_map_count(room->users) >= MAX_USERS)
            return;
        typist = gg_xcalloc(1, sizeof(*typist));
        typist->told = gg_now_ms();
        gg_map_put(room->users, user_id, typist);
        mx_job_add(sending, MX_JOB_TYPING, room_id, user_id, true, NULL);
    }
    typist->still = true;
}

/* Those who are in the list no longer have stopped. */
static void end_others(struct mx_sending *sending, struct typing_room *room, struct gg_str room_id)
{
    size_t i = 0;
    struct gg_str user_id;
    void *value;
    while (gg_map_next(room->users, &i, &user_id, &value)) {
        struct typist *typist = value;
        if (!typist->still) {
            mx_job_add(sending, MX_JOB_TYPING, room_id, user_id, false, NULL);
            gg_map_delete(room->users, user_id);
        } else {
            typist->still = false;
        }
    }
}

/* ["!room",["@a:hs",..]] */
static void take(struct mx_sending *sending, struct gg_str row)
{
    struct gg_str room_id = mx_row_text(row, 0);
    struct mx_json_iter it = mx_json_iter(row);
    if (room_id.s == NULL || !mx_json_next(&it) || !mx_json_next(&it) || !mx_json_is_array(it.value))
        return;
    struct typing_room *room = gg_map_get(sending->typing, room_id);
    for (struct mx_json_iter users = mx_json_iter(it.value); mx_json_next(&users);) {
        struct gg_str user_id = mx_json_is_string(users.value) ? gg_strn(users.value.s + 1, users.value.n - 2) : GG_STR("");
        if (!mx_is_mine(sending->server, user_id) || (room == NULL && (room = room_for(sending, room_id)) == NULL))
            continue;
        note_typist(sending, room, room_id, user_id);
    }
    if (room == NULL)
        return;
    end_others(sending, room, room_id);
    if (gg_map_count(room->users) == 0)
        gg_map_delete(sending->typing, room_id);
}

static void follow(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                   size_t n, bool moved)
{
    struct mx_sending *sending = self;
    if (!moved || sending->scope == NULL)
        return;
    if (token < sending->typing_token)
        gg_map_clear(sending->typing); /* the writer has started afresh; the others' clocks end what it forgot */
    sending->typing_token = token;
    for (size_t i = 0; i < n; i++)
        take(sending, rows[i].row);
}

void mx_typing_watch(struct mx_sending *sending)
{
    sending->typing = gg_map_new(room_free);
    gg_stream_follow(sending->server->typing_stream, follow, sending);
}

void mx_typing_end(struct mx_sending *sending)
{
    gg_map_free(sending->typing);
}

void mx_typing_tick(struct mx_sending *sending)
{
    size_t i = 0, k;
    struct gg_str room_id, user_id;
    void *room, *value;
    int64_t now = gg_now_ms();
    while (gg_map_next(sending->typing, &i, &room_id, &room))
        for (k = 0; gg_map_next(((struct typing_room *)room)->users, &k, &user_id, &value);) {
            struct typist *typist = value;
            if (now - typist->told < AGAIN_MS)
                continue;
            typist->told = now;
            mx_job_add(sending, MX_JOB_TYPING, room_id, user_id, true, NULL);
        }
}

int mx_typing_tell(struct mx_sending *sending, const struct mx_job *job, struct gg_error *err)
{
    struct mx_out_edu *edu = mx_out_typing_new(job->what, job->who, job->on);
    int rc = mx_tell_room(sending, job->what, &edu, 1, NULL, err);
    mx_out_edu_unref(edu);
    return rc;
}
