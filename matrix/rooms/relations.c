/* matrix/rooms/relations.c: what is aggregated of the events that relate to one and shown with it. */
#include "rooms/relations.h"

#include "storage/relations.h"
#include "storage/relations_cache.h"
#include "userdata/ignored.h"

struct gg_str mx_relation_type(const struct mx_event *event, struct gg_arena *arena)
{
    struct gg_str relation = mx_json_get(event->content, "m.relates_to");
    struct gg_str type = mx_json_string(mx_json_get(relation, "rel_type"), arena);
    return mx_json_is_string(mx_json_get(relation, "event_id")) ? type : (struct gg_str){0};
}

int mx_relations_filter(struct mx_server *server, const struct mx_filter *filter, const struct mx_event **events, size_t n,
                        struct gg_arena *arena, struct gg_error *err)
{
    struct mx_id_list types = {filter->related_types.v, filter->related_types.n};
    struct mx_id_list senders = {filter->related_senders.v, filter->related_senders.n};
    struct gg_str *ids = GG_NEW_ARRAY(arena, struct gg_str, n + 1);
    bool *related = GG_NEW_ARRAY(arena, bool, n + 1);
    if (types.n == 0 && senders.n == 0)
        return 0;
    for (size_t i = 0; i < n; i++)
        ids[i] = events[i] != NULL ? events[i]->event_id : GG_STR("");
    int rc = mx_relations_by(server, ids, n, &types, &senders, arena, related, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (!related[i])
            events[i] = NULL;
    return rc;
}

/* ---- gathering ---- */

/* The events that can have a bundle, each once, and where it goes. */
struct asked {
    struct mx_server *server;
    struct gg_str user_id;
    struct gg_arena *arena;
    struct mx_id_list ignored;
    const struct mx_event **events;
    struct mx_bundle **bundles;        /* made when there is something to put in */
    bool *relates;                     /* the event itself relates to another: no thread can begin at it */
    uint8_t *kinds;
    size_t n;
};

/* The ids of those that have some kind; places[k] is where the k-th stands in asked. */
struct chosen {
    struct gg_str *ids;
    size_t *places;
    size_t n;
};

static struct chosen choose(const struct asked *a, uint8_t kind)
{
    struct chosen c = {GG_NEW_ARRAY(a->arena, struct gg_str, a->n + 1), GG_NEW_ARRAY(a->arena, size_t, a->n + 1), 0};
    for (size_t i = 0; i < a->n; i++) {
        bool fits = kind == 0 || ((a->kinds[i] & kind) != 0 && !(kind == MX_HAS_THREAD && a->relates[i]) &&
                                  !(kind == MX_HAS_EDIT && a->events[i]->meta.redacted));
        if (!fits)
            continue;
        c.places[c.n] = i;
        c.ids[c.n++] = a->events[i]->event_id;
    }
    return c;
}

static struct mx_bundle *bundle_of(struct asked *a, size_t i)
{
    if (a->bundles[i] == NULL)
        a->bundles[i] = GG_NEW(a->arena, struct mx_bundle);
    return a->bundles[i];
}

/* Takes an event in unless it can have nothing. */
static void ask_for(struct asked *a, const struct mx_event *event)
{
    if (event == NULL || mx_event_is_state(event))
        return;
    struct gg_str type = mx_relation_type(event, a->arena);
    if (gg_str_is(type, "m.annotation") || gg_str_is(type, "m.replace"))
        return;
    a->relates[a->n] = type.s != NULL;
    a->events[a->n++] = event;
}

static struct asked begin(struct mx_server *server, struct gg_str user_id, size_t n, struct gg_arena *arena)
{
    struct asked a = {.server = server, .user_id = user_id, .arena = arena};
    a.events = GG_NEW_ARRAY(arena, const struct mx_event *, n + 1);
    a.bundles = GG_NEW_ARRAY(arena, struct mx_bundle *, n + 1);
    a.relates = GG_NEW_ARRAY(arena, bool, n + 1);
    a.kinds = GG_NEW_ARRAY(arena, uint8_t, n + 1);
    return a;
}

static int read_kinds(struct asked *a, struct gg_error *err)
{
    struct chosen all = choose(a, 0);
    return mx_related_kinds(a->server, all.ids, all.n, a->arena, a->kinds, err);
}

static int add_edits(struct asked *a, struct gg_error *err)
{
    struct chosen c = choose(a, MX_HAS_EDIT);
    struct gg_str *ids = GG_NEW_ARRAY(a->arena, struct gg_str, c.n + 1), *found = GG_NEW_ARRAY(a->arena, struct gg_str, c.n + 1);
    const struct mx_event **edits = GG_NEW_ARRAY(a->arena, const struct mx_event *, c.n + 1);
    size_t m = 0;
    int rc = mx_relations_edits(a->server, c.ids, c.n, a->arena, found, err);
    for (size_t k = 0; rc == 0 && k < c.n; k++) {
        if (found[k].s == NULL)
            continue;
        c.places[m] = c.places[k];
        ids[m++] = found[k];
    }
    if (rc == 0)
        rc = mx_store_events(a->server, ids, m, false, a->arena, edits, err);
    for (size_t k = 0; rc == 0 && k < m; k++)
        if (edits[k] != NULL)
            bundle_of(a, c.places[k])->edit = edits[k];
    return rc;
}

static int add_references(struct asked *a, struct gg_error *err)
{
    struct chosen c = choose(a, MX_HAS_REFERENCE);
    struct mx_id_list *lists = GG_NEW_ARRAY(a->arena, struct mx_id_list, c.n + 1);
    int rc = mx_relations_references(a->server, c.ids, c.n, &a->ignored, a->arena, lists, err);
    for (size_t k = 0; rc == 0 && k < c.n; k++) {
        if (lists[k].n == 0)
            continue;
        bundle_of(a, c.places[k])->references = lists[k].ids;
        bundle_of(a, c.places[k])->n_references = lists[k].n;
    }
    return rc;
}

static int add_plain(struct asked *a, struct gg_error *err)
{
    int rc = add_edits(a, err);
    return rc != 0 ? rc : add_references(a, err);
}

/* The latest events of threads have edits and references of their own. */
static int add_of_latest(struct asked *a, const struct chosen *c, struct gg_error *err)
{
    struct asked latest = begin(a->server, a->user_id, c->n, a->arena);
    struct mx_bundle **owners = GG_NEW_ARRAY(a->arena, struct mx_bundle *, c->n + 1);
    latest.ignored = a->ignored;
    for (size_t k = 0; k < c->n; k++) {
        struct mx_bundle *bundle = a->bundles[c->places[k]];
        size_t before = latest.n;
        ask_for(&latest, bundle != NULL ? bundle->latest : NULL);
        if (latest.n > before)
            owners[before] = bundle;
    }
    int rc = latest.n > 0 ? read_kinds(&latest, err) : 0;
    if (rc == 0 && latest.n > 0)
        rc = add_plain(&latest, err);
    for (size_t k = 0; rc == 0 && k < latest.n; k++)
        owners[k]->of_latest = latest.bundles[k];
    return rc;
}

static int add_threads(struct asked *a, struct gg_error *err)
{
    struct chosen c = choose(a, MX_HAS_THREAD);
    if (c.n == 0)
        return 0;
    struct mx_thread_summary *threads = GG_NEW_ARRAY(a->arena, struct mx_thread_summary, c.n);
    const struct mx_event **latest = GG_NEW_ARRAY(a->arena, const struct mx_event *, c.n);
    struct gg_str *ids = GG_NEW_ARRAY(a->arena, struct gg_str, c.n);
    int rc = mx_relations_threads(a->server, c.ids, c.n, a->user_id, &a->ignored, a->arena, threads, err);
    for (size_t k = 0; rc == 0 && k < c.n; k++)
        ids[k] = threads[k].latest.s != NULL ? threads[k].latest : GG_STR("");
    if (rc == 0)
        rc = mx_store_events(a->server, ids, c.n, false, a->arena, latest, err);
    for (size_t k = 0; rc == 0 && k < c.n; k++) {
        if (latest[k] == NULL || threads[k].count == 0)
            continue;
        struct mx_bundle *bundle = bundle_of(a, c.places[k]);
        bundle->latest = latest[k];
        bundle->count = threads[k].count;
        bundle->participated = threads[k].participated || gg_str_eq(a->events[c.places[k]]->sender, a->user_id);
    }
    return rc != 0 ? rc : add_of_latest(a, &c, err);
}

int mx_relations_bundle(struct mx_server *server, struct gg_str user_id, const struct mx_event *const *events, size_t n,
                        struct gg_arena *arena, const struct mx_bundle **out, struct gg_error *err)
{
    struct asked a = begin(server, user_id, n, arena);
    size_t *places = GG_NEW_ARRAY(arena, size_t, n + 1);
    uint8_t all = 0;
    memset(out, 0, n * sizeof(*out));
    for (size_t i = 0; i < n; i++) {
        places[a.n] = i;
        ask_for(&a, events[i]);
    }
    int rc = a.n > 0 ? read_kinds(&a, err) : 0;
    for (size_t i = 0; i < a.n; i++)
        all |= a.kinds[i];
    if (rc != 0 || all == 0)
        return rc;
    rc = mx_ignored_users(server, user_id, arena, &a.ignored.ids, &a.ignored.n, err);
    if (rc == 0)
        rc = add_threads(&a, err);
    if (rc == 0)
        rc = add_plain(&a, err);
    for (size_t i = 0; rc == 0 && i < a.n; i++)
        out[places[i]] = a.bundles[i];
    return rc;
}

/* ---- writing ---- */

static void write_references(struct gg_buf *out, const struct mx_bundle *bundle)
{
    gg_buf_lit(out, "\"m.reference\":{\"chunk\":[");
    for (size_t i = 0; i < bundle->n_references; i++) {
        gg_buf_text(out, i > 0 ? ",{\"event_id\":" : "{\"event_id\":");
        gg_buf_json_string(out, bundle->references[i]);
        gg_buf_char(out, '}');
    }
    gg_buf_lit(out, "]}");
}

/* What stands inside is shown in the same format, with nothing of its own beside it. */
static struct mx_client_format inner_format(const struct mx_client_format *format)
{
    struct mx_client_format inner = *format;
    inner.replaced = inner.redaction = NULL;
    inner.membership = inner.extra_unsigned = (struct gg_str){0};
    inner.n_fields = 0;
    return inner;
}

/* Without the thread. *first: nothing stands in the object yet. */
static void write_plain(struct gg_buf *out, const struct mx_bundle *bundle, const struct mx_client_format *format, bool *first)
{
    if (bundle->n_references > 0) {
        write_references(out, bundle);
        *first = false;
    }
    if (bundle->edit != NULL) {
        gg_buf_text(out, *first ? "\"m.replace\":" : ",\"m.replace\":");
        mx_event_write_client(out, bundle->edit, format);
        *first = false;
    }
}

static void write_latest(struct gg_buf *out, const struct mx_bundle *bundle, const struct mx_client_format *format)
{
    struct mx_client_format with = *format;
    struct gg_buf extra = GG_BUF_INIT;
    bool first = true;
    if (bundle->of_latest != NULL) {
        gg_buf_lit(&extra, "\"m.relations\":{");
        write_plain(&extra, bundle->of_latest, format, &first);
        gg_buf_char(&extra, '}');
        with.extra_unsigned = gg_buf_view(&extra);
    }
    mx_event_write_client(out, bundle->latest, &with);
    gg_buf_done(&extra);
}

void mx_bundle_write(struct gg_buf *out, const struct mx_bundle *bundle, const struct mx_client_format *format)
{
    struct mx_client_format inner = inner_format(format);
    bool first = true;
    gg_buf_lit(out, "\"m.relations\":{");
    write_plain(out, bundle, &inner, &first);
    if (bundle->latest != NULL) {
        gg_buf_text(out, first ? "\"m.thread\":{\"latest_event\":" : ",\"m.thread\":{\"latest_event\":");
        write_latest(out, bundle, &inner);
        gg_buf_lit(out, ",\"count\":");
        gg_buf_i64(out, bundle->count);
        gg_buf_text(out, bundle->participated ? ",\"current_user_participated\":true}" : ",\"current_user_participated\":false}");
    }
    gg_buf_char(out, '}');
}
