/* meta.c: an event's internal_metadata column (facts database 6.3). */
#include "internal.h"

void mx_event_meta_strings(struct mx_event_meta *meta, struct gg_str *slots[MX_META_STRINGS])
{
    struct gg_str *all[MX_META_STRINGS] = {&meta->instance, &meta->txn_id,   &meta->device_id,
                                           &meta->delay_id, &meta->rejected, &meta->send_on_behalf_of};
    memcpy(slots, all, sizeof(all));
}

static void add_key(struct gg_buf *out, size_t start, const char *key)
{
    if (out->n > start + 1)
        gg_buf_char(out, ',');
    gg_buf_printf(out, "\"%s\":", key);
}

void mx_event_meta_json(const struct mx_event *event, struct gg_buf *out)
{
    const struct mx_event_meta *m = &event->meta;
    const struct {
        const char *key;
        bool yes;
    } flags[] = {{"out_of_band_membership", m->out_of_band},
                 {"recheck_redaction", m->recheck_redaction},
                 {"soft_failed", m->soft_failed},
                 {"redacted", m->redacted}};
    const struct {
        const char *key;
        struct gg_str text;
    } texts[] = {{"send_on_behalf_of", m->send_on_behalf_of},
                 {"txn_id", m->txn_id},
                 {"delay_id", m->delay_id},
                 {"device_id", m->device_id}};
    size_t start = out->n;
    gg_buf_char(out, '{');
    for (size_t i = 0; i < GG_COUNT(flags); i++)
        if (flags[i].yes) {
            add_key(out, start, flags[i].key);
            gg_buf_lit(out, "true");
        }
    if (m->not_proactively_send) {
        add_key(out, start, "proactively_send");
        gg_buf_lit(out, "false");
    }
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        if (texts[i].text.s) {
            add_key(out, start, texts[i].key);
            gg_buf_json_string(out, texts[i].text);
        }
    if (m->token_id) {
        add_key(out, start, "token_id");
        gg_buf_i64(out, m->token_id);
    }
    gg_buf_char(out, '}');
}
