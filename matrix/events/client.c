/* client.c: events as clients see them (client-server "Room event format"), spliced out of the stored bytes. */
#include "internal.h"

#define NAME(literal_)                                                                                                 \
    {                                                                                                                  \
        literal_, sizeof(literal_) - 1                                                                                 \
    }
/* What clients see of unsigned. Nothing else: a remote server must not put words (m.relations, membership) into it. */
static const struct gg_str shown_unsigned[] = {NAME("prev_content"), NAME("prev_sender"), NAME("replaces_state"),
                                               NAME("redacted_because"), NAME("redacted_by")};
/* Top-level members that servers need; or that we write ourselves. */
static const struct gg_str hidden[] = {NAME("unsigned"),   NAME("event_id"), NAME("room_id"), NAME("auth_events"),
                                       NAME("prev_events"), NAME("hashes"),   NAME("signatures"), NAME("depth"),
                                       NAME("origin"),      NAME("prev_state")};
enum { OURS = 3 }; /* the first of them, which no format copies */

/* Stored text has no escapes in names like these. */
static bool is_one_of(struct gg_str key, const struct gg_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (key.n == names[i].n && memcmp(key.s, names[i].s, key.n) == 0)
            return true;
    return false;
}

bool mx_event_hides(struct gg_str key, bool federation)
{
    return is_one_of(key, hidden, federation ? OURS : GG_COUNT(hidden));
}

static void comma(struct gg_buf *out, bool *first)
{
    if (!*first)
        gg_buf_char(out, ',');
    *first = false;
}

/* A member as it stands: from the quote before its key to the end of its value. */
static void copy_member(struct gg_buf *out, bool *first, struct gg_str key, struct gg_str value)
{
    const char *start = key.s - 1;
    comma(out, first);
    gg_buf_add(out, start, (size_t)(value.s + value.n - start));
}

static void text_member(struct gg_buf *out, bool *first, const char *key, struct gg_str text)
{
    comma(out, first);
    gg_buf_char(out, '"');
    gg_buf_text(out, key);
    gg_buf_lit(out, "\":");
    gg_buf_json_string(out, text);
}

/* Transaction ids are for the device that sent the event (client-server "Local echo"); old rows know its token. */
static bool own_device(const struct mx_event *e, const struct mx_client_format *f)
{
    if (!f->user_id.s || !gg_str_eq(e->sender, f->user_id))
        return false;
    if (e->meta.device_id.s)
        return f->device_id.s && gg_str_eq(e->meta.device_id, f->device_id);
    return e->meta.token_id && e->meta.token_id == f->token_id;
}

static void write_all(struct gg_buf *out, const struct mx_event *e, const struct mx_client_format *f);

static void json_member(struct gg_buf *out, bool *first, const char *key, struct gg_str json)
{
    comma(out, first);
    gg_buf_char(out, '"');
    gg_buf_text(out, key);
    gg_buf_lit(out, "\":");
    gg_buf_str(out, json);
}

/* A redaction inside what it redacted carries nothing of its own but what it says. */
static void write_because(struct gg_buf *out, bool *first, const struct mx_client_format *f)
{
    struct mx_client_format inner = *f;
    inner.replaced = inner.redaction = NULL;
    inner.membership = inner.extra_unsigned = gg_strn(NULL, 0);
    inner.inner = true;
    comma(out, first);
    gg_buf_lit(out, "\"redacted_because\":");
    write_all(out, f->redaction, &inner);
}

/* What was looked up for the event replaces what may be stored with it; inside another one it says less. */
static bool looked_up(struct gg_str key, const struct mx_client_format *f)
{
    return (f->replaced && (gg_str_is(key, "prev_content") || gg_str_is(key, "prev_sender"))) ||
           (f->redaction && gg_str_is(key, "redacted_because")) ||
           (f->inner && (gg_str_is(key, "redacted_because") || gg_str_is(key, "redacted_by")));
}

static void write_age(struct gg_buf *out, bool *first, const struct mx_event *e, const struct mx_client_format *f)
{
    if (!f->now_ms || !e->age_ts)
        return;
    comma(out, first);
    gg_buf_lit(out, "\"age\":");
    gg_buf_i64(out, f->now_ms - e->age_ts);
}

