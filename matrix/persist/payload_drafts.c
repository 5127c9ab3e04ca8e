/* matrix/persist/payload_drafts.c: what of events only a writer of our own kind understands.
 *
 * `drafts`: for each event [groups, notifications]: groups are [[id, parent, has_entry], ...], state groups that nobody has
 * stored yet; notifications are [[user, actions, thread, notify, highlight, unread], ...], which else would wait in
 * event_push_actions_staging. */
#include "payload.h"

#include "json/text.h"

static void add_bool(struct gg_buf *out, bool value)
{
    gg_buf_text(out, value ? ",true" : ",false");
}

static void add_groups(struct gg_buf *out, const struct mx_persist_item *item)
{
    gg_buf_char(out, '[');
    for (size_t i = 0; i < item->n_new_groups; i++) {
        const struct mx_new_group *g = &item->new_groups[i];
        gg_buf_printf(out, "%s[%lld,%lld", i > 0 ? "," : "", (long long)g->id, (long long)g->parent);
        add_bool(out, g->has_entry);
        gg_buf_char(out, ']');
    }
    gg_buf_char(out, ']');
}

static void add_push(struct gg_buf *out, const struct mx_persist_item *item)
{
    gg_buf_char(out, '[');
    for (size_t i = 0; i < item->n_push; i++) {
        const struct mx_push_action *a = &item->push[i];
        const struct gg_str texts[] = {a->user_id, a->actions, a->thread_id};
        gg_buf_text(out, i > 0 ? ",[" : "[");
        for (size_t k = 0; k < GG_COUNT(texts); k++) {
            if (k > 0)
                gg_buf_char(out, ',');
            gg_buf_json_string(out, texts[k]);
        }
        add_bool(out, a->notify);
        add_bool(out, a->highlight);
        add_bool(out, a->unread);
        gg_buf_char(out, ']');
    }
    gg_buf_char(out, ']');
}

void mx_payload_add_drafts(struct gg_buf *out, const struct mx_persist_item *items, size_t n)
{
    gg_buf_lit(out, ",\"drafts\":[");
    for (size_t i = 0; i < n; i++) {
        gg_buf_text(out, i > 0 ? ",[" : "[");
        add_groups(out, &items[i]);
        gg_buf_char(out, ',');
        add_push(out, &items[i]);
        gg_buf_char(out, ']');
    }
    gg_buf_char(out, ']');
}

static int malformed(struct gg_error *err)
{
    return gg_refuse(err, 400, "M_BAD_JSON", "The draft of an event is not what it should be");
}

static int read_groups(struct gg_str list, struct gg_arena *arena, struct mx_persist_item *item, struct gg_error *err)
{
    struct mx_new_group *groups = GG_NEW_ARRAY(arena, struct mx_new_group, mx_json_length(list) + 1);
    struct mx_json_iter each = mx_json_iter(list);
    item->new_groups = groups;
    while (mx_json_next(&each)) {
        struct mx_new_group *g = &groups[item->n_new_groups++];
        struct mx_json_iter v = mx_json_iter(each.value);
        if (!mx_json_is_array(each.value) || !mx_json_next(&v) || !mx_json_i64(v.value, &g->id) || !mx_json_next(&v) ||
            !mx_json_i64(v.value, &g->parent) || !mx_json_next(&v))
            return malformed(err);
        g->has_entry = mx_json_true(v.value);
    }
    return 0;
}

static int read_push(struct gg_str list, struct gg_arena *arena, struct mx_persist_item *item, struct gg_error *err)
{
    struct mx_push_action *actions = GG_NEW_ARRAY(arena, struct mx_push_action, mx_json_length(list) + 1);
    struct mx_json_iter each = mx_json_iter(list);
    item->push = actions;
    item->push_known = true;
    while (mx_json_next(&each)) {
        struct mx_push_action *a = &actions[item->n_push++];
        struct gg_str *const texts[] = {&a->user_id, &a->actions, &a->thread_id};
        bool *const flags[] = {&a->notify, &a->highlight, &a->unread};
        struct mx_json_iter v = mx_json_iter(each.value);
        if (!mx_json_is_array(each.value))
            return malformed(err);
        for (size_t i = 0; i < GG_COUNT(texts); i++)
            if (!mx_json_next(&v) || (*texts[i] = mx_storable(mx_json_string(v.value, arena))).s == NULL)
                return malformed(err);
        for (size_t i = 0; i < GG_COUNT(flags); i++) {
            if (!mx_json_next(&v))
                return malformed(err);
            *flags[i] = mx_json_true(v.value);
        }
    }
    return 0;
}

int mx_payload_read_drafts(struct gg_str body, struct gg_arena *arena, struct mx_persist_item *items, size_t n,
                           struct gg_error *err)
{
    struct gg_str drafts = mx_json_get(body, "drafts");
    struct mx_json_iter each = mx_json_iter(drafts);
    if (drafts.s == NULL)
        return 0;
    if (!mx_json_is_array(drafts) || mx_json_length(drafts) != n)
        return malformed(err);
    for (size_t i = 0; i < n && mx_json_next(&each); i++) {
        struct mx_json_iter of = mx_json_iter(each.value);
        if (!mx_json_is_array(each.value) || !mx_json_next(&of) || !mx_json_is_array(of.value))
            return malformed(err);
        int rc = read_groups(of.value, arena, &items[i], err);
        if (rc == 0 && (!mx_json_next(&of) || !mx_json_is_array(of.value)))
            rc = malformed(err);
        if (rc == 0)
            rc = read_push(of.value, arena, &items[i], err);
        if (rc != 0)
            return rc;
    }
    return 0;
}
