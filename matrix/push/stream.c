/* matrix/push/stream.c: changes of push rules: rules in memory go stale, and who waits in /sync is woken. */
#include "push/stream.h"

#include "push/show.h"
#include "push/user_rules.h"
#include "sync/changes.h"
#include "userdata/streams.h"

#include <ganglion/matrix/notifier.h>

static const struct gg_stmt fetch_rows = {
    "SELECT stream_id, user_id FROM push_rules_stream WHERE stream_id > $1 AND stream_id <= $2 ORDER BY stream_id LIMIT $3",
    GG_LANE_SCAN};

int mx_push_rules_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to, size_t limit,
                        struct gg_arena *arena, struct gg_fetched **out, size_t *n_out, int64_t *reached,
                        struct gg_error *err)
{
    return mx_fetch_rows(self, &fetch_rows, "t", from, to, limit, arena, out, n_out, reached, err);
}

static void apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows,
                  size_t n, bool moved)
{
    struct mx_server *server = self;
    for (size_t i = 0; i < n; i++) {
        struct gg_str user_id = mx_row_text(rows[i].row, 0);
        if (!user_id.s)
            continue;
        if (moved) {
            mx_notify_user(server, user_id);
            continue;
        }
        mx_push_forget_rules(server, user_id);
        mx_changes_note(server->push->changes, user_id, token);
    }
}

/* A row of the caches stream (account data of a user was wiped): (user), or everything. */
static void forget(void *self, const struct gg_str *keys, size_t n)
{
    mx_push_forget_rules(self, n ? keys[0] : gg_strn(NULL, 0));
}

void mx_push_follow(struct mx_server *server)
{
    gg_stream_follow(server->push_rules, apply, server);
    mx_caches_on(server, "get_push_rules_for_user", forget, server);
}

void mx_push_replicated(struct mx_server *server)
{
    mx_changes_start(server->push->changes, gg_stream_max_seen(server->push_rules));
}

bool mx_push_rules_changed(const struct mx_server *server, struct gg_str user_id, int64_t position)
{
    return mx_changes_after(server->push->changes, user_id, position);
}
