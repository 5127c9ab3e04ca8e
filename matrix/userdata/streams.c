/* matrix/userdata/streams.c: what the streams of this folder share. */
#include "userdata/streams.h"

#include "sync/changes.h"

#include <ganglion/matrix/json.h>

struct gg_str mx_row_text(struct gg_str row, size_t i)
{
    struct mx_json_iter it = mx_json_iter(row);
    for (size_t k = 0; mx_json_next(&it); k++)
        if (k == i)
            return mx_json_is_string(it.value) ? gg_strn(it.value.s + 1, it.value.n - 2) : (struct gg_str){0};
    return (struct gg_str){0};
}

static void write_row(const struct gg_rows *rows, size_t i, const char *kinds, struct gg_buf *out)
{
    gg_buf_char(out, '[');
    for (int c = 0; kinds[c] != '\0'; c++) {
        struct gg_str value = gg_rows_str(rows, i, c + 1);
        if (c > 0)
            gg_buf_char(out, ',');
        if (value.s == NULL)
            gg_buf_lit(out, "null");
        else if (kinds[c] == 'j')
            gg_buf_str(out, value);
        else
            gg_buf_json_string(out, value);
    }
    gg_buf_char(out, ']');
}

int mx_rows_to_fetched(const struct gg_rows *rows, const char *kinds, size_t limit, int64_t to, struct gg_arena *arena,
                       struct gg_fetched **out, size_t *n_out, int64_t *reached)
{
    size_t n = gg_rows_count(rows);
    *reached = to;
    if (n == limit && n > 0) { /* there may be more: what is complete ends before the last id, unless it is the only one */
        int64_t last = gg_rows_i64(rows, n - 1, 0);
        size_t cut = n;
        while (cut > 0 && gg_rows_i64(rows, cut - 1, 0) == last)
            cut--;
        *reached = cut > 0 ? gg_rows_i64(rows, cut - 1, 0) : last;
        n = cut > 0 ? cut : n;
    }
    *out = GG_NEW_ARRAY(arena, struct gg_fetched, n + 1);
    struct gg_buf row = GG_BUF_INIT;
    for (size_t i = 0; i < n; i++) {
        gg_buf_clear(&row);
        write_row(rows, i, kinds, &row);
        (*out)[i] = (struct gg_fetched){gg_rows_i64(rows, i, 0), gg_arena_str(arena, gg_buf_view(&row))};
    }
    gg_buf_done(&row);
    *n_out = n;
    return 0;
}

int mx_fetch_rows(const struct mx_server *server, const struct gg_stmt *stmt, const char *kinds, int64_t from, int64_t to,
                  size_t limit, struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached,
                  struct gg_error *err)
{
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, stmt, GG_PARAMS(gg_p_i64(from), gg_p_i64(to), gg_p_i64((int64_t)limit)), arena, &rows, err);
    return rc == 0 ? mx_rows_to_fetched(rows, kinds, limit, to, arena, out, n_out, reached) : rc;
}

void mx_userdata_follow(struct mx_server *server)
{
    gg_stream_follow(server->account_data, mx_account_data_apply, server);
    gg_stream_follow(server->receipts, mx_receipts_apply, server);
    gg_stream_follow(server->typing_stream, mx_typing_apply, server);
}

void mx_userdata_start(struct mx_server *server)
{
    mx_changes_start(server->account_data_changes, gg_stream_max_seen(server->account_data));
    mx_changes_start(server->receipt_changes, gg_stream_max_seen(server->receipts));
}
