/* matrix/push/relation.c: relations, threads and what counts as unread. */
#include "push/relation.h"

#include "json/text.h"
#include "push/push.h"

static struct gg_str text_in(struct gg_str object, const char *key, struct gg_arena *arena)
{
    struct gg_str value = mx_json_is_object(object) ? mx_json_get(object, key) : gg_strn(NULL, 0);
    return mx_json_is_string(value) ? mx_json_string(value, arena) : gg_strn(NULL, 0);
}

struct mx_push_relation mx_push_relation_of(const struct mx_event *event, struct gg_arena *arena)
{
    struct mx_push_relation r = {.rel_type = {NULL, 0}};
    struct gg_str json = mx_json_get(event->content, "m.relates_to");
    if (!mx_json_is_object(json))
        return r;
    r.rel_type = text_in(json, "rel_type", arena);
    r.event_id = text_in(json, "event_id", arena);
    r.reply_to = text_in(mx_json_get(json, "m.in_reply_to"), "event_id", arena);
    r.falling_back = gg_str_is(r.rel_type, "m.thread") && mx_json_true(mx_json_get(json, "is_falling_back"));
    if (!r.rel_type.s || !r.event_id.s)
        r.rel_type = r.event_id = gg_strn(NULL, 0);
    return r;
}

static const char *const unread_state[] = {"m.room.topic", "m.room.name", "m.room.avatar", "m.room.tombstone"};

bool mx_push_makes_unread(const struct mx_event *event, const struct mx_push_relation *relation, struct gg_arena *arena)
{
    bool state = mx_event_is_state(event);
    if (event->meta.rejected.s || event->meta.soft_failed || gg_str_is(relation->rel_type, "m.replace"))
        return false;
    if (!state && gg_str_is(event->type, "m.room.message") &&
        gg_str_is(text_in(event->content, "msgtype", arena), "m.notice"))
        return false;
    if (text_in(event->content, "body", arena).n)
        return true;
    for (size_t i = 0; state && i < GG_COUNT(unread_state); i++)
        if (gg_str_is(event->type, unread_state[i]))
            return true;
    return !state && gg_str_is(event->type, "m.room.encrypted");
}

/* A reaction to a reply of a thread belongs to the thread. Few steps suffice: relations of relations are rare, and what
 * people send may form long chains. */
static const struct gg_stmt find_thread = {
    "WITH RECURSIVE up (parent, kind, steps) AS ("
    " SELECT relates_to_id, relation_type, 0 FROM event_relations WHERE event_id = $1"
    " UNION SELECT r.relates_to_id, r.relation_type, up.steps + 1 FROM up JOIN event_relations r ON r.event_id = up.parent"
    "  WHERE up.steps < 4)"
    " SELECT parent FROM up WHERE kind = 'm.thread' ORDER BY steps DESC LIMIT 1", GG_LANE_POINT};

int mx_push_thread_of(struct mx_server *server, const struct mx_push_relation *relation, struct gg_arena *arena,
                      struct gg_str *out, struct gg_error *err)
{
    *out = gg_str(MX_PUSH_MAIN);
    if (!relation->rel_type.s)
        return 0;
    if (gg_str_is(relation->rel_type, "m.thread")) {
        *out = relation->event_id;
        return 0;
    }
    struct gg_rows *rows;
    if (mx_storable(relation->event_id).s == NULL)
        return 0; /* no event has such an id */
    int rc = gg_db_read(server->db, &find_thread, GG_PARAMS(gg_p_str(relation->event_id)), arena, &rows, err);
    if (rc == 0 && gg_rows_count(rows))
        *out = gg_rows_str(rows, 0, 0);
    return rc;
}
