/* matrix/sliding/required.c: which state a client of sliding sync wants of a room, as sorted sets of pairs. */
#include "sliding/required.h"

#include <ganglion/matrix/json.h>
#include <stdlib.h>

/* State keys of a type that are remembered although they are asked for no more: who asks for them again soon is not
 * sent them twice. */
enum { MAX_REMEMBERED = 100 };

static void free_map(void *map)
{
    gg_map_free(map);
}

struct gg_map *mx_text_set(struct gg_arena *arena)
{
    struct gg_map *set = gg_map_new(NULL);
    gg_arena_defer(arena, free_map, set);
    return set;
}

/* ---- sorted pairs ---- */

static int compare(const struct mx_pair *a, const struct mx_pair *b)
{
    int order = gg_str_cmp(a->type, b->type);
    return order != 0 ? order : gg_str_cmp(a->key, b->key);
}

static int by_pair(const void *a, const void *b)
{
    return compare(a, b);
}

static bool among(const struct mx_pair *v, size_t n, struct gg_str type, struct gg_str key)
{
    struct mx_pair wanted = {type, key};
    return n > 0 && bsearch(&wanted, v, n, sizeof(*v), by_pair) != NULL;
}

bool mx_required_has(const struct mx_required *r, struct gg_str type, struct gg_str key)
{
    return among(r->v, r->n, type, key);
}

static size_t sort_unique(struct mx_pair *v, size_t n)
{
    size_t kept = 0;
    if (n > 0)
        qsort(v, n, sizeof(*v), by_pair);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || compare(&v[i], &v[i - 1]) != 0)
            v[kept++] = v[i];
    return kept;
}

/* By another pair than itself. */
static bool covered(const struct mx_pair *v, size_t n, const struct mx_pair *p)
{
    bool any_type = gg_str_eq(p->type, MX_ANY), any_key = gg_str_eq(p->key, MX_ANY);
    if (any_type && any_key)
        return false;
    return among(v, n, MX_ANY, MX_ANY) || (!any_key && among(v, n, p->type, MX_ANY)) ||
           (!any_type && among(v, n, MX_ANY, p->key));
}

static struct mx_required settle(struct mx_pair *v, size_t n, struct gg_arena *arena)
{
    struct mx_pair *out = GG_NEW_ARRAY(arena, struct mx_pair, n + 1);
    size_t kept = 0;
    n = sort_unique(v, n);
    for (size_t i = 0; i < n; i++)
        if (!covered(v, n, &v[i]))
            out[kept++] = v[i];
    return (struct mx_required){out, kept};
}

struct mx_required mx_required_of(const struct mx_pair *pairs, size_t n, struct gg_arena *arena)
{
    struct mx_pair *v = GG_NEW_ARRAY(arena, struct mx_pair, n + 1);
    if (n > 0)
        memcpy(v, pairs, n * sizeof(*v));
    return settle(v, n, arena);
}

struct mx_required mx_required_union(const struct mx_required *a, const struct mx_required *b, struct gg_arena *arena)
{
    struct mx_pair *v = GG_NEW_ARRAY(arena, struct mx_pair, a->n + b->n + 1);
    if (a->n > 0)
        memcpy(v, a->v, a->n * sizeof(*v));
    if (b->n > 0)
        memcpy(v + a->n, b->v, b->n * sizeof(*v));
    return settle(v, a->n + b->n, arena);
}

struct mx_required mx_required_copy(const struct mx_required *r, struct gg_arena *arena)
{
    struct mx_pair *v = GG_NEW_ARRAY(arena, struct mx_pair, r->n + 1);
    for (size_t i = 0; i < r->n; i++)
        v[i] = (struct mx_pair){gg_arena_str(arena, r->v[i].type), gg_arena_str(arena, r->v[i].key)};
    return (struct mx_required){v, r->n};
}

bool mx_required_equal(const struct mx_required *a, const struct mx_required *b)
{
    for (size_t i = 0; a->n == b->n && i < a->n; i++)
        if (compare(&a->v[i], &b->v[i]) != 0)
            return false;
    return a->n == b->n;
}

bool mx_required_covers(const struct mx_required *a, const struct mx_required *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (!among(a->v, a->n, b->v[i].type, b->v[i].key) && !covered(a->v, a->n, &b->v[i]))
            return false;
    return true;
}

