/* test_mx_state_map.c: state maps against a plain sorted array, copies, differences, bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ganglion/matrix/state.h>
#include <stdio.h>
#include <stdlib.h>

enum { KEYS = 3000 };

static uint64_t seed;

static unsigned draw(unsigned n)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(seed >> 33) % n;
}

struct model {
    int id[KEYS]; /* 0: absent */
};

__attribute__((format(printf, 2, 3))) static struct gg_str text(char *out, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(out, 32, format, ap);
    va_end(ap);
    return gg_strn(out, (size_t)n);
}

static struct gg_str type_of(char *out, int key)
{
    return text(out, "type%d", key % 5);
}

static struct gg_str key_of(char *out, int key)
{
    return key < 5 ? gg_strn("", 0) : text(out, "@user%06d:x", key / 5);
}

static void set(struct mx_state *s, struct model *m, int key, int id)
{
    char a[32], b[32], c[32];
    mx_state_set(s, type_of(a, key), key_of(b, key), text(c, "$event%d", id));
    m->id[key] = id;
}

static void drop(struct mx_state *s, struct model *m, int key)
{
    char a[32], b[32];
    assert_int_equal(mx_state_delete(s, type_of(a, key), key_of(b, key)), m->id[key] != 0);
    m->id[key] = 0;
}

static void assert_like(const struct mx_state *s, const struct model *m)
{
    char a[32], b[32], c[32];
    struct mx_state_entry e, last = {{0}};
    size_t n = 0, cursor = 0, of_type = 0;
    for (int key = 0; key < KEYS; key++) {
        struct gg_str id = mx_state_get(s, type_of(a, key), key_of(b, key));
        assert_int_equal(id.s != NULL, m->id[key] != 0);
        if (id.s)
            assert_true(gg_str_eq(id, text(c, "$event%d", m->id[key])));
        n += id.s != NULL;
    }
    assert_int_equal(mx_state_count(s), n);
    while (mx_state_next(s, &cursor, &e)) {
        int order = last.type.s ? gg_str_cmp(last.type, e.type) : -1;
        assert_true(order < 0 || (order == 0 && gg_str_cmp(last.state_key, e.state_key) < 0));
        last = e;
    }
    assert_int_equal(cursor, n);
    for (int t = 0; t < 5; t++) {
        cursor = 0;
        while (mx_state_next_of(s, type_of(a, t), &cursor, &e)) {
            assert_true(gg_str_eq(e.type, type_of(a, t)));
            of_type++;
        }
        assert_int_equal(mx_state_after(s, type_of(a, t)), of_type);
    }
    assert_int_equal(mx_state_after(s, GG_STR("type")), 0);
    assert_int_equal(mx_state_after(s, GG_STR("type22")), mx_state_after(s, GG_STR("type2")));
    assert_int_equal(mx_state_after(s, GG_STR("type9")), n);
    assert_int_equal(of_type, n);
}

struct seen {
    size_t n;
};

static bool count_difference(void *arg, const struct mx_state_entry *a, const struct mx_state_entry *b)
{
    struct seen *seen = arg;
    assert_true(a || b);
    if (a && b) {
        assert_true(gg_str_eq(a->type, b->type) && gg_str_eq(a->state_key, b->state_key));
        assert_false(gg_str_eq(a->event_id, b->event_id));
    }
    seen->n++;
    return true;
}

static void assert_differences(const struct mx_state *a, const struct model *x, const struct mx_state *b,
                               const struct model *y)
{
    struct seen seen = {0};
    size_t expected = 0;
    for (int key = 0; key < KEYS; key++)
        expected += x->id[key] != y->id[key];
    assert_true(mx_state_diff(a, b, count_difference, &seen));
    assert_int_equal(seen.n, expected);
    assert_int_equal(mx_state_equal(a, b), expected == 0);
}

static void like_a_plain_array(void **state)
{
    size_t before = mx_state_total_bytes();
    static struct model models[4];
    struct mx_state *maps[4] = {mx_state_new()};
    int next = 1;
    memset(models, 0, sizeof(models));
    seed = 7;
    for (int copy = 0; copy < 4; copy++) {
        if (copy) {
            maps[copy] = mx_state_copy(maps[copy - 1]);
            models[copy] = models[copy - 1];
            assert_differences(maps[copy - 1], &models[copy - 1], maps[copy], &models[copy]);
        }
        for (int i = 0; i < (copy ? 60 : 4000); i++) {
            int key = (int)draw(KEYS);
            if (draw(4))
                set(maps[copy], &models[copy], key, next++);
            else
                drop(maps[copy], &models[copy], key);
        }
    }
    for (int a = 0; a < 4; a++) {
        assert_like(maps[a], &models[a]);
        for (int b = 0; b < 4; b++)
            assert_differences(maps[a], &models[a], maps[b], &models[b]);
    }
    for (int key = 0; key < KEYS; key++)
        drop(maps[2], &models[2], key);
    assert_like(maps[2], &models[2]);
    assert_int_equal(mx_state_count(maps[2]), 0);
    assert_like(maps[3], &models[3]);
    for (int i = 0; i < 4; i++)
        mx_state_unref(maps[i]);
    mx_state_unref(NULL);
    assert_int_equal(mx_state_total_bytes(), before);
}

static void copies_share(void **state)
{
    static struct model model;
    struct mx_state *big = mx_state_new(), *copy;
    size_t before;
    for (int key = 0; key < KEYS; key++)
        set(big, &model, key, key + 1);
    before = mx_state_total_bytes();
    assert_true(mx_state_bytes(big) > KEYS * 30 && mx_state_bytes(big) <= before);
    copy = mx_state_copy(big);
    assert_true(mx_state_equal(big, copy));
    set(copy, &model, 1234, 99999);
    assert_true(mx_state_total_bytes() - before < 4096);
    assert_false(mx_state_equal(big, copy));
    assert_ptr_equal(mx_state_ref(copy), copy);
    mx_state_unref(copy);
    mx_state_unref(copy);
    assert_int_equal(mx_state_total_bytes(), before);
    mx_state_unref(big);
}

static void same_content_is_equal_however_made(void **state)
{
    static struct model m;
    struct mx_state *up = mx_state_new(), *down = mx_state_new();
    for (int key = 0; key < KEYS; key++)
        set(up, &m, key, key + 1);
    for (int key = KEYS; key-- > 0;)
        set(down, &m, key, key + 1);
    assert_true(mx_state_equal(up, down));
    set(down, &m, 5, 77777);
    assert_false(mx_state_equal(up, down));
    mx_state_unref(up);
    mx_state_unref(down);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_a_plain_array),
        cmocka_unit_test(copies_share),
        cmocka_unit_test(same_content_is_equal_however_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
