/* Paging tokens of the public list: what parses comes back as it was. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "directory/page_token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_list_token token, back;
    if (mx_list_token_parse(gg_strn((const char *)data, size), arena, &token, &err) == 0 &&
        (mx_list_token_parse(mx_list_token_text(&token, arena), arena, &back, &err) != 0 || back.members != token.members ||
         back.forwards != token.forwards || !gg_str_eq(back.room_id, token.room_id)))
        abort();
    gg_arena_free(arena);
    return 0;
}
