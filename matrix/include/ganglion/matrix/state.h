/* ganglion/matrix/state.h: state maps, authorisation rules and state resolution. Pure: no I/O, no fibers. */
#ifndef GANGLION_MATRIX_STATE_H
#define GANGLION_MATRIX_STATE_H

#include <ganglion/matrix/event.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- (type, state_key) -> event id; immutable once shared, reference-counted (atomic) ---- */

struct mx_state;
struct mx_state_entry {
    struct gg_str type, state_key, event_id;
};
GG_API struct mx_state *mx_state_new(void); /* empty, one reference, may be changed while it has just one */
GG_API struct mx_state *mx_state_ref(const struct mx_state *state);
GG_API void mx_state_unref(const struct mx_state *state);
GG_API struct mx_state *mx_state_copy(const struct mx_state *state); /* cheap: shares what does not change */
GG_API void mx_state_set(struct mx_state *state, struct gg_str type, struct gg_str state_key, struct gg_str event_id);
GG_API bool mx_state_delete(struct mx_state *state, struct gg_str type, struct gg_str state_key);
GG_API struct gg_str mx_state_get(const struct mx_state *state, struct gg_str type, struct gg_str state_key); /* s NULL: none */
GG_API size_t mx_state_count(const struct mx_state *state);
/* Bytes that the map reaches, also those that other maps share with it. */
GG_API size_t mx_state_bytes(const struct mx_state *state);
/* Bytes of all maps of this process, shared ones counted once. */
GG_API size_t mx_state_total_bytes(void);
/* In order of (type, state_key), bytewise. for (size_t i = 0; mx_state_next(state, &i, &entry);). What out points to
 * lives as long as the map and the entry in it. */
GG_API bool mx_state_next(const struct mx_state *state, size_t *cursor, struct mx_state_entry *out);
/* The same for one type only. */
GG_API bool mx_state_next_of(const struct mx_state *state, struct gg_str type, size_t *cursor, struct mx_state_entry *out);
/* The cursor of mx_state_next past all entries of a type: who needs none of its members need not pass them all. */
GG_API size_t mx_state_after(const struct mx_state *state, struct gg_str type);
GG_API bool mx_state_equal(const struct mx_state *a, const struct mx_state *b);
/* Calls fn for each entry that differs, in order: a NULL: only in b; b NULL: only in a. As cheap as what is not shared.
 * fn returns false to stop, and then so does this. */
typedef bool mx_state_diff_fn(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b);
GG_API bool mx_state_diff(const struct mx_state *a, const struct mx_state *b, mx_state_diff_fn *fn, void *arg);

/* ---- authorisation (spec "Authorization rules", by room version) ---- */

/* Finds an event by id: NULL when it is not held. Borrowed. */
typedef const struct mx_event *mx_event_lookup_fn(void *arg, struct gg_str event_id);
/* Finds the event of a state entry among the auth state: NULL when absent. */
typedef const struct mx_event *mx_auth_lookup_fn(void *arg, struct gg_str type, struct gg_str state_key);

/* 0: allowed; or 403 M_FORBIDDEN with the rule in words. Signatures are not looked at (of the sender's server, and of the
 * one that join_authorised_via_users_server names), but for those inside a third party invite. create: the room's create event (version 12 looks it up by
 * the room id; NULL when event is itself the create event). */
GG_API GG_CHECKED int mx_auth_check(const struct mx_event *event, const struct mx_event *create, mx_auth_lookup_fn *state,
                                    void *arg, struct gg_error *err);
/* Rules that need no state: the create event's own, and that auth_events are what the selection allows (duplicates,
 * foreign rooms, rejected ones, no create event). auth: the events of event->auth_events that are held; in version 12
 * with the create event, which that list implies. 0, or 403 M_FORBIDDEN. */
GG_API GG_CHECKED int mx_auth_check_events(const struct mx_event *event, const struct mx_event *const *auth, size_t n,
                                           struct gg_error *err);
/* Which state entries an event cites as auth_events ("auth events selection"): *out has as many as are returned, borrowed
 * from the arguments and the arena. Without the create event in version 12 (mx_auth_check is given it apart). */
struct mx_auth_wanted {
    struct gg_str type, state_key;
};
GG_API size_t mx_auth_select(const struct mx_room_version *version, struct gg_str type, struct gg_str state_key,
                             struct gg_str sender, struct gg_str content, struct gg_arena *arena,
                             struct mx_auth_wanted **out);

/* Power levels as the version reads them; either event may be NULL. Borrows from the events; only the list of creators
 * is in the arena. */
struct mx_power {
    const struct mx_room_version *version;
    struct gg_str content;                      /* of m.room.power_levels, as JSON; s NULL: none */
    const struct gg_str *creators;
    size_t n_creators;
    bool have_event;
};
#define MX_POWER_INFINITE INT64_MAX
GG_API struct mx_power mx_power_read(const struct mx_event *power_levels, const struct mx_event *create, struct gg_arena *arena);
GG_API int64_t mx_power_of_user(const struct mx_power *power, struct gg_str user_id);
GG_API int64_t mx_power_for_event(const struct mx_power *power, struct gg_str type, bool state);
GG_API int64_t mx_power_for(const struct mx_power *power, const char *action); /* "invite", "kick", "ban", "redact", ... */
GG_API int64_t mx_power_for_notification(const struct mx_power *power, const char *key); /* "room" */

/* ---- resolution (spec "State Resolution", by version->state_res) ---- */

struct mx_resolve_io {
    mx_event_lookup_fn *event;  /* events by id; what it lacks is skipped as the algorithm says */
    void *arg;
    /* Of versions 2 and later: the auth difference, where the caller knows it by other means than walking whole auth
     * chains (an index). NULL: it is walked. Conflicted events may be left out. */
    const struct gg_str *difference;
    size_t n_difference;
};
/* Resolves n state maps of one room; *out gets one reference. The result does not depend on the order of the maps.
 * Not recursive; work is bounded by the events reachable through io. */
GG_API GG_CHECKED int mx_resolve(const struct mx_room_version *version, const struct mx_state *const *maps, size_t n,
                                 const struct mx_resolve_io *io, struct mx_state **out, struct gg_error *err);

#ifdef __cplusplus
}
#endif
#endif
