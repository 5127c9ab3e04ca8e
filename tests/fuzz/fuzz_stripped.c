/* What other servers tell of a room before one is in it: whatever comes, what is kept is a list of stripped events, and
 * cleaning it again changes nothing. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "federation/stripped_in.h"

static int is_clean(struct gg_str list)
{
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_next(&it))
        if (mx_json_length(it.value) != 4 || !mx_json_is_string(mx_json_get(it.value, "state_key")) ||
            !mx_json_is_object(mx_json_get(it.value, "content")))
            return 0;
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct gg_str text = gg_strn((const char *)data, size);
    if (mx_json_check(text, 200, &err) == 0) {
        struct gg_str once = mx_stripped_clean(text, arena), twice = mx_stripped_clean(once, arena);
        if (mx_json_check(once, 220, &err) != 0 || !is_clean(once) || !gg_str_eq(once, twice))
            abort();
    }
    gg_arena_free(arena);
    return 0;
}
