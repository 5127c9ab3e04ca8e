/* The tables of keys against the sources: what says honoured is asked for somewhere,
 * and what says "not built yet" is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/yaml.h"
#include "main/keys.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/config.h>

#include <fts.h>
#include <stdio.h>

static const struct gg_config_key *const tables[] = {gg_host_keys, gg_main_keys, mx_config_keys, NULL};

static bool is_source(const FTSENT *entry)
{
    size_t n = entry->fts_namelen;

    return entry->fts_info == FTS_F && n > 2 && strcmp(entry->fts_name + n - 2, ".c") == 0 &&
           strcmp(entry->fts_name, "keys.c") != 0;
}

/* All sources but the tables themselves, as one text. */
static void read_sources(struct gg_buf *out, bool with_checks)
{
    char host[] = SOURCE_DIR "/host", matrix[] = SOURCE_DIR "/matrix", plugins[] = SOURCE_DIR "/plugins";
    char *roots[] = {host, matrix, plugins, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);

    assert_non_null(walk);
    for (FTSENT *entry; (entry = fts_read(walk)) != NULL;) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct gg_str text;

        if (is_source(entry) && (with_checks || !strstr(entry->fts_path, "/config/")) &&
            gg_read_file(arena, entry->fts_path, 8 << 20, &text, &err) == 0)
            gg_buf_str(out, text);
        gg_arena_free(arena);
    }
    (void)fts_close(walk);
}

/* Wrong the other way round: built, but the table was forgotten. */
static bool is_modest(const struct gg_buf *sources, const struct gg_config_key *key)
{
    char quoted[160];

    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", key->path);
    return key->why && strncmp(key->why, "not built yet", 13) == 0 && strchr(key->path, '_') &&
           strstr(sources->data, quoted);
}

/* Quoted whole, put together from a quoted section ("rc_message" and "%s.per_second"), a map one of whose keys is quoted,
 * or put together from "email.subjects.%s" and the quoted last word. */
static bool is_asked_for(const struct gg_buf *sources, const char *path)
{
    char quoted[160];
    const char *dot = strrchr(path, '.');

    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", path);
    if (strstr(sources->data, quoted))
        return true;
    (void)snprintf(quoted, sizeof(quoted), "\"%s.", path);
    if (strstr(sources->data, quoted))
        return true;
    if (!dot)
        return false;
    (void)snprintf(quoted, sizeof(quoted), "\"%.*s\"", (int)(dot - path), path);
    if (strstr(sources->data, quoted))
        return true;
    (void)snprintf(quoted, sizeof(quoted), "\"%.*s.%%s\"", (int)(dot - path), path);
    if (!strstr(sources->data, quoted))
        return false;
    (void)snprintf(quoted, sizeof(quoted), "\"%s\"", dot + 1);
    return strstr(sources->data, quoted);
}

static void test_no_key_claims_too_much(void **state)
{
    struct gg_buf sources = GG_BUF_INIT;
    size_t wrong = 0;

    read_sources(&sources, true);
    assert_true(sources.n > 100000);
    for (size_t t = 0; tables[t]; t++)
        for (const struct gg_config_key *key = tables[t]; key->path; key++) {
            bool writers = strncmp(key->path, "stream_writers.", 15) == 0; /* asked for by group */

            if (key->verdict == GG_HONOURED && !writers && !key->make && !is_asked_for(&sources, key->path)) {
                print_message("%s says honoured, but no source asks for it\n", key->path);
                wrong++;
            }
        }
    gg_buf_done(&sources);
    assert_int_equal(wrong, 0);
}

static void test_no_key_claims_too_little(void **state)
{
    struct gg_buf sources = GG_BUF_INIT;
    size_t wrong = 0;

    read_sources(&sources, false);
    for (size_t t = 0; tables[t]; t++)
        for (const struct gg_config_key *key = tables[t]; key->path; key++)
            if (is_modest(&sources, key)) {
                print_message("%s says not built yet, but a source asks for it\n", key->path);
                wrong++;
            }
    gg_buf_done(&sources);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_key_claims_too_much),
        cmocka_unit_test(test_no_key_claims_too_little),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
