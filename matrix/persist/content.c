/* matrix/persist/content.c: what the writer reads out of the content of events. */
#include "json/text.h"
#include "writer.h"

struct gg_str mx_content_text(const struct mx_event *event, const char *key, struct gg_arena *arena)
{
    return mx_json_string(mx_json_get(event->content, key), arena);
}

struct gg_str mx_content_redacts(const struct mx_event *event)
{
    return gg_str_is(event->type, "m.room.redaction") ? mx_storable(event->redacts) : gg_strn(NULL, 0);
}

void mx_content_relation(const struct mx_event *event, struct gg_arena *arena, struct mx_planned *out)
{
    struct gg_str relation = mx_json_get(event->content, "m.relates_to");
    if (!relation.s)
        return;
    struct gg_str type = mx_storable(mx_json_string(mx_json_get(relation, "rel_type"), arena));
    struct gg_str parent = mx_storable(mx_json_string(mx_json_get(relation, "event_id"), arena));
    if (!type.s || !parent.s)
        return;
    out->rel_type = type;
    out->relates_to = parent;
    if (gg_str_is(type, "m.annotation"))
        out->rel_key = mx_storable(mx_json_string(mx_json_get(relation, "key"), arena));
}

struct gg_str mx_content_topic(struct gg_str content, struct gg_arena *arena)
{
    struct gg_str blocks = mx_json_path(content, (const char *const[]){"m.topic", "m.text", NULL});
    struct mx_json_iter it = mx_json_iter(blocks);
    while (mx_json_is_array(blocks) && mx_json_next(&it)) {
        struct gg_str mime = mx_json_string(mx_json_get(it.value, "mimetype"), arena);
        struct gg_str body = mx_json_string(mx_json_get(it.value, "body"), arena);
        if ((!mime.s || gg_str_is(mime, "text/plain")) && body.s)
            return body;
    }
    return mx_json_string(mx_json_get(content, "topic"), arena);
}

static struct gg_str nul_to_space(struct gg_str text, struct gg_arena *arena)
{
    if (!text.n || !memchr(text.s, 0, text.n))
        return text;
    char *copy = gg_arena_strndup(arena, text.s, text.n);
    memcpy(copy, text.s, text.n);
    for (size_t i = 0; i < text.n; i++)
        if (!copy[i])
            copy[i] = ' ';
    return gg_strn(copy, text.n);
}

bool mx_content_search(const struct mx_event *event, struct gg_arena *arena, const char **key, struct gg_str *text)
{
    static const struct {
        const char *type, *member, *key;
    } searched[] = {{"m.room.message", "body", "content.body"},
                    {"m.room.name", "name", "content.name"},
                    {"m.room.topic", "topic", "content.topic"}};
    for (size_t i = 0; i < GG_COUNT(searched); i++) {
        if (!gg_str_is(event->type, searched[i].type))
            continue;
        struct gg_str value = mx_content_text(event, searched[i].member, arena);
        if (!value.s)
            return false;
        if (i == 2)
            value = mx_content_topic(event->content, arena);
        *key = searched[i].key;
        *text = nul_to_space(value, arena);
        return true;
    }
    return false;
}

void mx_content_fact(const struct mx_event *event, struct gg_arena *arena, struct mx_room_facts *f)
{
    if (!event->state_key.s || event->state_key.n)
        return;
    if (gg_str_is(event->type, "m.room.create")) {
        f->has_type = true;
        f->room_type = mx_storable(mx_content_text(event, "type", arena));
    } else if (gg_str_is(event->type, "m.room.encryption")) {
        struct gg_str algorithm = mx_json_get(event->content, "algorithm");
        f->has_encrypted = true;
        f->encrypted = algorithm.s && !gg_str_is(algorithm, "null");
    } else if (gg_str_is(event->type, "m.room.name")) {
        f->has_name = true;
        f->name = mx_storable(mx_content_text(event, "name", arena));
    } else if (gg_str_is(event->type, "m.room.tombstone")) {
        f->has_tombstone = true;
        f->tombstone = mx_storable(mx_content_text(event, "replacement_room", arena));
    }
}

bool mx_is_bump(const struct mx_event *event)
{
    static const char *const types[] = {"m.room.create", "m.room.message", "m.room.encrypted", "m.sticker",
                                        "m.call.invite", "m.poll.start",   "m.beacon_info"};
    for (size_t i = 0; i < GG_COUNT(types); i++)
        if (gg_str_is(event->type, types[i]))
            return true;
    return false;
}
