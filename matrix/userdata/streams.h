/* matrix/userdata/streams.h: sources and followers of the streams of this folder, for the table of streams, and what they
 * share. */
#ifndef MX_USERDATA_STREAMS_H
#define MX_USERDATA_STREAMS_H

#include <ganglion/matrix/server.h>

gg_stream_fetch_fn mx_account_data_fetch, mx_receipts_fetch, mx_typing_fetch;
gg_stream_apply_fn mx_account_data_apply, mx_receipts_apply, mx_typing_apply;

/* Text of the i-th item of a row's JSON array; s NULL if it is no string. Not unescaped: ids hold no escapes. */
struct gg_str mx_row_text(struct gg_str row, size_t i);

/* Rows of a query (first column the id, then columns as `kinds` says: t text or null, j JSON as it is) as rows of a
 * stream. Cut at `limit` without splitting an id. Always 0. */
int mx_rows_to_fetched(const struct gg_rows *rows, const char *kinds, size_t limit, int64_t to, struct gg_arena *arena,
                       struct gg_fetched **out, size_t *n_out, int64_t *reached);

/* The fetch of a stream by one statement of $1 (after it), $2 (to it) and $3 (how many), whose rows are as above. */
GG_YIELDS GG_CHECKED int mx_fetch_rows(const struct mx_server *server, const struct gg_stmt *stmt, const char *kinds, int64_t from,
                                       int64_t to, size_t limit, struct gg_arena *arena, struct gg_fetched **out,
                                       size_t *n_out, int64_t *reached, struct gg_error *err);

/* At load: followers; once positions are known: from where changes are remembered. */
void mx_userdata_follow(struct mx_server *server);
void mx_userdata_start(struct mx_server *server);

#endif
