/* matrix/federation/accept.c: one event of another server: judged, given its state, written. */
#include "e2ee/remote_devices.h"
#include "federation/missing.h"
#include "federation/place.h"
#include "federation/receive.h"
#include "heads/heads.h"
#include "json/text.h"
#include "push/evaluate.h"
#include "persist/writer.h"
#include "rooms/guests.h"
#include "rooms/succeed.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

struct accepting {
    struct mx_server *server;
    const char *origin;
    const struct mx_event *event;
    const struct mx_fed_place *place;
    struct gg_arena *arena;
    struct mx_fed_before before;
    struct mx_fed_auth cited;
    struct mx_event_meta meta; /* what the event will carry */
};

static void unref_event(void *event)
{
    mx_event_unref(event);
}

static void unref_state(void *state)
{
    mx_state_unref(state);
}

/* ---- judging ---- */

/* Why it was not allowed, for operators; the event itself is kept. */
static void reject(struct accepting *a, struct gg_error *why)
{
    gg_info(&logger, "event %.*s of %s in %.*s is rejected: %s", GG_FMT(a->event->event_id), a->origin ? a->origin : "ours",
            GG_FMT(a->event->room_id), why->message);
    a->meta.rejected = GG_STR(MX_FED_AUTH_ERROR);
    memset(why, 0, sizeof(*why));
}

/* Are the events that it cites just those of the state before it? */
static bool cites_state(const struct accepting *a, const struct mx_fed_auth *wanted)
{
    if (wanted->n != a->cited.n)
        return false;
    for (size_t i = 0; i < wanted->n; i++) {
        const struct mx_event *e = wanted->events[i];
        const struct mx_event *cited = mx_fed_auth_lookup((void *)(uintptr_t)&a->cited, e->type, e->state_key);
        if (!cited || !gg_str_eq(cited->event_id, e->event_id))
            return false;
    }
    return true;
}

/* By what it cites itself, then by the state before it: either may reject it. */
static int judge(struct accepting *a, struct gg_error *err)
{
    struct mx_fed_auth wanted;
    int rc = mx_fed_auth_events(a->server, a->origin, a->event, a->arena, &a->cited, err);
    if (rc)
        return rc;
    if (mx_auth_check_events(a->event, a->cited.events, a->cited.n, err) || mx_fed_auth_check(a->event, &a->cited, err)) {
        reject(a, err);
        return 0;
    }
    rc = mx_fed_auth_of_state(a->server, a->event, a->before.state, a->arena, &wanted, err);
    if (rc == 0 && !cites_state(a, &wanted) && mx_fed_auth_check(a->event, &wanted, err))
        reject(a, err);
    return rc;
}

/* ---- soft failure (server-server API, "Soft failure") ---- */

static bool cites_all_ends(const struct mx_event *event, const struct mx_head *head)
{
    for (size_t i = 0; i < head->n_extremities; i++) {
        bool cited = false;
        for (size_t k = 0; k < event->n_prev && !cited; k++)
            cited = gg_str_eq(event->prev_events[k], head->extremities[i]);
        if (!cited)
            return false;
    }
    return true;
}

/* The state of the room as it would be with the event's own branch in it, without the event. */
static int state_now(struct accepting *a, const struct mx_head *head, const struct mx_state **out, struct gg_error *err)
{
    *out = head->state;
    if (head->group == a->before.group || mx_state_equal(head->state, a->before.state))
        return 0;
    size_t n = 0;
    const struct mx_state **maps = GG_NEW_ARRAY(a->arena, const struct mx_state *, head->n_extremities + 1);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < head->n_extremities; i++)
        if (head->extremity_groups[i])
            rc = mx_store_group_state(a->server, head->extremity_groups[i], a->arena, &maps[n++], err);
    maps[n++] = a->before.state;
    return rc ? rc : mx_store_resolve(a->server, a->event->room_id, a->event->version, maps, n, a->arena, out, err);
}

