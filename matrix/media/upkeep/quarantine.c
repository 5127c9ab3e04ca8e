/* quarantine.c: what nobody may see; the writer of its stream does it, whoever is asked. */
#include <ganglion/matrix/api.h>
#include <ganglion/memory.h>

#include "media/upkeep/upkeep.h"
#include "storage/media/quarantine.h"

#define METHOD "ganglion_quarantine_media"
enum { BATCH = 1000 };

/* ---- asking the writer ---- */

static json_t *texts(const struct gg_str *list, size_t n)
{
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(array, json_stringn(list[i].s, list[i].n));
    return array;
}

static int ask(struct mx_server *server, const char *writer, const struct mx_media_set *set, struct gg_str by, int64_t *n_out,
               struct gg_error *err)
{
    json_t *answer = NULL, *body = json_object();
    json_object_set_new(body, "local_ids", texts(set->local_ids, set->n_local));
    json_object_set_new(body, "origins", texts(set->origins, set->n_remote));
    json_object_set_new(body, "remote_ids", texts(set->remote_ids, set->n_remote));
    json_object_set_new(body, "by", by.s != NULL ? json_stringn(by.s, by.n) : json_null());
    int rc = gg_repl_call(server->host, writer, METHOD, (const char *const[]){NULL}, body, &answer, err);
    *n_out = rc == 0 ? json_integer_value(json_object_get(answer, "changed")) : 0;
    json_decref(body);
    json_decref(answer);
    return rc;
}

static int write_set(struct mx_server *server, const struct mx_media_set *set, struct gg_str by, int64_t *n_out,
                     struct gg_error *err)
{
    if (gg_stream_is_writer(server->quarantined_media))
        return mx_quarantine_write(server, set, by, n_out, err);
    size_t n;
    const char *const *writers = gg_stream_writers(server->quarantined_media, &n);
    return ask(server, writers[0], set, by, n_out, err);
}

static bool read_texts(const json_t *list, struct gg_arena *arena, struct gg_str **out, size_t *n_out)
{
    size_t n = json_array_size(list);
    bool good = json_is_array(list) && n <= 2 * BATCH;
    *n_out = good ? n : 0;
    *out = GG_NEW_ARRAY(arena, struct gg_str, *n_out + 1);
    for (size_t i = 0; good && i < n; i++) {
        const json_t *text = json_array_get(list, i);
        good = json_is_string(text);
        (*out)[i] = gg_str(json_string_value(text));
    }
    return good;
}

static int serve(void *self, const struct gg_call *call, json_t **answer_out, struct gg_error *err)
{
    struct mx_server *server = self;
    struct gg_str *ours, *origins, *theirs;
    size_t n_ours, n_origins, n_theirs;
    bool good = read_texts(json_object_get(call->body, "local_ids"), call->arena, &ours, &n_ours) &&
                read_texts(json_object_get(call->body, "origins"), call->arena, &origins, &n_origins) &&
                read_texts(json_object_get(call->body, "remote_ids"), call->arena, &theirs, &n_theirs) && n_origins == n_theirs;
    int64_t changed;
    if (!good)
        return gg_refuse(err, 400, "M_INVALID_PARAM", "no set of files");
    struct mx_media_set set = {.local_ids = ours, .origins = origins, .remote_ids = theirs, .n_local = n_ours, .n_remote = n_theirs};
    int rc = mx_quarantine_write(server, &set, gg_str(json_string_value(json_object_get(call->body, "by"))), &changed, err);
    if (rc == 0) {
        *answer_out = json_object();
        json_object_set_new(*answer_out, "changed", json_integer(changed));
    }
    return rc;
}

const struct gg_method mx_methods_media[] = {
    {METHOD, 0, GG_METHOD_TXN, serve, "quarantined_media_changes", "Files enter or leave quarantine."},
    {0},
};

/* ---- what is meant ---- */

int mx_quarantine_one(struct mx_server *server, struct gg_str origin, struct gg_str id, struct gg_str by, int64_t *n_out,
                      struct gg_error *err)
{
    bool ours = gg_str_is(origin, server->name);
    struct mx_media_set set = {.local_ids = &id, .origins = &origin, .remote_ids = &id, .n_local = ours, .n_remote = !ours};
    return write_set(server, &set, by, n_out, err);
}

int mx_quarantine_user(struct mx_server *server, struct gg_str user_id, struct gg_str by, int64_t *n_out, struct gg_error *err)
{
    struct gg_buf after = GG_BUF_INIT;
    size_t n = BATCH;
    int rc = 0;
    *n_out = 0;
    while (rc == 0 && n == BATCH) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_str *ids;
        int64_t changed = 0;
        rc = mx_media_ids_of_user(server, user_id, gg_buf_view(&after), BATCH, arena, &ids, &n, err);
        if (rc == 0 && n > 0) {
            gg_buf_clear(&after);
            gg_buf_str(&after, ids[n - 1]);
            rc = write_set(server, &(struct mx_media_set){.local_ids = ids, .n_local = n}, by, &changed, err);
        }
        *n_out += changed;
        gg_arena_free(arena);
    }
    gg_buf_done(&after);
    return rc;
}

struct of_room {
    struct mx_server *server;
    struct gg_str by;
    int64_t changed;
};

static int quarantine_batch(void *arg, const struct mx_mxc *files, size_t n, struct gg_error *err)
{
    struct of_room *room = arg;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str *ours = GG_NEW_ARRAY(arena, struct gg_str, n + 1), *origins = GG_NEW_ARRAY(arena, struct gg_str, n + 1),
                  *theirs = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    struct mx_media_set set = {.local_ids = ours, .origins = origins, .remote_ids = theirs};
    int64_t changed = 0;
    for (size_t i = 0; i < n; i++)
        if (gg_str_is(files[i].origin, room->server->name))
            ours[set.n_local++] = files[i].id;
        else {
            origins[set.n_remote] = files[i].origin;
            theirs[set.n_remote++] = files[i].id;
        }
    int rc = n > 0 ? write_set(room->server, &set, room->by, &changed, err) : 0;
    room->changed += changed;
    gg_arena_free(arena);
    return rc;
}

int mx_quarantine_room(struct mx_server *server, struct gg_str room_id, struct gg_str by, int64_t *n_out, struct gg_error *err)
{
    struct of_room room = {.server = server, .by = by};
    int rc = mx_media_of_room(server, room_id, quarantine_batch, &room, err);
    *n_out = room.changed;
    return rc;
}