static void write_unsigned(struct gg_buf *out, const struct mx_event *e, const struct mx_client_format *f)
{
    bool none = true, own = own_device(e, f);
    gg_buf_lit(out, ",\"unsigned\":{");
    for (struct mx_json_iter it = mx_json_iter(e->unsigned_); mx_json_next(&it);)
        if (is_one_of(it.key, shown_unsigned, GG_COUNT(shown_unsigned)) && !looked_up(it.key, f))
            copy_member(out, &none, it.key, it.value);
    write_age(out, &none, e, f);
    if (f->replaced) {
        json_member(out, &none, "prev_content", f->replaced->content);
        text_member(out, &none, "prev_sender", f->replaced->sender);
    }
    if (f->redaction)
        write_because(out, &none, f);
    if (f->membership.s)
        text_member(out, &none, "membership", f->membership);
    if (own && e->meta.txn_id.s)
        text_member(out, &none, "transaction_id", e->meta.txn_id);
    if (own && e->meta.delay_id.s)
        text_member(out, &none, "org.matrix.msc4140.delay_id", e->meta.delay_id);
    if (f->extra_unsigned.n) {
        comma(out, &none);
        gg_buf_str(out, f->extra_unsigned);
    }
    gg_buf_char(out, '}');
}

/* Old and new clients look for `redacts` in different places (room version 11, "Moving the redacts property"): it is
 * served in both. */
static void write_redaction_content(struct gg_buf *out, const struct mx_event *e)
{
    bool first = false;
    gg_buf_char(out, '{');
    gg_buf_lit(out, "\"redacts\":");
    gg_buf_json_string(out, e->redacts);
    for (struct mx_json_iter it = mx_json_iter(e->content); mx_json_next(&it);)
        if (!gg_str_is(it.key, "redacts"))
            copy_member(out, &first, it.key, it.value);
    gg_buf_char(out, '}');
}

/* The runs that were found when the event was loaded: all that is hidden need not be looked at each time. */
static void write_runs(struct gg_buf *out, const struct mx_event *e, bool *first)
{
    for (unsigned i = 0; i < e->n_shown; i++) {
        comma(out, first);
        gg_buf_add(out, e->json.s + e->shown[i].at, e->shown[i].n);
    }
}

static void write_members(struct gg_buf *out, const struct mx_event *e, const struct mx_client_format *f, bool *first)
{
    bool to_content = e->redacts.s && !e->version->redacts_in_content;
    bool to_top = e->redacts.s && e->version->redacts_in_content;
    for (struct mx_json_iter it = mx_json_iter(e->json); mx_json_next(&it);) {
        if (mx_event_hides(it.key, f->federation) || (to_top && gg_str_is(it.key, "redacts")))
            continue;
        if (to_content && gg_str_is(it.key, "content")) {
            comma(out, first);
            gg_buf_lit(out, "\"content\":");
            write_redaction_content(out, e);
        } else {
            copy_member(out, first, it.key, it.value);
        }
    }
    if (to_top)
        text_member(out, first, "redacts", e->redacts);
}

/* Members of unsigned that the first client format had at the top. */
static void write_old_copies(struct gg_buf *out, bool *first, const struct mx_event *e, const struct mx_client_format *f)
{
    text_member(out, first, "user_id", e->sender);
    write_age(out, first, e, f);
    if (e->replaces_state.s)
        json_member(out, first, "replaces_state", e->replaces_state);
    if (f->replaced)
        json_member(out, first, "prev_content", f->replaced->content);
    if (f->redaction)
        write_because(out, first, f);
}

/* A version 12 create event has no room_id of its own; clients get one everywhere. */
static bool shows_room_id(const struct mx_event *e, const struct mx_client_format *f)
{
    return e->room_id.s && (!f->without_room_id || (e->version->room_id_is_hash && mx_event_is(e, "m.room.create", "")));
}

static void write_all(struct gg_buf *out, const struct mx_event *e, const struct mx_client_format *f)
{
    bool first = true;
    gg_buf_reserve(out, e->json.n + 256);
    gg_buf_char(out, '{');
    if (e->n_shown && !f->federation && !e->redacts.s)
        write_runs(out, e, &first);
    else
        write_members(out, e, f, &first);
    text_member(out, &first, "event_id", e->event_id);
    if (shows_room_id(e, f))
        text_member(out, &first, "room_id", e->room_id);
    if (f->old_copies)
        write_old_copies(out, &first, e, f);
    write_unsigned(out, e, f);
    gg_buf_char(out, '}');
}

void mx_event_write_client(struct gg_buf *out, const struct mx_event *event, const struct mx_client_format *format)
{
    struct gg_buf whole = GG_BUF_INIT;
    if (!format->n_fields) {
        write_all(out, event, format);
        return;
    }
    write_all(&whole, event, format);
    mx_event_write_fields(out, gg_buf_view(&whole), format->fields, format->n_fields);
    gg_buf_done(&whole);
}
