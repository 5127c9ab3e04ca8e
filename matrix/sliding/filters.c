/* matrix/sliding/filters.c: a list's filters (MSC3575, "filters", as MSC4186 keeps them). */
#include "sliding/sliding.h"

#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

/* ---- spaces: rooms that a space names as its children ---- */

static bool is_child(const struct mx_event *e)
{
    return e != NULL && mx_json_is_array(mx_json_get(e->content, "via")); /* spec "Spaces": without via it is none */
}

static int add_children(struct mx_sliding *s, struct gg_str space, struct gg_map *children, struct gg_error *err)
{
    const struct mx_sliding_entry *entry = mx_sliding_find(s, space);
    const struct mx_head *head;
    struct mx_state_entry child;
    size_t n = 0;
    if (entry == NULL || !mx_sliding_is(entry, "join"))
        return 0;
    int rc = mx_heads_get(s->server, space, s->arena, &head, err);
    if (rc != 0)
        return rc;
    struct gg_str *ids = GG_NEW_ARRAY(s->arena, struct gg_str, mx_state_count(head->state) + 1);
    for (size_t i = 0; mx_state_next_of(head->state, GG_STR("m.space.child"), &i, &child);)
        ids[n++] = child.event_id;
    const struct mx_event **events = GG_NEW_ARRAY(s->arena, const struct mx_event *, n + 1);
    rc = mx_store_events(s->server, ids, n, false, s->arena, events, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (is_child(events[i]))
            mx_text_add(children, events[i]->state_key);
    return rc;
}

static int children_of(struct mx_sliding *s, const struct mx_texts *spaces, struct gg_map **out, struct gg_error *err)
{
    int rc = 0;
    *out = NULL;
    if (spaces->v == NULL)
        return 0;
    *out = mx_text_set(s->arena);
    for (size_t i = 0; rc == 0 && i < spaces->n; i++)
        rc = add_children(s, spaces->v[i], *out, err);
    return rc;
}

/* ---- names ---- */

static void free_text(void *text)
{
    free(text);
}

static struct gg_str folded(struct mx_sliding *s, struct gg_str text)
{
    size_t n;
    uint8_t *out = u8_casefold((const uint8_t *)text.s, text.n, NULL, UNINORM_NFC, NULL, &n);
    if (out == NULL)
        return text;
    gg_arena_defer(s->arena, free_text, out);
    return gg_strn((const char *)out, n);
}

static bool name_has(struct mx_sliding *s, struct gg_str name, struct gg_str part)
{
    struct gg_str in = name.n > 0 ? folded(s, name) : name;
    return part.n == 0 || (in.n > 0 && memmem(in.s, in.n, part.s, part.n) != NULL);
}

/* ---- all of them ---- */

struct filtering {
    const struct mx_sliding_filters *filters;
    const struct gg_map *children;
    struct gg_str name_part;           /* folded; s NULL: any */
    const struct mx_room_facts *named; /* facts with names of all entries, if name_part is given */
};

static bool asked(int filter, bool is)
{
    return filter < 0 || (filter != 0) == is;
}

static bool type_passes(const struct mx_sliding_filters *f, const struct mx_room_facts *facts)
{
    if (f->room_types.v == NULL && f->not_room_types.v == NULL)
        return true;
    return facts->known && (f->room_types.v == NULL || mx_texts_have(&f->room_types, facts->type)) &&
           (f->not_room_types.v == NULL || !mx_texts_have(&f->not_room_types, facts->type));
}

static bool passes(struct mx_sliding *s, const struct filtering *w, size_t i)
{
    const struct mx_sliding_entry *entry = &s->entries[i];
    const struct mx_sliding_filters *f = w->filters;
    struct gg_str room_id = entry->room->room_id;
    return (f->is_dm < 0 || asked(f->is_dm, mx_room_is_direct(s->roster->base->labels, room_id))) &&
           (w->children == NULL || gg_map_has(w->children, room_id)) &&
           (f->is_encrypted < 0 || (entry->facts.known && asked(f->is_encrypted, entry->facts.encrypted))) &&
           asked(f->is_invite, mx_sliding_is(entry, "invite")) && type_passes(f, &entry->facts) &&
           (f->tags.v == NULL || mx_room_has_tag(s->roster->base->labels, room_id, &f->tags)) &&
           (f->not_tags.v == NULL || !mx_room_has_tag(s->roster->base->labels, room_id, &f->not_tags)) &&
           (w->name_part.s == NULL || name_has(s, w->named[i].name, w->name_part));
}

static int read_names(struct mx_sliding *s, struct filtering *w, struct gg_error *err)
{
    const struct mx_user_room **rooms = GG_NEW_ARRAY(s->arena, const struct mx_user_room *, s->n_entries + 1);
    struct mx_room_facts *facts = GG_NEW_ARRAY(s->arena, struct mx_room_facts, s->n_entries + 1);
    for (size_t i = 0; i < s->n_entries; i++)
        rooms[i] = s->entries[i].room;
    w->named = facts;
    w->name_part = folded(s, w->filters->room_name_like);
    return mx_room_facts(s->server, s->user_id, rooms, s->n_entries, true, s->arena, facts, err);
}

int mx_sliding_filter(struct mx_sliding *s, const struct mx_sliding_filters *filters, bool *pass, struct gg_error *err)
{
    struct gg_map *children;
    int rc = children_of(s, &filters->spaces, &children, err);
    struct filtering w = {.filters = filters, .children = children};
    if (rc == 0 && filters->room_name_like.s != NULL)
        rc = read_names(s, &w, err);
    for (size_t i = 0; rc == 0 && i < s->n_entries; i++)
        pass[i] = passes(s, &w, i);
    return rc;
}