static int soft_fail(struct accepting *a, struct gg_error *err)
{
    const struct mx_head *head;
    const struct mx_state *now;
    struct mx_fed_auth wanted;
    int rc = mx_heads_extremities(a->server, a->event->room_id, a->arena, &head, err);
    if (rc || !head->n_extremities || cites_all_ends(a->event, head))
        return rc; /* it stands on the present state, or there is none */
    if ((rc = state_now(a, head, &now, err)) || (rc = mx_fed_auth_of_state(a->server, a->event, now, a->arena, &wanted, err)))
        return rc;
    if (mx_fed_auth_check(a->event, &wanted, err)) {
        gg_info(&logger, "event %.*s of %s in %.*s is soft-failed: %s", GG_FMT(a->event->event_id),
                a->origin ? a->origin : "ours", GG_FMT(a->event->room_id), err->message);
        a->meta.soft_failed = true;
        memset(err, 0, sizeof(*err));
    }
    return 0;
}

/* From version 3 on anybody may send a redaction; whether it hides anything is decided when both events are there:
 * a sender without the power needs to be of the same server as the sender of what is redacted. */
static void mark_redaction(struct accepting *a)
{
    if (a->event->version->redaction_by_domain)
        return;
    const struct mx_event *levels = mx_fed_auth_lookup(&a->cited, GG_STR("m.room.power_levels"), GG_STR(""));
    struct mx_power power = mx_power_read(levels, a->cited.create, a->arena);
    a->meta.recheck_redaction = mx_power_of_user(&power, a->event->sender) < mx_power_for(&power, "redact");
}

/* What names an event of another room hides nothing, and nobody is shown it. */
static int mark_strayed(struct accepting *a, struct gg_error *err)
{
    const struct mx_event *target = NULL;
    int rc = a->event->redacts.s ? mx_store_events(a->server, &a->event->redacts, 1, true, a->arena, &target, err) : 0;
    if (rc == 0 && target && !gg_str_eq(target->room_id, a->event->room_id))
        a->meta.soft_failed = true;
    return rc;
}

/* ---- writing ---- */

static const struct mx_state *delta_of(const struct accepting *a)
{
    if (!mx_event_is_state(a->event) || a->meta.rejected.s)
        return NULL;
    struct mx_state *delta = mx_state_new();
    mx_state_set(delta, a->event->type, a->event->state_key, a->event->event_id);
    gg_arena_defer(a->arena, unref_state, delta);
    return delta;
}

/* A rejected event stands on the state before it and changes nothing. */
static int place_event(struct accepting *a, struct mx_persist_item *item, struct gg_error *err)
{
    item->backfilled = a->place->backfilled;
    item->delta = delta_of(a);
    item->group = item->group_before = a->before.group;
    if (a->before.group && (a->meta.rejected.s || !mx_event_is_state(a->event)))
        return 0;
    int rc = mx_store_new_groups(a->server, a->event->room_id, a->before.group, &a->event, 1, &item->group_before,
                                 &item->group, err);
    if (a->meta.rejected.s)
        item->group = item->group_before;
    return rc;
}

static bool writes_here(const struct accepting *a)
{
    return strcmp(mx_persist_writer(a->server, a->event->room_id), gg_host_instance(a->server->host)) == 0;
}

static int write_item(struct accepting *a, struct mx_persist_item *item, int64_t *position, struct gg_error *err)
{
    bool here = writes_here(a);
    int rc = mx_push_evaluate(a->server, a->event->room_id, a->before.state, item, 1, a->arena, err);
    if (rc == 0 && !here)
        rc = mx_push_stage(a->server, item, 1, err);
    if (rc)
        return rc;
    rc = mx_persist_remote(a->server, NULL, a->event->room_id, item, 1, a->arena, position, NULL, err);
    if (rc && !here)
        mx_push_unstage(a->server, item, 1);
    return rc;
}

