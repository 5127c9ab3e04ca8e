/* load.c: an event's JSON text to struct mx_event, in one pass and one piece of memory.
 *
 * The piece holds the struct, the id arrays, the JSON text and what of the
 * header must be decoded; all else points into the text. */
#include "../json/text.h"
#include "internal.h"
#include <stdlib.h>

/* The top-level members that we keep, as JSON text; nothing but slices. */
struct outline {
    struct gg_str event_id, room_id, type, sender, state_key, redacts, content, unsigned_, ts, depth, prev, auth;
    struct gg_str membership, content_redacts; /* of content, where the type has them */
};

/* Where clients are shown the text as it stands. */
struct runs {
    struct mx_event_run v[MX_EVENT_RUNS];
    unsigned n;
    bool too_many;
};

/* A member that clients are shown: members that follow one another are one run. */
static void add_run(struct runs *runs, struct gg_str json, struct gg_str key, struct gg_str value)
{
    size_t at = (size_t)(key.s - 1 - json.s), end = (size_t)(value.s + value.n - json.s);
    struct mx_event_run *last = runs->n ? &runs->v[runs->n - 1] : NULL;
    bool joins = last && last->at + last->n + 1 == at && json.s[at - 1] == ',';
    if (end > UINT32_MAX || (!joins && runs->n == MX_EVENT_RUNS))
        runs->too_many = true;
    else if (joins)
        last->n = (uint32_t)(end - last->at);
    else
        runs->v[runs->n++] = (struct mx_event_run){(uint32_t)at, (uint32_t)(end - at)};
}

static const struct {
    const char *key;
    uint8_t n, offset;
} wanted[] = {
#define WANTED(key_, member_)                                                                                          \
    {                                                                                                                  \
        key_, sizeof(key_) - 1, offsetof(struct outline, member_)                                                      \
    }
    WANTED("type", type),         WANTED("depth", depth),        WANTED("sender", sender),
    WANTED("content", content),   WANTED("room_id", room_id),    WANTED("redacts", redacts),
    WANTED("event_id", event_id), WANTED("unsigned", unsigned_), WANTED("state_key", state_key),
    WANTED("auth_events", auth),  WANTED("prev_events", prev),   WANTED("origin_server_ts", ts),
};

/* JSON text of a string: is it this one? */
static bool string_is(struct gg_str value, const char *text)
{
    return mx_json_is_string(value) && value.n >= 2 && mx_json_key_is(gg_strn(value.s + 1, value.n - 2), text);
}

static void take_member(struct outline *o, struct gg_str key, struct gg_str value)
{
    for (size_t i = 0; i < GG_COUNT(wanted); i++)
        if (key.n == wanted[i].n && memcmp(key.s, wanted[i].key, key.n) == 0) {
            memcpy((char *)o + wanted[i].offset, &value, sizeof(value));
            return;
        }
}

static void read_outline(struct gg_str json, struct outline *o, struct runs *runs)
{
    struct mx_json_iter it = mx_json_iter(json);
    memset(o, 0, sizeof(*o));
    memset(runs, 0, sizeof(*runs));
    while (it.object && mx_json_next(&it)) {
        take_member(o, it.key, it.value);
        if (!mx_event_hides(it.key, false))
            add_run(runs, json, it.key, it.value);
    }
    if (string_is(o->type, "m.room.member"))
        o->membership = mx_json_get(o->content, "membership");
    else if (string_is(o->type, "m.room.redaction"))
        o->content_redacts = mx_json_get(o->content, "redacts");
}

/* The same outline of a copy of the text. */
static void move_outline(struct outline *o, const char *from, const char *to)
{
    struct gg_str *slots = (struct gg_str *)(void *)o;
    for (size_t i = 0; i < sizeof(*o) / sizeof(*slots); i++)
        if (slots[i].s)
            slots[i].s = to + (slots[i].s - from);
}

struct block {
    char *p, *end;
};

static void *take(struct block *b, size_t n)
{
    char *p = b->p;
    if (n > (size_t)(b->end - p))
        abort(); /* room_for() was wrong */
    b->p += n;
    return p;
}

static struct gg_str put(struct block *b, struct gg_str s)
{
    char *p;
    if (!s.s)
        return s;
    p = take(b, s.n + 1);
    memcpy(p, s.s, s.n);
    p[s.n] = '\0';
    return gg_strn(p, s.n);
}

