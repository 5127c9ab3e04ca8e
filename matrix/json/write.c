/* write.c: trees to text, in order of appearance or canonical; also the checks that walk a whole tree. No recursion. */
#include "text.h"
#include "tree.h"
#include <stdlib.h>

struct frame {
    const struct mx_json *v;
    uint32_t i;    /* next child */
    size_t sorted; /* where the object's sorted members begin in walk.sorted */
};

struct walk {
    struct frame *frames;
    size_t n, cap;
    const struct mx_json_member **sorted;
    size_t n_sorted, cap_sorted;
    struct frame small[24];
    const struct mx_json_member *small_sorted[96];
};

/* Twice the room; the first piece of memory lies on the stack. */
static void *doubled(void *old, const void *small, size_t size, size_t wanted)
{
    void *more = malloc(wanted);
    if (!more)
        abort();
    memcpy(more, old, size);
    if (old != small)
        free(old);
    return more;
}

static void walk_init(struct walk *w)
{
    w->frames = w->small;
    w->cap = GG_COUNT(w->small);
    w->sorted = w->small_sorted;
    w->cap_sorted = GG_COUNT(w->small_sorted);
    w->n = w->n_sorted = 0;
}

static void walk_done(struct walk *w)
{
    if (w->frames != w->small)
        free(w->frames);
    if (w->sorted != w->small_sorted)
        free(w->sorted);
}

static struct frame *walk_push(struct walk *w, const struct mx_json *v)
{
    if (w->n == w->cap) {
        w->frames = doubled(w->frames, w->small, w->n * sizeof(*w->frames), w->cap * 2 * sizeof(*w->frames));
        w->cap *= 2;
    }
    w->frames[w->n] = (struct frame){.v = v, .sorted = w->n_sorted};
    return &w->frames[w->n++];
}

static int by_key(const void *a, const void *b)
{
    return gg_str_cmp((*(const struct mx_json_member *const *)a)->key, (*(const struct mx_json_member *const *)b)->key);
}

/* UTF-8 sorts bytewise as code points do, and WTF-8 keeps that for lone surrogates. */
static void sort_members(const struct mx_json_member **m, size_t n)
{
    if (n > 24) {
        qsort(m, n, sizeof(*m), by_key);
        return;
    }
    for (size_t i = 1; i < n; i++) {
        const struct mx_json_member *moving = m[i];
        size_t k = i;
        for (; k > 0 && gg_str_cmp(moving->key, m[k - 1]->key) < 0; k--)
            m[k] = m[k - 1];
        m[k] = moving;
    }
}

static void add_sorted(struct walk *w, const struct mx_json *object)
{
    while (w->n_sorted + object->n > w->cap_sorted) {
        w->sorted = doubled(w->sorted, w->small_sorted, w->n_sorted * sizeof(*w->sorted),
                            w->cap_sorted * 2 * sizeof(*w->sorted));
        w->cap_sorted *= 2;
    }
    for (uint32_t i = 0; i < object->n; i++)
        w->sorted[w->n_sorted + i] = &object->members[i];
    sort_members(w->sorted + w->n_sorted, object->n);
    w->n_sorted += object->n;
}

static void write_scalar(struct gg_buf *out, const struct mx_json *v, bool canonical)
{
    switch (v->kind) {
    case MX_JSON_NULL:
        gg_buf_lit(out, "null");
        break;
    case MX_JSON_FALSE:
        gg_buf_lit(out, "false");
        break;
    case MX_JSON_TRUE:
        gg_buf_lit(out, "true");
        break;
    case MX_JSON_NUMBER:
        if (canonical)
            mx_json_number(out, v->text);
        else
            gg_buf_str(out, v->text);
        break;
    default:
        mx_text_write(out, v->text);
        break;
    }
}

static bool is_container(const struct mx_json *v)
{
    return v->kind == MX_JSON_ARRAY || v->kind == MX_JSON_OBJECT;
}

