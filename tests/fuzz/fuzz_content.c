/* What clients send as content, as ACLs and as filters. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "filter/filter.h"
#include "rooms/check_content.h"
#include "rooms/server_acl.h"

static const char *const types[] = {"m.room.message", "m.room.name",      "m.room.power_levels", "m.room.retention",
                                    "m.room.member",  "m.room.tombstone", "m.room.server_acl",   "x.y"};

/* The first byte chooses the type; what follows is the content. */
static void check(struct gg_str content, uint8_t choice, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_new_content e = {mx_room_version_find(GG_STR("12")), "example.org", gg_str(types[choice % GG_COUNT(types)]),
                               choice & 128 ? GG_STR("") : (struct gg_str){0}, content};
    int rc = mx_check_content(&e, arena, &err);
    if (rc != 0 && (err.http_status < 400 || err.http_status > 413))
        abort(); /* a client's mistake is never the server's */
    mx_server_acl_allows(content, GG_STR("example.org"), arena);
    mx_server_acl_allows(content, GG_STR("[::1]:8448"), arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_filter filter;
    if (size < 1)
        return 0;
    struct gg_str text = gg_strn((const char *)data + 1, size - 1);
    if (mx_json_check(text, 200, &err) != 0 || !mx_json_is_object(text))
        return 0;
    struct gg_arena *arena = gg_arena_new();
    check(text, data[0], arena);
    if (mx_filter_parse(text, arena, &filter, &err) == 0)
        mx_filter_type(&filter, GG_STR("m.room.message"));
    gg_arena_free(arena);
    return 0;
}
