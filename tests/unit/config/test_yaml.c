/* YAML as PyYAML reads it: compared with what PyYAML made of the texts in
 * tests/data/config/pyyaml.json; and the bounds that PyYAML does not have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/node.h"
#include "config/yaml.h"

#include <ganglion/buf.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *datum(const json_t *tree, size_t i)
{
    return json_string_value(json_array_get(tree, i));
}

static bool same_float(const char *text, double d)
{
    if (strcmp(text, "nan") == 0)
        return isnan(d);
    double wanted = strcmp(text, "inf") == 0    ? (double)INFINITY
                    : strcmp(text, "-inf") == 0 ? -(double)INFINITY
                                                : strtod(text, NULL);
    return !(wanted < d) && !(d < wanted) && !isnan(d);
}

/* Our own data, a few levels deep: recursion is fine here. */
static bool same(const json_t *tree, const struct gg_node *node)
{
    const char *kind = datum(tree, 0);
    char digits[32];

    switch (node->kind) {
    case GG_NODE_NULL:
        return strcmp(kind, "null") == 0;
    case GG_NODE_BOOL:
        return strcmp(kind, "bool") == 0 && json_is_true(json_array_get(tree, 1)) == node->b;
    case GG_NODE_INT:
        (void)snprintf(digits, sizeof(digits), "%lld", (long long)node->i);
        return strcmp(kind, "int") == 0 && strcmp(datum(tree, 1), digits) == 0;
    case GG_NODE_FLOAT:
        return strcmp(kind, "float") == 0 && same_float(datum(tree, 1), node->d);
    case GG_NODE_TEXT:
        return strcmp(kind, "text") == 0 && strcmp(datum(tree, 1), node->text.s) == 0;
    default:
        break;
    }
    if (strcmp(kind, node->kind == GG_NODE_LIST ? "list" : "map") != 0 || json_array_size(tree) != node->n + 1)
        return false;
    for (size_t i = 0; i < node->n; i++) {
        const json_t *item = json_array_get(tree, i + 1);

        if (node->kind == GG_NODE_LIST && !same(item, node->entries[i].value))
            return false;
        if (node->kind == GG_NODE_MAP && (strcmp(datum(item, 0), node->entries[i].key) != 0 ||
                                          !same(json_array_get(item, 1), node->entries[i].value)))
            return false;
    }
    return true;
}

/* libyaml takes a tab after a colon, and a value that is a plain << stays text here; PyYAML
 * stops at both. */
static bool is_known_difference(const char *text)
{
    static const char *const known[] = {"<<", "[<<]", "a:\t1", NULL};

    for (const char *const *each = known; *each; each++)
        if (strcmp(*each, text) == 0)
            return true;
    return false;
}

static void test_pyyaml(void **state)
{
    json_t *all = json_load_file(
        getenv("GANGLION_TEST_PYYAML") ? getenv("GANGLION_TEST_PYYAML") : TEST_DATA "/config/pyyaml.json", 0, NULL);
    size_t i, wrong = 0;
    json_t *pair;

    assert_true(json_array_size(all) > 1000);
    json_array_foreach(all, i, pair)
    {
        const char *text = datum(pair, 0);
        const json_t *tree = json_array_get(pair, 1);
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct gg_node *node;
        int status = gg_yaml_parse(arena, "t", gg_str(text), NULL, NULL, &node, &err);

        if (!is_known_difference(text) && (json_is_null(tree) ? status == 0 : (status != 0 || !same(tree, node)))) {
            char *wanted = json_dumps(tree, JSON_ENCODE_ANY);
            print_message("`%s`: PyYAML %s, here %s\n", text, wanted,
                          status ? err.message : gg_node_kind_name(node->kind));
            free(wanted);
            wrong++;
        }
        gg_arena_free(arena);
    }
    json_decref(all);
    assert_int_equal(wrong, 0);
}

static int parse(const char *text, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_node *node;
    int status = gg_yaml_parse(arena, "f.yaml", gg_strn(text, n), NULL, NULL, &node, err);

    gg_arena_free(arena);
    return status;
}