/* The next child of the frame, with what stands before it. */
static const struct mx_json *next_child(struct gg_buf *out, struct walk *w, struct frame *f, bool canonical)
{
    const struct mx_json_member *m;
    if (f->i > 0)
        gg_buf_char(out, ',');
    if (f->v->kind == MX_JSON_ARRAY)
        return f->v->items[f->i++];
    m = canonical ? w->sorted[f->sorted + f->i] : &f->v->members[f->i];
    f->i++;
    mx_text_write(out, m->key);
    gg_buf_char(out, ':');
    return m->value;
}

static void write_tree(struct gg_buf *out, const struct mx_json *v, bool canonical)
{
    struct walk w;
    walk_init(&w);
    for (;;) {
        if (is_container(v)) {
            gg_buf_char(out, v->kind == MX_JSON_ARRAY ? '[' : '{');
            walk_push(&w, v);
            if (canonical && v->kind == MX_JSON_OBJECT)
                add_sorted(&w, v);
        } else {
            write_scalar(out, v, canonical);
        }
        while (w.n && w.frames[w.n - 1].i == w.frames[w.n - 1].v->n) {
            struct frame *f = &w.frames[--w.n];
            gg_buf_char(out, f->v->kind == MX_JSON_ARRAY ? ']' : '}');
            w.n_sorted = f->sorted;
        }
        if (!w.n)
            break;
        v = next_child(out, &w, &w.frames[w.n - 1], canonical);
    }
    walk_done(&w);
}

void mx_json_write(struct gg_buf *out, const struct mx_json *v)
{
    write_tree(out, v, false);
}

void mx_json_canonical(struct gg_buf *out, const struct mx_json *v)
{
    write_tree(out, v, true);
}

/* Why this scalar cannot stand in an event; NULL: it can. */
typedef const char *wrong_fn(const struct mx_json *scalar);

static const char *find_wrong(const struct mx_json *v, wrong_fn *wrong)
{
    const char *why = NULL;
    struct walk w;
    walk_init(&w);
    for (;;) {
        if (is_container(v))
            walk_push(&w, v);
        else
            why = wrong(v);
        while (w.n && w.frames[w.n - 1].i == w.frames[w.n - 1].v->n)
            w.n--;
        if (!w.n || why)
            break;
        struct frame *f = &w.frames[w.n - 1];
        if (f->v->kind == MX_JSON_ARRAY) {
            v = f->v->items[f->i++];
            continue;
        }
        if (mx_text_has_surrogate(f->v->members[f->i].key))
            why = "a lone surrogate in a key";
        v = f->v->members[f->i++].value;
        if (why)
            break;
    }
    walk_done(&w);
    return why;
}

static const char *not_writable(const struct mx_json *v)
{
    if (v->kind == MX_JSON_STRING && mx_text_has_surrogate(v->text))
        return "a lone surrogate";
    return v->kind == MX_JSON_NUMBER ? mx_json_number_wrong(v->text) : NULL;
}

static const char *not_strict(const struct mx_json *v)
{
    int64_t number;
    const int64_t limit = (INT64_C(1) << 53) - 1;
    if (v->kind != MX_JSON_NUMBER)
        return not_writable(v);
    if (mx_json_is_float(v->text))
        return "a float";
    if (!mx_json_i64(v->text, &number) || number > limit || number < -limit)
        return "an integer beyond 2^53-1";
    return NULL;
}

int mx_json_canonical_check(const struct mx_json *v, struct gg_error *err)
{
    const char *why = find_wrong(v, not_writable);
    return why ? gg_refuse(err, 400, "M_BAD_JSON", "Bad JSON value: %s", why) : 0;
}

int mx_json_strict(const struct mx_json *v, struct gg_error *err)
{
    const char *why = find_wrong(v, not_strict);
    return why ? gg_refuse(err, 400, "M_BAD_JSON", "Bad JSON value: %s", why) : 0;
}
