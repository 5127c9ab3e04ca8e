/* matrix/push/view.h: an event as the conditions of push rules see it: values by dotted key (client-server API, "Conditions"
 * and appendices, "Dot-separated property paths"). Pure. */
#ifndef MX_PUSH_VIEW_H
#define MX_PUSH_VIEW_H

#include "push/glob.h"

#include <ganglion/matrix/json.h>

/* What all rules of one user may cost over one event, in bytes looked at: more rules than that match nothing. */
enum { MX_PUSH_BUDGET = 32 << 20 };

enum mx_push_kind { MX_PUSH_ABSENT, MX_PUSH_STRING, MX_PUSH_SCALAR, MX_PUSH_LIST }; /* SCALAR: integer, boolean, null */

struct mx_push_value {
    uint8_t kind;          /* objects and fractions count as absent */
    struct gg_str json;
    struct gg_str text;    /* STRING: decoded */
    struct gg_str low;     /* STRING: in lower case; s NULL until somebody asks */
    struct gg_str folded;  /* the same, folded (glob.h) */
};

struct gg_map;
struct mx_push_view {
    struct gg_str json;    /* the whole event */
    struct gg_arena *arena;
    struct gg_map *values; /* by key, those that were asked for */
    uint64_t budget;       /* what is left of it: set anew for each user */
    struct mx_push_value absent;
};

/* json is known to be valid and outlives the view, which lives until the arena is freed. */
void mx_push_view_begin(struct mx_push_view *view, struct gg_str json, struct gg_arena *arena);
/* Never NULL; lives as long as the view. */
struct mx_push_value *mx_push_view_get(struct mx_push_view *view, struct gg_str key);
/* Of a STRING: does the pattern stand for all of it, or, with word, for words in it? */
bool mx_push_view_matches(struct mx_push_view *view, struct mx_push_value *value, const struct mx_push_pattern *pattern,
                          bool word, uint64_t *budget);
/* Is the value exactly this one (JSON text of a string, integer, boolean or null)? */
bool mx_push_same(struct gg_str a, struct gg_str b, struct gg_arena *arena);
/* A value that conditions can name: a string, an integer, a boolean or null. */
bool mx_push_is_simple(struct gg_str json);

#endif
