/* Server names, answers to /.well-known/matrix/server with their headers, and messages of name servers. The first byte of
 * the input says which. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "client/names.h"
#include "federation/server_name.h"
#include "federation/well_known.h"

static void read_name(struct gg_str name)
{
    struct mx_server_name parts;
    if (!mx_server_name_split(name, &parts))
        return;
    if (!parts.host.n || parts.host.s < name.s || parts.host.s + parts.host.n > name.s + name.n || (parts.v6 && !parts.literal))
        abort();
}

static void read_well_known(struct gg_str body, struct gg_arena *arena)
{
    struct mx_server_name parts;
    const char *name = mx_well_known_parse(body, arena);
    if (name && !mx_server_name_split(gg_str(name), &parts))
        abort();
}

static void read_headers(struct gg_str text, struct gg_arena *arena)
{
    const char *both = gg_arena_strndup(arena, text.s, text.n);
    const char *bar = strchr(both, '|');
    const char *control = bar ? gg_arena_strndup(arena, both, (size_t)(bar - both)) : both;
    int64_t period = mx_well_known_period(control, bar ? bar + 1 : NULL, 1700000000000);
    if (period < -1 || (period > 0 && period % 1000 != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str text = gg_strn((const char *)data + 1, size - 1);
    switch (data[0] % 4) {
    case 0:
        read_name(text);
        break;
    case 1:
        read_well_known(text, arena);
        break;
    case 2:
        read_headers(text, arena);
        break;
    default:
        if (gg_names_ttl(data + 1, size - 1, -7) < -7)
            abort();
    }
    gg_arena_free(arena);
    return 0;
}
