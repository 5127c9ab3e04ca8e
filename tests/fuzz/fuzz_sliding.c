/* Bodies of sliding sync requests, positions, and the rows that a connection keeps of what was asked for. */
#include "sliding/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_config(const struct mx_room_config *config, struct gg_arena *arena)
{
    struct gg_buf row = GG_BUF_INIT;
    mx_required_write(&config->required, &row);
    struct mx_required again = mx_required_read(gg_buf_view(&row), arena);
    if (config->timeline_limit > MX_SLIDING_MAX_TIMELINE || !mx_required_equal(&config->required, &again) ||
        !mx_required_covers(&config->required, &again))
        abort();
    gg_buf_done(&row);
}

/* From what the first list asks for to what another one does. */
static void check_turn(const struct mx_required *before, const struct mx_required *asked, struct gg_arena *arena)
{
    struct mx_required_news news;
    struct gg_map *sent = mx_text_set(arena), *wanted = mx_text_set(arena);
    for (size_t i = 0; i < before->n; i++)
        mx_text_add(i % 2 != 0 ? sent : wanted, before->v[i].key);
    const struct mx_required_turn turn = {.me = GG_STR("@me:hs"),
                                          .before = before,
                                          .asked = asked,
                                          .lazy_sent = sent,
                                          .lazy_wanted = wanted,
                                          .changed = before->v,
                                          .n_changed = before->n / 2};
    mx_required_turn(&turn, arena, &news);
    struct mx_required both = mx_required_union(before, asked, arena);
    if (!mx_required_covers(&both, asked) || !mx_required_covers(&both, before))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_sliding_request q;
    int64_t position;
    const char *token;
    struct gg_str body = gg_strn((const char *)data, size);
    char *text = gg_arena_strndup(arena, body.s != NULL ? body.s : "", size);
    if (mx_sliding_pos_read(text, &position, &token, &err) == 0 && (position < 0 || token <= text))
        abort();
    (void)mx_required_read(body, arena);
    if (mx_sliding_request_read(body, arena, &q, &err) != 0) {
        if (err.http_status != 400)
            abort();
    } else {
        for (size_t i = 0; i < q.n_lists; i++) {
            check_config(q.lists[i].config, arena);
            check_turn(&q.lists[0].config->required, &q.lists[i].config->required, arena);
        }
        for (size_t i = 0; i < q.n_subscriptions; i++)
            check_config(q.subscriptions[i].config, arena);
    }
    gg_arena_free(arena);
    return 0;
}
