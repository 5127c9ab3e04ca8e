/* matrix/federation/compare_auth.c: two servers lay the auth chains that they hold of an event side by side. */
#include "federation/compare_auth.h"

#include "federation/keyring.h"
#include "federation/receive.h"
#include "storage/federation/graph.h"

#include <ganglion/buf.h>
#include <ganglion/map.h>

enum { CHAIN_MAX = 10000, FRESH_MAX = 1000 }; /* PDUs of theirs; of those, what we would have to check */

struct compare {
    struct mx_server *server;
    const char *origin;
    const struct mx_event *event;
    struct gg_arena *arena;
    struct gg_str *texts, *ids; /* of their chain */
    size_t n;
};

static int read_chain(struct compare *c, struct gg_str body, struct gg_error *err)
{
    struct gg_str list = mx_json_get(body, "auth_chain");
    if (!mx_json_is_array(list) || mx_json_length(list) > CHAIN_MAX)
        return gg_refuse(err, 400, "M_BAD_JSON", "auth_chain must be a list of at most %d events", CHAIN_MAX);
    size_t n = mx_json_length(list);
    c->texts = GG_NEW_ARRAY(c->arena, struct gg_str, n + 1);
    c->ids = GG_NEW_ARRAY(c->arena, struct gg_str, n + 1);
    for (struct mx_json_iter it = mx_json_iter(list); mx_json_next(&it);) {
        struct mx_event *parsed;
        struct gg_error ignored = GG_ERROR_INIT;
        if (mx_event_parse(it.value, c->event->version, (struct gg_str){0}, &parsed, &ignored) != 0)
            continue; /* no event of this room version: nothing to compare */
        if (gg_str_eq(parsed->room_id, c->event->room_id)) {
            c->texts[c->n] = it.value;
            c->ids[c->n++] = gg_arena_str(c->arena, parsed->event_id);
        }
        mx_event_unref(parsed);
    }
    return 0;
}

/* Theirs that we have never seen. */
static int take_fresh(struct compare *c, const struct mx_event *const *held, struct gg_error *err)
{
    struct gg_str *fresh = GG_NEW_ARRAY(c->arena, struct gg_str, c->n + 1);
    size_t n = 0, good = 0;
    for (size_t i = 0; i < c->n; i++)
        if (held[i] == NULL && n < FRESH_MAX)
            fresh[n++] = c->texts[i];
    if (n == 0)
        return 0;
    const struct mx_event **events = GG_NEW_ARRAY(c->arena, const struct mx_event *, n);
    const char **why = GG_NEW_ARRAY(c->arena, const char *, n);
    int rc = mx_fed_check_pdus(c->server, c->event->version, fresh, n, c->arena, events, why, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (events[i] != NULL)
            events[good++] = events[i];
    return rc != 0 ? rc : mx_fed_store_outliers(c->server, c->origin, c->event->room_id, c->event->version, events, good,
                                                c->arena, err);
}

static void write_rejects(struct compare *c, const struct mx_event *const *held, struct gg_str *out)
{
    struct gg_buf buf = GG_BUF_INIT;
    gg_buf_char(&buf, '{');
    for (size_t i = 0; i < c->n; i++) {
        if (held[i] == NULL || held[i]->meta.rejected.s == NULL)
            continue;
        if (buf.n > 1)
            gg_buf_char(&buf, ',');
        gg_buf_json_string(&buf, c->ids[i]);
        gg_buf_lit(&buf, ":{\"reason\":");
        gg_buf_json_string(&buf, held[i]->meta.rejected);
        gg_buf_lit(&buf, ",\"proof\":null}");
    }
    gg_buf_char(&buf, '}');
    *out = gg_arena_str(c->arena, gg_buf_view(&buf));
    gg_buf_done(&buf);
}

static int find_missing(struct compare *c, struct mx_fed_auth_compared *out, struct gg_error *err)
{
    struct gg_str *ours;
    int rc = mx_graph_auth_chain_of(c->server, c->event, c->arena, &ours, &out->n_auth, err);
    if (rc != 0)
        return rc;
    struct gg_str *missing = GG_NEW_ARRAY(c->arena, struct gg_str, out->n_auth + 1);
    struct gg_map *theirs = gg_map_new(NULL);
    for (size_t i = 0; i < c->n; i++)
        gg_map_put(theirs, c->ids[i], NULL);
    for (size_t i = 0; i < out->n_auth; i++)
        if (!gg_map_has(theirs, ours[i]))
            missing[out->n_missing++] = ours[i];
    gg_map_free(theirs);
    out->auth = ours;
    out->missing = missing;
    return 0;
}

int mx_fed_compare_auth(struct mx_server *server, const char *origin, const struct mx_event *event, struct gg_str body,
                        struct gg_arena *arena, struct mx_fed_auth_compared *out, struct gg_error *err)
{
    struct compare c = {.server = server, .origin = origin, .event = event, .arena = arena};
    memset(out, 0, sizeof(*out));
    int rc = read_chain(&c, body, err);
    const struct mx_event **held = GG_NEW_ARRAY(arena, const struct mx_event *, c.n + 1);
    if (rc == 0)
        rc = mx_store_events(server, c.ids, c.n, true, arena, held, err);
    if (rc == 0)
        rc = take_fresh(&c, held, err);
    if (rc == 0) /* with what has just been judged */
        rc = mx_store_events(server, c.ids, c.n, true, arena, held, err);
    if (rc == 0)
        write_rejects(&c, held, &out->rejects);
    return rc != 0 ? rc : find_missing(&c, out, err);
}
