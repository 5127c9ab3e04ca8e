/* matrix/directory/page_token.h: paging tokens of the public list, of the same form as Synapse's (url-safe base64 of a
 * MessagePack map {m: joined members, r: room id, d: forwards}), so that a page may come from either kind of process. */
#ifndef MX_DIRECTORY_PAGE_TOKEN_H
#define MX_DIRECTORY_PAGE_TOKEN_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

struct mx_list_token {
    int64_t members;       /* of the last room seen */
    struct gg_str room_id;
    bool forwards;
};
/* 0, or 400 M_INVALID_PARAM. room_id in the arena. */
GG_CHECKED int mx_list_token_parse(struct gg_str text, struct gg_arena *arena, struct mx_list_token *out, struct gg_error *err);
struct gg_str mx_list_token_text(const struct mx_list_token *token, struct gg_arena *arena);

#endif