static int write_event(struct accepting *a, struct mx_fed_verdict *out, struct gg_error *err)
{
    struct mx_persist_item item = {0};
    struct mx_event *event = mx_event_with_meta(a->event, &a->meta);
    gg_arena_defer(a->arena, unref_event, event);
    item.event = event;
    int rc = place_event(a, &item, err);
    if (rc == 0)
        rc = write_item(a, &item, &out->stream_ordering, err);
    if (rc || out->stream_ordering)
        return rc;
    const struct mx_event *written; /* by another process, whose rows we have seen */
    rc = mx_store_event(a->server, a->event->event_id, a->arena, &written, err);
    if (rc == 0)
        out->stream_ordering = written->meta.stream_ordering;
    return rc;
}

/* ---- what follows from it ---- */

/* An encrypted message of a device that we have never heard of: our copy of that user's list is old. */
static void note_device(struct accepting *a)
{
    if (!a->place->backfilled && !a->meta.rejected.s)
        mx_remote_device_used(a->server, a->event);
}

static void guests_leave(struct accepting *a)
{
    struct gg_str access = mx_json_string(mx_json_get(a->event->content, "guest_access"), a->arena);
    mx_room_guests_leave(a->server, a->event->room_id, access, a->arena);
}

static void make_place(struct accepting *a)
{
    struct gg_str next = mx_storable(mx_json_string(mx_json_get(a->event->content, "replacement_room"), a->arena));
    if (next.s != NULL)
        mx_room_succeed(a->server, a->event->room_id, next, a->arena);
}

/* State that changes more here than the room. */
static const struct {
    const char *type;
    void (*fn)(struct accepting *a);
} follows[] = {{"m.room.guest_access", guests_leave}, {"m.room.tombstone", make_place}};

static void follow(struct accepting *a)
{
    if (a->place->backfilled || a->meta.rejected.s || a->meta.soft_failed)
        return;
    for (size_t i = 0; i < GG_COUNT(follows); i++)
        if (mx_event_is(a->event, follows[i].type, ""))
            follows[i].fn(a);
}

/* ---- the way in ---- */

static int find_held(struct accepting *a, struct mx_fed_verdict *out, struct gg_error *err)
{
    const struct mx_event *held;
    int rc = mx_store_events(a->server, &a->event->event_id, 1, true, a->arena, &held, err);
    if (rc || !held || (held->meta.outlier && !held->meta.rejected.s))
        return rc;
    *out = (struct mx_fed_verdict){.known = true,
                                   .rejected = held->meta.rejected.s != NULL,
                                   .soft_failed = held->meta.soft_failed,
                                   .stream_ordering = held->meta.stream_ordering};
    return 0;
}

static int find_before(struct accepting *a, struct gg_error *err)
{
    return a->place->before ? mx_fed_before_of_map(a->server, a->event, a->place->before, a->arena, &a->before, err)
                            : mx_fed_before_of_prevs(a->server, a->event, a->arena, &a->before, err);
}

int mx_fed_accept(struct mx_server *server, const char *origin, const struct mx_event *event,
                  const struct mx_fed_place *place, struct gg_arena *arena, struct mx_fed_verdict *out,
                  struct gg_error *err)
{
    struct accepting a = {.server = server, .origin = origin, .event = event, .place = place, .arena = arena};
    *out = (struct mx_fed_verdict){0};
    a.meta.send_on_behalf_of = place->send_on_behalf_of;
    a.meta.not_proactively_send = place->not_proactively_send;
    int rc = place->fresh ? 0 : find_held(&a, out, err);
    if (rc || out->known)
        return rc;
    if ((rc = find_before(&a, err)) || (rc = judge(&a, err)))
        return rc;
    if (!a.meta.rejected.s && !place->backfilled && (rc = soft_fail(&a, err)))
        return rc;
    if (!a.meta.rejected.s && gg_str_is(event->type, "m.room.redaction")) {
        mark_redaction(&a);
        if ((rc = mark_strayed(&a, err)))
            return rc;
    }
    out->rejected = a.meta.rejected.s != NULL;
    out->soft_failed = a.meta.soft_failed;
    if ((rc = write_event(&a, out, err)))
        return rc;
    note_device(&a);
    follow(&a);
    return 0;
}