/* ---- as a row keeps it ---- */

void mx_required_write(const struct mx_required *r, struct gg_buf *out)
{
    gg_buf_char(out, '[');
    for (size_t i = 0; i < r->n; i++) {
        gg_buf_text(out, i > 0 ? ",[" : "[");
        gg_buf_json_string(out, r->v[i].type);
        gg_buf_char(out, ',');
        gg_buf_json_string(out, r->v[i].key);
        gg_buf_char(out, ']');
    }
    gg_buf_char(out, ']');
}

struct mx_required mx_required_read(struct gg_str json, struct gg_arena *arena)
{
    struct mx_pair *v = GG_NEW_ARRAY(arena, struct mx_pair, mx_json_is_array(json) ? mx_json_length(json) + 1 : 1);
    size_t n = 0;
    struct mx_json_iter it = mx_json_iter(json);
    while (mx_json_is_array(json) && mx_json_next(&it)) {
        struct mx_json_iter pair = mx_json_iter(it.value);
        struct gg_str type = {0}, key = {0};
        if (mx_json_is_array(it.value) && mx_json_next(&pair))
            type = mx_json_string(pair.value, arena);
        if (type.s != NULL && mx_json_next(&pair))
            key = mx_json_string(pair.value, arena);
        if (key.s != NULL)
            v[n++] = (struct mx_pair){type, key};
    }
    return (struct mx_required){v, sort_unique(v, n)};
}

/* ---- wishes ---- */

void mx_wish_add(struct mx_wish *wish, struct gg_arena *arena, struct gg_str type, struct gg_str key)
{
    if (wish->n == wish->cap) {
        size_t cap = wish->cap != 0 ? wish->cap * 2 : 16;
        struct mx_pair *v = GG_NEW_ARRAY(arena, struct mx_pair, cap);
        if (wish->n > 0)
            memcpy(v, wish->v, wish->n * sizeof(*v));
        wish->v = v;
        wish->cap = cap;
    }
    wish->v[wish->n++] = (struct mx_pair){type, key};
}

bool mx_wish_has(const struct mx_wish *wish, struct gg_str type, struct gg_str key)
{
    for (size_t i = 0; !wish->all && i < wish->n; i++)
        if (gg_str_eq(wish->v[i].type, type) && (wish->v[i].key.s == NULL || gg_str_eq(wish->v[i].key, key)))
            return true;
    return wish->all;
}

/* ---- turns ---- */

struct work {
    const struct mx_required_turn *turn;
    struct gg_arena *arena;
    struct mx_required_news *out;
    struct gg_map *changed; /* keys that changed of the type at hand, "$ME" among them for one's own */
    struct mx_pair *now;
    size_t n_now;
};

/* Pairs [*first, end) of the type. */
static size_t range_of(const struct mx_required *r, struct gg_str type, size_t *first)
{
    size_t i = 0, end;
    while (i < r->n && gg_str_cmp(r->v[i].type, type) < 0)
        i++;
    for (end = i; end < r->n && gg_str_eq(r->v[end].type, type);)
        end++;
    *first = i;
    return end;
}

static void note_changed(struct work *w, struct gg_str type)
{
    gg_map_clear(w->changed);
    for (size_t i = 0; i < w->turn->n_changed; i++) {
        if (!gg_str_eq(w->turn->changed[i].type, type))
            continue;
        mx_text_add(w->changed, w->turn->changed[i].key);
        if (gg_str_eq(w->turn->changed[i].key, w->turn->me))
            mx_text_add(w->changed, MX_ME);
    }
}

/* A key of before that is asked for no more and whose state has changed: the client's copy is out of date. */
static bool outdated(const struct work *w, const struct mx_pair *old)
{
    return !mx_required_has(w->turn->asked, old->type, old->key) && gg_map_has(w->changed, old->key);
}

static void keep(struct work *w, struct mx_pair pair)
{
    w->now[w->n_now++] = pair;
}

static void keep_all(struct work *w, const struct mx_required *r, size_t first, size_t end)
{
    for (size_t i = first; i < end; i++)
        keep(w, r->v[i]);
}

