/* matrix/sliding/required.h: which state a client of sliding sync wants of a room (MSC4186, "required_state"): pairs of
 * a type and a state key with "*", "$ME" and "$LAZY". Pure. */
#ifndef MX_SLIDING_REQUIRED_H
#define MX_SLIDING_REQUIRED_H

#include <ganglion/arena.h>
#include <ganglion/buf.h>
#include <ganglion/map.h>

#define MX_ANY GG_STR("*")
#define MX_LAZY GG_STR("$LAZY")
#define MX_ME GG_STR("$ME")
#define MX_MEMBER GG_STR("m.room.member")

struct mx_pair {
    struct gg_str type, key; /* key s NULL: any (in wishes only) */
};
/* Sorted by type, then key, bytewise; no pair twice. Immutable. */
struct mx_required {
    const struct mx_pair *v;
    size_t n;
};

/* Sets of text that end with the arena; values are not used. */
struct gg_map *mx_text_set(struct gg_arena *arena);
static inline void mx_text_add(struct gg_map *set, struct gg_str text)
{
    gg_map_put(set, text, NULL);
}

/* The pairs of a request without those that a wildcard among them covers. The text is borrowed. */
struct mx_required mx_required_of(const struct mx_pair *pairs, size_t n, struct gg_arena *arena);
struct mx_required mx_required_union(const struct mx_required *a, const struct mx_required *b, struct gg_arena *arena);
struct mx_required mx_required_copy(const struct mx_required *r, struct gg_arena *arena); /* text too */
bool mx_required_equal(const struct mx_required *a, const struct mx_required *b);
bool mx_required_has(const struct mx_required *r, struct gg_str type, struct gg_str key);
/* Is every pair of b in a, or covered by a wildcard of a? */
bool mx_required_covers(const struct mx_required *a, const struct mx_required *b);
/* [["type","key"],...]: how a connection's row keeps it. */
void mx_required_write(const struct mx_required *r, struct gg_buf *out);
/* The same read; what is no pair of strings is left out. */
struct mx_required mx_required_read(struct gg_str json, struct gg_arena *arena);

/* What a room's state is asked for, with "$ME" and "$LAZY" resolved. */
struct mx_wish {
    bool all;
    struct mx_pair *v; /* key s NULL: every key of the type; may hold pairs twice */
    size_t n, cap;
};
void mx_wish_add(struct mx_wish *wish, struct gg_arena *arena, struct gg_str type, struct gg_str key);
bool mx_wish_has(const struct mx_wish *wish, struct gg_str type, struct gg_str key);

/* What changes when a room that was sent before is asked for with another list, or lazily with other members. */
struct mx_required_turn {
    struct gg_str me;
    const struct mx_required *before, *asked;
    const struct gg_map *lazy_sent;   /* members that the client was sent lazily */
    const struct gg_map *lazy_wanted; /* members that this answer needs lazily */
    const struct mx_pair *changed;    /* state that changed since the room was sent */
    size_t n_changed;
};
struct mx_required_news {
    bool remember; /* `now` replaces what the connection remembers for the room */
    struct mx_required now;
    struct mx_wish more;  /* state to be sent besides what changed */
    struct gg_map *stale; /* members whose change is not sent: no longer sent lazily */
    struct gg_map *had;   /* members that the client has by an explicit pair of before: count as sent lazily */
};
void mx_required_turn(const struct mx_required_turn *turn, struct gg_arena *arena, struct mx_required_news *out);

#endif
