/* Any bytes as what another server answers about an alias or a space. */
#include "federation/directory.h"
#include "federation/spaces.h"

#include <ganglion/matrix/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str text = gg_strn((const char *)data, size), room_id, *servers;
    struct gg_error err = GG_ERROR_INIT;
    struct mx_fed_space space;
    struct gg_buf out = GG_BUF_INIT;
    if (mx_json_check(text, 100, &err) != 0)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    (void)mx_fed_directory_read(text, arena, &room_id, &servers);
    if (mx_fed_space_read(text, GG_STR("!s:x.y"), size % 2 == 0, arena, &space))
        mx_fed_entry_write(&out, space.entry);
    gg_buf_done(&out);
    gg_arena_free(arena);
    return 0;
}
