/* Registration files of application services, and the patterns in them against ids of strangers. */
#include <stdint.h>
#include <stdlib.h>

#include <ganglion/config.h>
#include <ganglion/matrix/appservice.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_appservice s;
    const struct gg_node *top = NULL;
    if (size <= 65536 && gg_node_parse(arena, "r", gg_strn((const char *)data, size), &top, &err) == 0 &&
        mx_appservice_read(top, "r", "hs", arena, &s, &err) == 0) {
        struct gg_str id = gg_strn((const char *)data, size < 255 ? size : 255);
        if (mx_appservice_owns_user(&s, GG_STR("@ab:hs")) && !s.users.n && !gg_str_is(GG_STR("@ab:hs"), s.sender))
            abort(); /* nobody else's */
        (void)mx_appservice_has_user(&s, id);
        (void)mx_appservice_has_alias(&s, id);
        (void)mx_appservice_has_room_id(&s, GG_STR("!aaaaaaaaaaaaaaaaaaaaaaaaaaaa:hs"));
    }
    gg_arena_free(arena);
    return 0;
}
