/* matrix/rooms/check_relation.c: what an event may relate to. */
#include "rooms/check_relation.h"

#include "json/text.h"
#include "rooms/relations.h"
#include "storage/relations.h"

struct relation {
    struct gg_str type, parent, key; /* s NULL where it is no string */
};

static struct relation read_relation(struct gg_str content, struct gg_arena *arena)
{
    struct gg_str json = mx_json_get(content, "m.relates_to");
    return (struct relation){mx_json_string(mx_json_get(json, "rel_type"), arena), mx_json_string(mx_json_get(json, "event_id"), arena),
                             mx_json_string(mx_json_get(json, "key"), arena)};
}

/* A client may know an event that we do not: then something else relates to it already. */
static int check_unknown(struct mx_chain *chain, const struct relation *r, struct gg_error *err)
{
    bool known = false;
    int rc = mx_relations_any(chain->server, r->parent, &known, err);
    return rc != 0 || known ? rc : gg_refuse(err, 400, "M_UNKNOWN", "Can't send relation to unknown event");
}

static size_t code_points(struct gg_str text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((unsigned char)text.s[i] & 0xC0) != 0x80;
    return n;
}

/* Among the events of the same run, which are in no table yet. */
static bool repeats_own(struct mx_chain *chain, struct gg_str sender, struct gg_str type, const struct relation *r)
{
    for (size_t i = 0; i < chain->n; i++) {
        const struct mx_event *e = chain->events[i];
        if (!gg_str_eq(e->type, type) || !gg_str_eq(e->sender, sender))
            continue;
        struct relation other = read_relation(e->content, chain->arena);
        if (gg_str_is(other.type, "m.annotation") && gg_str_eq(other.parent, r->parent) && gg_str_eq(other.key, r->key))
            return true;
    }
    return false;
}

static int check_annotation(struct mx_chain *chain, struct gg_str sender, struct gg_str type, const struct relation *r,
                            struct gg_error *err)
{
    enum { LONGEST_KEY = 500 };
    bool twice = false;
    if (r->key.s == NULL)
        return gg_refuse(err, 400, "M_UNKNOWN", "Missing aggregation key");
    if (code_points(r->key) > LONGEST_KEY)
        return gg_refuse(err, 400, "M_UNKNOWN", "Aggregation key is too long");
    int rc = repeats_own(chain, sender, type, r) ? 0 : mx_relations_annotated(chain->server, r->parent, type, r->key, sender, &twice, err);
    if (rc == 0 && (twice || repeats_own(chain, sender, type, r)))
        rc = gg_refuse(err, 400, "M_DUPLICATE_ANNOTATION", "Can't send same reaction twice");
    return rc;
}

int mx_check_relation(struct mx_chain *chain, struct gg_str sender, const struct mx_new_event *event, struct gg_error *err)
{
    struct relation r = read_relation(event->content, chain->arena);
    const struct mx_event *parent;
    if (r.type.s == NULL || r.parent.s == NULL)
        return 0;
    bool unheld = r.key.s != NULL && mx_storable(r.key).s == NULL;
    if (mx_storable(r.parent).s == NULL || (gg_str_is(r.type, "m.annotation") && unheld))
        return gg_refuse(err, 400, "M_UNKNOWN", "Can't send relation to unknown event");
    int rc = mx_store_events(chain->server, &r.parent, 1, false, chain->arena, &parent, err);
    if (rc == 0 && parent == NULL)
        rc = check_unknown(chain, &r, err);
    if (rc == 0 && parent != NULL && !gg_str_eq(parent->room_id, chain->room_id))
        rc = gg_refuse(err, 400, "M_UNKNOWN", "Relations must be in the same room");
    if (rc == 0 && gg_str_is(r.type, "m.annotation"))
        rc = check_annotation(chain, sender, event->type, &r, err);
    if (rc == 0 && gg_str_is(r.type, "m.thread") && parent != NULL && mx_relation_type(parent, chain->arena).s != NULL)
        rc = gg_refuse(err, 400, "M_UNKNOWN", "Cannot start threads from an event with a relation");
    return rc;
}
