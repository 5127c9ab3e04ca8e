/* matrix/push/show.c: m.push_rules. */
#include "push/show.h"

#include "push/format.h"
#include "push/user_rules.h"

int mx_push_rules_content(struct mx_server *server, struct gg_str user_id, struct gg_arena *arena, struct gg_str *out,
                          struct gg_error *err)
{
    const struct mx_push_rules *rules;
    struct gg_buf text = GG_BUF_INIT;
    int rc = mx_push_read_rules(server, user_id, arena, &rules, err);
    if (rc)
        return rc;
    mx_push_write_rules(&text, rules, user_id, arena);
    *out = gg_arena_str(arena, gg_buf_view(&text));
    gg_buf_done(&text);
    return 0;
}