/* State that a new pair asks for and the client does not have. */
static void wish_new(struct work *w, const struct mx_pair *p)
{
    struct mx_wish *more = &w->out->more;
    if (gg_str_eq(p->key, MX_ME))
        mx_wish_add(more, w->arena, p->type, w->turn->me);
    else if (!gg_str_eq(p->key, MX_LAZY) && !(gg_str_eq(p->type, MX_MEMBER) && gg_map_has(w->turn->lazy_sent, p->key)))
        mx_wish_add(more, w->arena, p->type, p->key);
}

struct type_ranges {
    struct gg_str type;
    size_t old, old_end, asked, asked_end;
    bool grows; /* something is asked for that was not before */
};

static bool has_in(const struct work *w, bool old, const struct type_ranges *t, struct gg_str key)
{
    return mx_required_has(old ? w->turn->before : w->turn->asked, t->type, key);
}

/* More of a type is asked for: that is sent, and what is asked for no more stays in mind. */
static void grow(struct work *w, const struct type_ranges *t)
{
    const struct mx_required *before = w->turn->before, *asked = w->turn->asked;
    size_t room = t->asked_end - t->asked < MAX_REMEMBERED ? MAX_REMEMBERED - (t->asked_end - t->asked) : 0;
    w->out->remember = true;
    keep_all(w, asked, t->asked, t->asked_end);
    if (gg_str_eq(t->type, MX_MEMBER) && has_in(w, false, t, MX_LAZY) && !has_in(w, true, t, MX_LAZY))
        return; /* from now on members are sent lazily: who is known explicitly is in `had` */
    for (size_t i = t->old; i < t->old_end && room > 0; i++) {
        const struct mx_pair *old = &before->v[i];
        if (gg_str_eq(old->key, MX_ANY) || gg_str_eq(old->key, MX_LAZY) || outdated(w, old) ||
            mx_required_has(asked, old->type, old->key))
            continue;
        keep(w, *old);
        room--;
    }
    if (has_in(w, true, t, MX_ANY))
        return;
    if (has_in(w, false, t, MX_ANY)) {
        mx_wish_add(&w->out->more, w->arena, t->type, (struct gg_str){0});
        return;
    }
    for (size_t i = t->asked; i < t->asked_end; i++)
        if (!mx_required_has(before, t->type, asked->v[i].key))
            wish_new(w, &asked->v[i]);
}

/* Less of a type is asked for. What the client has stays in mind as long as it does not change; then it is forgotten,
 * so that it is sent anew should it be asked for once more. */
static void shrink(struct work *w, const struct type_ranges *t)
{
    const struct mx_required *before = w->turn->before;
    bool any_outdated = false, replaced;
    for (size_t i = t->old; i < t->old_end; i++)
        any_outdated = any_outdated || outdated(w, &before->v[i]);
    bool lazy = has_in(w, true, t, MX_LAZY), lazy_asked = has_in(w, false, t, MX_LAZY);
    replaced = has_in(w, true, t, MX_ANY) != has_in(w, false, t, MX_ANY);
    if (gg_str_eq(t->type, MX_MEMBER))
        replaced = replaced || lazy != lazy_asked || (lazy && any_outdated);
    if (gg_map_count(w->changed) == 0 || (!replaced && !any_outdated)) {
        keep_all(w, before, t->old, t->old_end);
        return;
    }
    w->out->remember = true;
    if (replaced) {
        keep_all(w, w->turn->asked, t->asked, t->asked_end);
        return;
    }
    for (size_t i = t->old; i < t->old_end; i++)
        if (!outdated(w, &before->v[i]))
            keep(w, before->v[i]);
}

static void turn_type(struct work *w, struct gg_str type)
{
    const struct mx_required *before = w->turn->before, *asked = w->turn->asked;
    struct type_ranges t = {.type = type};
    t.old_end = range_of(before, type, &t.old);
    t.asked_end = range_of(asked, type, &t.asked);
    for (size_t i = t.asked; i < t.asked_end; i++)
        t.grows = t.grows || !mx_required_has(before, type, asked->v[i].key);
    note_changed(w, type);
    if (t.grows)
        grow(w, &t);
    else if (t.old_end - t.old == t.asked_end - t.asked)
        keep_all(w, before, t.old, t.old_end);
    else
        shrink(w, &t);
}