/* A JSON string as text: a slice of itself, or decoded into the block; s NULL if it is no string. */
static struct gg_str put_string(struct block *b, struct gg_str value)
{
    struct gg_str raw;
    char *p;
    if (value.n < 2 || value.s[0] != '"')
        return gg_strn(NULL, 0);
    raw = gg_strn(value.s + 1, value.n - 2);
    if (!memchr(raw.s, '\\', raw.n))
        return raw;
    p = b->p;
    raw.n = mx_text_decode(raw, take(b, raw.n + 1));
    p[raw.n] = '\0';
    return gg_strn(p, raw.n);
}

/* Ids in an array of ids or, in format 1, of [id, {hashes}]. */
static size_t put_ids(struct block *b, struct gg_str array, struct gg_str *out)
{
    struct mx_json_iter it = mx_json_iter(array);
    size_t n = 0;
    while (mx_json_next(&it)) {
        struct gg_str id = it.value;
        if (mx_json_is_array(id)) {
            struct mx_json_iter pair = mx_json_iter(id);
            id = mx_json_next(&pair) ? pair.value : gg_strn(NULL, 0);
        }
        id = put_string(b, id);
        if (id.s)
            out[n++] = id;
    }
    return n;
}

static size_t escapes(struct gg_str value)
{
    return value.n && memchr(value.s, '\\', value.n) ? value.n : 0;
}

/* An upper bound of the block's size. */
static size_t room_for(const struct outline *o, struct gg_str json, struct gg_str event_id, struct mx_event_meta *meta,
                       struct gg_str metadata, size_t ids)
{
    struct gg_str *slots[MX_META_STRINGS];
    size_t n = sizeof(struct mx_event) + ids * sizeof(struct gg_str) + json.n + 1 + event_id.n + 1;
    n += 2 * (event_id.n + 1); /* room id and create event id made of an id */
    n += o->event_id.n + o->room_id.n + 2;
    n += escapes(o->event_id) + escapes(o->room_id) + escapes(o->type) + escapes(o->sender) + escapes(o->state_key) +
         escapes(o->redacts) + escapes(o->membership) + escapes(o->content_redacts) + escapes(o->prev) +
         escapes(o->auth);
    n += 32;             /* NULs of decoded strings */
    n += 2 * metadata.n; /* decoded, then copied */
    mx_event_meta_strings(meta, slots);
    for (size_t i = 0; i < MX_META_STRINGS; i++)
        n += slots[i]->n + 1;
    return n;
}

static void read_metadata(struct mx_event_meta *m, struct gg_str json, struct block *b)
{
    struct mx_json_iter it = mx_json_iter(json);
    while (it.object && mx_json_next(&it)) {
        bool yes = mx_json_true(it.value);
        if (mx_json_key_is(it.key, "out_of_band_membership"))
            m->out_of_band = yes;
        else if (mx_json_key_is(it.key, "recheck_redaction"))
            m->recheck_redaction = yes;
        else if (mx_json_key_is(it.key, "soft_failed"))
            m->soft_failed = yes;
        else if (mx_json_key_is(it.key, "redacted"))
            m->redacted = yes;
        else if (mx_json_key_is(it.key, "proactively_send"))
            m->not_proactively_send = gg_str_is(it.value, "false");
        else if (mx_json_key_is(it.key, "send_on_behalf_of"))
            m->send_on_behalf_of = put(b, put_string(b, it.value));
        else if (mx_json_key_is(it.key, "txn_id"))
            m->txn_id = put(b, put_string(b, it.value));
        else if (mx_json_key_is(it.key, "delay_id"))
            m->delay_id = put(b, put_string(b, it.value));
        else if (mx_json_key_is(it.key, "device_id"))
            m->device_id = put(b, put_string(b, it.value));
        else if (mx_json_key_is(it.key, "token_id"))
            mx_json_i64(it.value, &m->token_id);
    }
}

static int64_t number_of(struct gg_str value)
{
    int64_t v = 0;
    mx_json_i64(value, &v);
    return v;
}

static void read_unsigned(struct mx_event *e)
{
    for (struct mx_json_iter it = mx_json_iter(e->unsigned_); mx_json_next(&it);) {
        if (mx_json_key_is(it.key, "age_ts"))
            e->age_ts = number_of(it.value);
        else if (mx_json_key_is(it.key, "replaces_state"))
            e->replaces_state = it.value;
    }
}

static void read_header(struct mx_event *e, struct block *b, const struct outline *o)
{
    e->type = put_string(b, o->type);
    e->sender = put_string(b, o->sender);
    e->state_key = put_string(b, o->state_key);
    e->content = mx_json_is_object(o->content) ? o->content : GG_STR("{}");
    e->unsigned_ = mx_json_is_object(o->unsigned_) ? o->unsigned_ : gg_strn(NULL, 0);
    read_unsigned(e);
    e->origin_server_ts = number_of(o->ts);
    e->depth = number_of(o->depth);
    e->membership = put_string(b, o->membership);
    if (gg_str_is(e->type, "m.room.redaction"))
        e->redacts = put_string(b, e->version->redacts_in_content ? o->content_redacts : o->redacts);
}

