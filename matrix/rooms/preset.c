/* matrix/rooms/preset.c: what createRoom's presets stand for (client-server API, "Creation"). */
#include "rooms/create.h"

static const struct mx_preset presets[] = {
    {"private_chat", "invite", "shared", true, false},
    {"trusted_private_chat", "invite", "shared", true, true},
    {"public_chat", "public", "shared", false, false},
};

const struct mx_preset *mx_preset_find(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(presets); i++)
        if (gg_str_is(name, presets[i].name))
            return &presets[i];
    return NULL;
}