/* Each type of either list once, in order. */
static void turn_types(struct work *w)
{
    const struct mx_required *a = w->turn->before, *b = w->turn->asked;
    for (size_t i = 0, k = 0; i < a->n || k < b->n;) {
        bool from_a = k == b->n || (i < a->n && gg_str_cmp(a->v[i].type, b->v[k].type) <= 0);
        struct gg_str type = from_a ? a->v[i].type : b->v[k].type;
        turn_type(w, type);
        while (i < a->n && gg_str_eq(a->v[i].type, type))
            i++;
        while (k < b->n && gg_str_eq(b->v[k].type, type))
            k++;
    }
    w->out->now = (struct mx_required){w->now, sort_unique(w->now, w->n_now)};
}

/* Members that are wanted lazily and that the client does not have by now. */
static void wish_lazy(struct work *w)
{
    const struct mx_required_turn *t = w->turn;
    struct gg_str user;
    void *value;
    for (size_t i = 0; gg_map_next(t->lazy_wanted, &i, &user, &value);) {
        bool mine = gg_str_eq(user, t->me) && mx_required_has(t->before, MX_MEMBER, MX_ME);
        if (!gg_map_has(t->lazy_sent, user) && !mine && !mx_required_has(t->before, MX_MEMBER, user))
            mx_wish_add(&w->out->more, w->arena, MX_MEMBER, gg_arena_str(w->arena, user));
    }
}

/* Members that were asked for by name, when the list becomes lazy. */
static void note_had(struct work *w)
{
    const struct mx_required *before = w->turn->before;
    size_t first, end = range_of(before, MX_MEMBER, &first);
    note_changed(w, MX_MEMBER);
    for (size_t i = first; i < end; i++) {
        struct gg_str key = before->v[i].key;
        if (gg_str_eq(key, MX_ANY) || gg_str_eq(key, MX_LAZY) || gg_map_has(w->changed, key))
            continue;
        mx_text_add(w->out->had, gg_str_eq(key, MX_ME) ? w->turn->me : key);
    }
}

static void note_stale(const struct mx_required_turn *t, struct mx_required_news *out)
{
    for (size_t i = 0; i < t->n_changed; i++)
        if (gg_str_eq(t->changed[i].type, MX_MEMBER) && !gg_map_has(t->lazy_wanted, t->changed[i].key) &&
            gg_map_has(t->lazy_sent, t->changed[i].key))
            mx_text_add(out->stale, t->changed[i].key);
}

/* Wildcards for the type are seldom: a new one is answered with all state, and nothing of the past stays in mind. */
static bool turn_any_type(const struct mx_required_turn *t, struct mx_required_news *out)
{
    size_t old, asked, old_end = range_of(t->before, MX_ANY, &old), asked_end = range_of(t->asked, MX_ANY, &asked);
    bool grows = false, shrinks = false;
    for (size_t i = asked; i < asked_end; i++)
        grows = grows || !mx_required_has(t->before, MX_ANY, t->asked->v[i].key);
    for (size_t i = old; i < old_end; i++)
        shrinks = shrinks || !mx_required_has(t->asked, MX_ANY, t->before->v[i].key);
    if (!mx_required_has(t->before, MX_ANY, MX_ANY))
        out->more.all = grows;
    else
        shrinks = true;
    if (!grows && !shrinks)
        return false;
    out->remember = true;
    out->now = *t->asked;
    return true;
}

void mx_required_turn(const struct mx_required_turn *turn, struct gg_arena *arena, struct mx_required_news *out)
{
    *out = (struct mx_required_news){.now = *turn->before, .stale = mx_text_set(arena), .had = mx_text_set(arena)};
    struct work w = {.turn = turn, .arena = arena, .out = out};
    note_stale(turn, out);
    if (mx_required_equal(turn->before, turn->asked)) {
        wish_lazy(&w);
        return;
    }
    if (turn_any_type(turn, out))
        return;
    w.changed = mx_text_set(arena);
    w.now = GG_NEW_ARRAY(arena, struct mx_pair, turn->before->n + turn->asked->n + 1);
    turn_types(&w);
    wish_lazy(&w);
    if (out->remember && mx_required_has(turn->asked, MX_MEMBER, MX_LAZY))
        note_had(&w);
}
