/* matrix/e2ee/key_counts.c: counts of one-time keys and unused fallback keys, read once and kept until a process says that
 * they changed (cache invalidations count_e2e_one_time_keys, get_e2e_unused_fallback_key_types). */
#include "e2ee/key_counts.h"

#include "e2ee/e2ee.h"

#include <ganglion/memory.h>
#include <stdlib.h>

static const struct gg_stmt read_counts = {
    "SELECT algorithm, count(*) FROM e2e_one_time_keys_json WHERE user_id = $1 AND device_id = $2 GROUP BY algorithm"
    " ORDER BY algorithm", GG_LANE_POINT};
static const struct gg_stmt read_fallbacks = {
    "SELECT algorithm FROM e2e_fallback_keys_json WHERE user_id = $1 AND device_id = $2 AND NOT used ORDER BY algorithm",
    GG_LANE_POINT};

static void write_counts(const struct gg_rows *rows, struct gg_buf *out)
{
    static const char always[] = "signed_curve25519"; /* clients upload more when they see none: so none is said */
    bool seen = false;
    gg_buf_char(out, '{');
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        gg_buf_json_string(out, gg_rows_str(rows, i, 0));
        gg_buf_char(out, ':');
        gg_buf_i64(out, gg_rows_i64(rows, i, 1));
        gg_buf_text(out, i + 1 < gg_rows_count(rows) ? "," : "");
        seen = seen || gg_str_is(gg_rows_str(rows, i, 0), always);
    }
    if (!seen)
        gg_buf_printf(out, "%s\"%s\":0", gg_rows_count(rows) > 0 ? "," : "", always);
    gg_buf_char(out, '}');
}

static void write_fallbacks(const struct gg_rows *rows, struct gg_buf *out)
{
    gg_buf_char(out, '[');
    for (size_t i = 0; i < gg_rows_count(rows); i++) {
        gg_buf_text(out, i > 0 ? "," : "");
        gg_buf_json_string(out, gg_rows_str(rows, i, 0));
    }
    gg_buf_char(out, ']');
}

static int look_up(struct mx_server *server, struct mx_cache *cache, const struct gg_stmt *stmt,
                   void (*write)(const struct gg_rows *, struct gg_buf *), const struct gg_str key[2], struct gg_arena *arena,
                   struct gg_str *out, struct gg_error *err)
{
    struct gg_str name = gg_str(gg_arena_printf(arena, "%.*s%c%.*s", GG_FMT(key[0]), MX_KEY_SEP, GG_FMT(key[1])));
    char *kept = mx_cache_get(cache, name);
    if (kept != NULL) {
        *out = gg_str(gg_arena_strdup(arena, kept));
        return 0;
    }
    struct gg_rows *rows;
    struct gg_buf text = GG_BUF_INIT;
    uint64_t tick = mx_cache_tick(cache);
    int rc = gg_db_read(server->db, stmt, GG_PARAMS(gg_p_str(key[0]), gg_p_str(key[1])), arena, &rows, err);
    if (rc != 0)
        return rc;
    write(rows, &text);
    *out = gg_arena_str(arena, gg_buf_view(&text));
    size_t n;
    kept = gg_buf_steal(&text, &n);
    mx_cache_put(cache, name, kept, n + 1, tick);
    return 0;
}

int mx_key_counts(struct mx_server *server, struct gg_str user_id, struct gg_str device_id, struct gg_arena *arena,
                  struct gg_str *counts, struct gg_str *unused_fallbacks, struct gg_error *err)
{
    const struct gg_str key[] = {user_id, device_id};
    int rc = 0;
    if (counts != NULL)
        rc = look_up(server, server->e2ee->counts, &read_counts, write_counts, key, arena, counts, err);
    if (rc == 0 && unused_fallbacks != NULL)
        rc = look_up(server, server->e2ee->fallbacks, &read_fallbacks, write_fallbacks, key, arena, unused_fallbacks, err);
    return rc;
}
