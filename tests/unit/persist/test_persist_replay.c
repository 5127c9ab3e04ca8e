/* Writes the events that Synapse wrote (tests/data/persist), in the same batches on the same state groups, and compares
 * every table row by row with what Synapse left. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ganglion/matrix/json.h>

#include "world.h"

static char *slurp(const char *name, size_t *n_out)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/persist/%s", TEST_DATA, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    size_t n = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(n + 1);
    assert_int_equal(fread(text, 1, n, file), n);
    text[n] = 0;
    fclose(file);
    if (n_out)
        *n_out = n;
    return text;
}

static char *next_line(char **cursor)
{
    char *line = *cursor, *end = strchr(line, '\n');
    if (!*line)
        return NULL;
    *cursor = end ? end + 1 : line + strlen(line);
    if (end)
        *end = 0;
    return line;
}

static void unref_event(void *event)
{
    mx_event_unref(event);
}

static int64_t number(struct gg_str object, const char *key)
{
    int64_t n = 0;
    (void)mx_json_i64(mx_json_get(object, key), &n);
    return n;
}

static void read_item(struct gg_str e, const struct mx_room_version *version, bool backfilled, struct gg_arena *arena,
                      struct mx_persist_item *item)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *event;
    struct gg_str json = mx_json_string(mx_json_get(e, "json"), arena);
    if (mx_event_load(json, version, mx_json_string(mx_json_get(e, "id"), arena),
                      mx_json_string(mx_json_get(e, "meta"), arena), &event, &err))
        fail_msg("event: %s", err.message);
    event->meta.outlier = mx_json_true(mx_json_get(e, "outlier"));
    event->meta.rejected = mx_json_string(mx_json_get(e, "rejected"), arena);
    gg_arena_defer(arena, unref_event, event);
    *item = (struct mx_persist_item){event, number(e, "group"), number(e, "before"), NULL, backfilled};
}

static void replay(struct gg_str batch)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str list = mx_json_get(batch, "events");
    const struct mx_room_version *version = mx_room_version_find(mx_json_string(mx_json_get(batch, "version"), arena));
    struct mx_persist_item items[100];
    int64_t orderings[100];
    size_t n = 0;
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_next(&it))
        read_item(it.value, version, mx_json_true(mx_json_get(batch, "backfilled")), arena, &items[n++]);
    struct gg_str room = mx_json_string(mx_json_get(batch, "room"), arena);
    if (mx_persist(world.server, room, items, n, arena, orderings, NULL, &err))
        fail_msg("persist in %.*s: %s", GG_FMT(room), err.message);
    for (size_t i = 0; i < n; i++)
        assert_int_not_equal(orderings[i], 0);
    gg_arena_free(arena);
}

/* Rows of expected that belong to name, against the query's. Returns how many differ. */
static size_t compare(const char *name, const char *query, const char *expected)
{
    char sql[2048], prefix[64];
    snprintf(sql, sizeof(sql), "SELECT row_to_json(q)::jsonb::text FROM (%s) q", query);
    size_t n_prefix = (size_t)snprintf(prefix, sizeof(prefix), "%s\t", name), wrong = 0;
    PGresult *res = world_run(sql);
    int row = 0;
    for (const char *line = expected; *line;) {
        const char *end = strchr(line, '\n');
        size_t n = (size_t)(end - line);
        if (n >= n_prefix && strncmp(line, prefix, n_prefix) == 0) {
            const char *got = row < PQntuples(res) ? PQgetvalue(res, row, 0) : "(no row)";
            if (strlen(got) != n - n_prefix || memcmp(got, line + n_prefix, n - n_prefix) != 0) {
                if (wrong++ < 6)
                    print_message("%s\n  want %.*s\n  got  %s\n", name, (int)(n - n_prefix), line + n_prefix, got);
            }
            row++;
        }
        line = end + 1;
    }
    if (row < PQntuples(res))
        print_message("%s: %d rows too many, first %s\n", name, PQntuples(res) - row, PQgetvalue(res, row, 0));
    wrong += row < PQntuples(res);
    PQclear(res);
    return wrong;
}

WORLD_TEST(same_rows_as_synapse)
{
    char *base = slurp("base.sql", NULL), *batches = slurp("batches.jsonl", NULL);
    char *queries = slurp("queries.tsv", NULL), *expected = slurp("expected.tsv", NULL);
    size_t wrong = 0;
    world_do(base);
    world_start(NULL);
    for (char *cursor = batches, *line; (line = next_line(&cursor));)
        replay(gg_str(line));
    world_stop();
    for (char *cursor = queries, *line; (line = next_line(&cursor));) {
        char *tab = strchr(line, '\t');
        *tab = 0;
        wrong += compare(line, tab + 1, expected);
    }
    assert_int_equal(wrong, 0);
    free(base);
    free(batches);
    free(queries);
    free(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_rows_as_synapse)};
    return cmocka_run_group_tests(tests, world_up, world_down);
}
