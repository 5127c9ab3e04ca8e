/* matrix/userdata/route.c: account data and tags set from any process. */
#include "userdata/route.h"

#include "userdata/tags.h"

#include <ganglion/buf.h>

static int ask_writer(struct mx_server *server, const char *method, const struct gg_str *args, size_t n, struct gg_str content,
                      struct gg_error *err)
{
    size_t n_writers;
    const char *const *writers = gg_stream_writers(server->account_data, &n_writers);
    struct gg_arena *arena = gg_arena_new();
    const char **texts = GG_NEW_ARRAY(arena, const char *, n + 1);
    struct gg_buf body = GG_BUF_INIT;
    json_t *answer = NULL;
    for (size_t i = 0; i < n; i++)
        texts[i] = gg_arena_strndup(arena, args[i].s, args[i].n);
    gg_buf_char(&body, '{');
    if (content.s != NULL) {
        gg_buf_lit(&body, "\"content\":");
        gg_buf_str(&body, content);
    }
    gg_buf_char(&body, '}');
    int rc = gg_repl_call_text(server->host, writers[0], method, texts, gg_buf_view(&body), &answer, err);
    json_decref(answer);
    gg_buf_done(&body);
    gg_arena_free(arena);
    return rc;
}

int mx_account_data_put(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str type,
                        struct gg_str content, struct gg_error *err)
{
    int64_t stream_id;
    if (gg_stream_is_writer(server->account_data))
        return mx_account_data_set(server, user_id, room_id, type, content, &stream_id, err);
    if (room_id.s == NULL)
        return ask_writer(server, "add_user_account_data", (const struct gg_str[]){user_id, type}, 2, content, err);
    return ask_writer(server, "add_room_account_data", (const struct gg_str[]){user_id, room_id, type}, 3, content, err);
}

int mx_tag_put(struct mx_server *server, struct gg_str user_id, struct gg_str room_id, struct gg_str tag, struct gg_str content,
               struct gg_error *err)
{
    int64_t stream_id;
    if (gg_stream_is_writer(server->account_data))
        return mx_tag_set(server, user_id, room_id, tag, content, &stream_id, err);
    return ask_writer(server, content.s != NULL ? "add_tag" : "remove_tag", (const struct gg_str[]){user_id, room_id, tag}, 3,
                      content, err);
}