/* '!' and '$' name the same hash in version 12. */
static struct gg_str with_sigil(struct block *b, struct gg_str id, char sigil)
{
    struct gg_str copy = put(b, id);
    if (copy.n)
        ((char *)copy.s)[0] = sigil;
    return copy;
}

static void read_ids(struct mx_event *e, struct block *b, const struct outline *o, struct gg_str event_id)
{
    bool is_create = gg_str_is(e->type, "m.room.create") && e->state_key.s && !e->state_key.n;
    struct gg_str *ids = (struct gg_str *)(void *)(e + 1), *auth;
    e->event_id = event_id.s ? put(b, event_id) : put_string(b, o->event_id);
    e->room_id = put_string(b, o->room_id);
    e->prev_events = ids;
    e->n_prev = put_ids(b, o->prev, ids);
    e->auth_events = auth = ids + e->n_prev;
    e->n_auth = put_ids(b, o->auth, auth);
    if (!e->version->room_id_is_hash)
        return;
    if (is_create && !e->room_id.s)
        e->room_id = with_sigil(b, e->event_id, '!');
    else if (!is_create && e->room_id.s)
        auth[e->n_auth++] = with_sigil(b, e->room_id, '$');
}

int mx_event_from_text(struct gg_str json, const struct mx_room_version *version, struct gg_str event_id,
                       const struct mx_event_meta *meta, struct gg_str metadata_json, struct mx_event **out,
                       struct gg_error *err)
{
    struct mx_event_meta known = meta ? *meta : (struct mx_event_meta){0};
    struct gg_str *slots[MX_META_STRINGS];
    struct outline o;
    struct runs runs;
    struct mx_event *e;
    struct block b;
    size_t ids, size;
    read_outline(json, &o, &runs);
    if (!mx_json_is_string(o.type) || !mx_json_is_string(o.sender) || (!event_id.s && !mx_json_is_string(o.event_id)))
        return gg_refuse(err, 400, "M_BAD_JSON", "Not an event: type, sender or event id is missing");
    ids = mx_json_length(o.prev) + mx_json_length(o.auth) + 1;
    size = room_for(&o, json, event_id, &known, metadata_json, ids);
    if (!(e = malloc(size)))
        abort();
    memset(e, 0, sizeof(*e));
    b = (struct block){(char *)(e + 1) + ids * sizeof(struct gg_str), (char *)e + size};
    e->version = version;
    e->refs = 1;
    e->bytes = size;
    e->json = put(&b, json);
    memcpy(e->shown, runs.v, sizeof(e->shown));
    e->n_shown = runs.too_many ? 0 : runs.n;
    move_outline(&o, json.s, e->json.s);
    read_header(e, &b, &o);
    read_ids(e, &b, &o, event_id);
    e->meta = known;
    mx_event_meta_strings(&e->meta, slots);
    for (size_t i = 0; i < MX_META_STRINGS; i++)
        *slots[i] = put(&b, *slots[i]);
    read_metadata(&e->meta, metadata_json, &b);
    *out = e;
    return 0;
}

int mx_event_load(struct gg_str json, const struct mx_room_version *version, struct gg_str event_id,
                  struct gg_str metadata_json, struct mx_event **out, struct gg_error *err)
{
    return mx_event_from_text(json, version, event_id, NULL, metadata_json, out, err);
}

struct mx_event *mx_event_ref(const struct mx_event *event)
{
    struct mx_event *e = (struct mx_event *)event;
    __atomic_add_fetch(&e->refs, 1, __ATOMIC_RELAXED);
    return e;
}

void mx_event_unref(const struct mx_event *event)
{
    struct mx_event *e = (struct mx_event *)event;
    if (e && __atomic_sub_fetch(&e->refs, 1, __ATOMIC_ACQ_REL) == 0)
        free(e);
}

struct mx_event *mx_event_with_meta(const struct mx_event *event, const struct mx_event_meta *meta)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str none = {NULL, 0};
    struct mx_event *copy;
    if (mx_event_from_text(event->json, event->version, event->event_id, meta, none, &copy, &err) != 0)
        abort(); /* it was an event before */
    return copy;
}

bool mx_event_is(const struct mx_event *e, const char *type, const char *state_key)
{
    return gg_str_is(e->type, type) && (!state_key || (e->state_key.s && gg_str_is(e->state_key, state_key)));
}
