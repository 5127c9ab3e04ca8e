/* tree.c: building and changing JSON trees in an arena. */
#include "tree.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

struct mx_json *mx_json_node(struct gg_arena *arena, enum mx_json_kind kind)
{
    struct mx_json *v = gg_arena_alloc(arena, sizeof(*v));
    memset(v, 0, sizeof(*v));
    v->kind = kind;
    return v;
}

struct mx_json *mx_json_object(struct gg_arena *arena)
{
    return mx_json_node(arena, MX_JSON_OBJECT);
}

struct mx_json *mx_json_array(struct gg_arena *arena)
{
    return mx_json_node(arena, MX_JSON_ARRAY);
}

struct mx_json *mx_json_new_string(struct gg_arena *arena, struct gg_str s)
{
    struct mx_json *v = mx_json_node(arena, MX_JSON_STRING);
    v->text = gg_arena_str(arena, gg_strn(s.s ? s.s : "", s.n));
    return v;
}

struct mx_json *mx_json_new_i64(struct gg_arena *arena, int64_t number)
{
    struct mx_json *v = mx_json_node(arena, MX_JSON_NUMBER);
    v->text = gg_str(gg_arena_printf(arena, "%" PRId64, number));
    return v;
}

struct mx_json *mx_json_new_bool(struct gg_arena *arena, bool yes)
{
    return mx_json_node(arena, yes ? MX_JSON_TRUE : MX_JSON_FALSE);
}

/* Room for one more element of `size` bytes in an array that holds v->n of them. */
static void *grown(struct mx_json *v, struct gg_arena *arena, void *old, size_t size)
{
    uint32_t cap = v->cap ? v->cap * 2 : 4;
    void *fresh;
    if (v->n < v->cap)
        return old;
    if (cap <= v->cap) /* 2^32 members: texts are bounded far below */
        abort();
    fresh = gg_arena_alloc(arena, cap * size);
    if (v->n)
        memcpy(fresh, old, v->n * size);
    v->cap = cap;
    return fresh;
}

void mx_json_append(struct mx_json *object, struct gg_arena *arena, struct gg_str key, struct mx_json *value)
{
    object->members = grown(object, arena, object->members, sizeof(object->members[0]));
    object->members[object->n].key = key;
    object->members[object->n++].value = value;
}

static struct mx_json_member *find(const struct mx_json *object, struct gg_str key)
{
    if (!object || object->kind != MX_JSON_OBJECT)
        return NULL;
    for (uint32_t i = 0; i < object->n; i++)
        if (gg_str_eq(object->members[i].key, key))
            return &object->members[i];
    return NULL;
}

struct mx_json *mx_json_member(const struct mx_json *object, const char *key)
{
    struct mx_json_member *m = find(object, gg_str(key));
    return m ? m->value : NULL;
}

void mx_json_set(struct mx_json *object, struct gg_arena *arena, const char *key, struct mx_json *value)
{
    struct mx_json_member *m = find(object, gg_str(key));
    if (m)
        m->value = value;
    else
        mx_json_append(object, arena, gg_arena_str(arena, gg_str(key)), value);
}

bool mx_json_remove(struct mx_json *object, const char *key)
{
    struct mx_json_member *m = find(object, gg_str(key));
    if (!m)
        return false;
    object->n--;
    memmove(m, m + 1, (size_t)(object->members + object->n - m) * sizeof(*m));
    return true;
}

void mx_json_push(struct mx_json *array, struct gg_arena *arena, struct mx_json *value)
{
    array->items = grown(array, arena, array->items, sizeof(array->items[0]));
    array->items[array->n++] = value;
}

struct mx_json *mx_json_copy_level(const struct mx_json *v, struct gg_arena *arena)
{
    struct mx_json *copy = mx_json_node(arena, (enum mx_json_kind)v->kind);
    size_t size = v->kind == MX_JSON_OBJECT ? sizeof(v->members[0]) : sizeof(v->items[0]);
    *copy = *v;
    if ((v->kind != MX_JSON_OBJECT && v->kind != MX_JSON_ARRAY) || !v->n)
        return copy;
    copy->cap = v->n + 4;
    copy->items = gg_arena_alloc(arena, copy->cap * size);
    memcpy(copy->items, v->items, v->n * size);
    return copy;
}

struct gg_str mx_json_text(const struct mx_json *string)
{
    return string && string->kind == MX_JSON_STRING ? string->text : gg_strn(NULL, 0);
}

static bool pairwise_distinct(const struct mx_json *object)
{
    for (uint32_t i = 1; i < object->n; i++)
        for (uint32_t k = 0; k < i; k++)
            if (gg_str_eq(object->members[i].key, object->members[k].key))
                return false;
    return true;
}

static int by_key_and_place(const void *a, const void *b)
{
    const struct mx_json_member *x = *(struct mx_json_member *const *)a, *y = *(struct mx_json_member *const *)b;
    int order = gg_str_cmp(x->key, y->key);
    return order ? order : x < y ? -1 : x > y;
}

/* Sorts the members by key, so that many of them cost n log n; marks each but the first of equal ones by value NULL. */
static void merge_equal(struct mx_json *object)
{
    struct mx_json_member **order = malloc(object->n * sizeof(*order));
    if (!order)
        abort();
    for (uint32_t i = 0; i < object->n; i++)
        order[i] = &object->members[i];
    qsort(order, object->n, sizeof(*order), by_key_and_place);
    for (uint32_t i = 1, first = 0; i < object->n; i++) {
        if (!gg_str_eq(order[i]->key, order[first]->key)) {
            first = i;
            continue;
        }
        order[first]->value = order[i]->value;
        order[i]->value = NULL;
    }
    free(order);
}

void mx_json_distinct(struct mx_json *object)
{
    uint32_t kept = 0;
    if (object->n < 2 || (object->n <= 16 && pairwise_distinct(object)))
        return;
    merge_equal(object);
    for (uint32_t i = 0; i < object->n; i++)
        if (object->members[i].value)
            object->members[kept++] = object->members[i];
    object->n = kept;
}