static void test_billion_laughs(void **state)
{
    struct gg_buf text = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;

    gg_buf_text(&text, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 12; i++)
        gg_buf_printf(&text, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i, i - 1, i - 1,
                      i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_int_equal(parse(text.data, text.n, &err), GG_E_LIMIT);
    gg_buf_clear(&text);
    gg_buf_text(&text, "a0: &a0 {k0: 1, l0: 1}\n");
    for (int i = 1; i < 40; i++)
        gg_buf_printf(&text, "a%d: &a%d {<<: [*a%d, *a%d], k%d: {<<: *a%d}}\n", i, i, i - 1, i - 1, i, i - 1);
    assert_int_equal(parse(text.data, text.n, &err), GG_E_LIMIT);
    gg_buf_done(&text);
}

static void test_depth(void **state)
{
    struct gg_buf text = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;

    for (int i = 0; i < GG_YAML_MAX_DEPTH; i++)
        gg_buf_char(&text, '[');
    for (int i = 0; i < GG_YAML_MAX_DEPTH; i++)
        gg_buf_char(&text, ']');
    assert_int_equal(parse(text.data, text.n, &err), 0);
    gg_buf_clear(&text);
    for (int i = 0; i < 5000; i++)
        gg_buf_char(&text, '[');
    assert_true(parse(text.data, text.n, &err) != 0);
    gg_buf_done(&text);
}

static void test_places(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_node *root;

    assert_int_equal(gg_yaml_parse(arena, "f.yaml", GG_STR("a: 1\nb:\n  - c: [x, yes]\n"), NULL, NULL, &root, &err), 0);
    const struct gg_node *item = gg_node_at(gg_node_get(root, "b"), 0, NULL);
    assert_string_equal(gg_node_where(gg_node_at(gg_node_get(item, "c"), 1, NULL)), "f.yaml:3:12");
    assert_string_equal(gg_node_entry(root, "b")->where, "f.yaml:2:1");
    gg_arena_free(arena);
    assert_int_equal(parse("a: [1\nb: 2\n", 11, &err), GG_E_INVALID);
    assert_non_null(strstr(err.message, "f.yaml:2:2:"));
    assert_int_equal(parse("a: *b\n", 6, &err), GG_E_INVALID);
    assert_non_null(strstr(err.message, "f.yaml:1:4: the alias *b has no anchor"));
    assert_int_equal(parse("a: 99999999999999999999\n", 24, &err), GG_E_INVALID);
    assert_int_equal(parse("a: \"x\\0y\"\n", 10, &err), GG_E_INVALID);
    assert_int_equal(parse("\xff\xfe"
                           "a\0",
                           4, &err),
                     GG_E_INVALID);
}

static void keep_note(void *arg, const char *text)
{
    (void)snprintf((char *)arg, 200, "%s", text);
}

static void test_duplicates_are_noted(void **state)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_node *root;
    char note[200] = "";

    assert_int_equal(gg_yaml_parse(arena, "f.yaml", GG_STR("a: 1\nb: 2\na: 3\n"), keep_note, note, &root, &err), 0);
    assert_int_equal(gg_node_int(gg_node_get(root, "a")), 3);
    assert_string_equal(note, "f.yaml:3:1: `a` is given twice in one map; the last one counts");
    gg_arena_free(arena);
}

static void test_many_keys(void **state)
{
    struct gg_buf text = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    struct gg_arena *arena = gg_arena_new();
    struct gg_node *root;

    for (int i = 0; i < 20000; i++)
        gg_buf_printf(&text, "k%d: %d\n", i, i);
    assert_int_equal(gg_yaml_parse(arena, "f.yaml", gg_buf_view(&text), NULL, NULL, &root, &err), 0);
    assert_int_equal(gg_node_count(root), 20000);
    assert_int_equal(gg_node_int(gg_node_get(root, "k19999")), 19999);
    gg_node_remove(root, "k7");
    assert_null(gg_node_get(root, "k7"));
    assert_int_equal(gg_node_int(gg_node_get(root, "k8")), 8);
    gg_arena_free(arena);
    gg_buf_done(&text);
}

static void test_durations_and_sizes(void **state)
{
    assert_int_equal(gg_parse_duration("30s"), 30000);
    assert_int_equal(gg_parse_duration("5m"), 300000);
    assert_int_equal(gg_parse_duration("1h"), 3600000);
    assert_int_equal(gg_parse_duration("2d"), 172800000);
    assert_int_equal(gg_parse_duration("1w"), 604800000);
    assert_int_equal(gg_parse_duration("1y"), 31536000000);
    assert_int_equal(gg_parse_duration("1500"), 1500);
    assert_int_equal(gg_parse_duration("0"), 0);
    assert_int_equal(gg_parse_duration("1.5h"), -1);
    assert_int_equal(gg_parse_duration("1h30m"), -1);
    assert_int_equal(gg_parse_duration("-5m"), -1);
    assert_int_equal(gg_parse_duration("m"), -1);
    assert_int_equal(gg_parse_duration(""), -1);
    assert_int_equal(gg_parse_duration("999999999999999999y"), -1);
    assert_int_equal(gg_parse_size("10K"), 10240);
    assert_int_equal(gg_parse_size("50M"), 52428800);
    assert_int_equal(gg_parse_size("1G"), 1073741824);
    assert_int_equal(gg_parse_size("2T"), 2199023255552);
    assert_int_equal(gg_parse_size("50MiB"), -1);
    assert_int_equal(gg_parse_size("50m"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pyyaml),
        cmocka_unit_test(test_billion_laughs),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_duplicates_are_noted),
        cmocka_unit_test(test_durations_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
