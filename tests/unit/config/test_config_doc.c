/* Every key of Synapse has a verdict, and docs/config.md is what the tables say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/internal.h"
#include "config/modes.h"
#include "config/yaml.h"
#include "helper.h"
#include "main/keys.h"

#include <ganglion/matrix/config.h>

#include <stdlib.h>

static const struct gg_config_key *const tables[] = {gg_host_keys, gg_main_keys, mx_config_keys, NULL};

/* ---- every key has a verdict ---- */

/* Declared itself, as a former spelling or the path of a secret, or inside a declared section. */
static bool is_covered(const struct gg_config *config, const char *path)
{
    char part[128];

    if (gg_config_value(config, path) || gg_map_has(config->former, gg_str(path)) ||
        gg_map_has(config->prefixes, gg_str(path)))
        return true;
    for (const char *dot = strchr(path, '.'); dot; dot = strchr(dot + 1, '.')) {
        (void)snprintf(part, sizeof(part), "%.*s", (int)(dot - path), path);
        const struct gg_value *value = gg_config_value(config, part);

        if (value && (value->key.type == GG_C_MAP || value->key.type == GG_C_LIST || value->key.type == GG_C_ANY))
            return true;
    }
    return false;
}

static void test_every_key_has_a_verdict(void **state)
{
    struct gg_config *config = load_with(MINIMAL, tables + 1);
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str text;
    size_t n = 0, missing = 0;
    char *rest, *line;

    assert_int_equal(gg_read_file(arena, TEST_DATA "/config/keys.txt", 1 << 20, &text, &err), 0);
    rest = gg_arena_strdup(arena, text.s);
    while ((line = strsep(&rest, "\n")) != NULL) {
        if (!*line)
            continue;
        n++;
        if (!is_covered(config, line)) {
            print_message("no verdict for %s\n", line);
            missing++;
        }
    }
    assert_true(n > 400);
    assert_int_equal(missing, 0);
    gg_arena_free(arena);
    gg_config_free(config);
}

static void test_no_key_stands_twice(void **state)
{
    for (size_t t = 0; tables[t]; t++)
        for (const struct gg_config_key *key = tables[t]; key->path; key++)
            for (size_t u = 0; u <= t; u++)
                for (const struct gg_config_key *other = tables[u]; other->path && other != key; other++)
                    if (strcmp(other->path, key->path) == 0)
                        fail_msg("%s stands twice", key->path);
}

/* ---- docs/config.md ---- */

static void test_docs_are_up_to_date(void **state)
{
    static const struct gg_doc_section sections[] = {
        {"The host", gg_host_keys},
        {"The process", gg_main_keys},
        {"Matrix", mx_config_keys},
        {NULL, NULL},
    };
    const char *path = SOURCE_DIR "/docs/config.md";
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf wanted = GG_BUF_INIT;
    struct gg_str text = {"", 0};

    gg_mode_config_doc(sections, &wanted);
    if (getenv("GANGLION_UPDATE")) {
        FILE *file = fopen(path, "w");

        assert_non_null(file);
        assert_int_equal(fwrite(wanted.data, 1, wanted.n, file), wanted.n);
        (void)fclose(file);
    }
    if (gg_read_file(arena, path, 1 << 20, &text, &err) != 0 || !gg_str_eq(text, gg_buf_view(&wanted)))
        fail_msg("docs/config.md is not what the tables say: run `GANGLION_UPDATE=1 test_config_doc` and commit it");
    gg_buf_done(&wanted);
    gg_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_key_has_a_verdict),
        cmocka_unit_test(test_no_key_stands_twice),
        cmocka_unit_test(test_docs_are_up_to_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
