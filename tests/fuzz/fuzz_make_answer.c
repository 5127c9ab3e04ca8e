/* Answers to make_join, make_leave and make_knock: refused, or our own event made of them, about whom we asked for. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "federation/handshake.h"

static const struct mx_signing_key *our_key(struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_signing_key *keys;
    size_t n;
    if (mx_signing_keys_parse(GG_STR("ed25519 a AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\n"), arena, &keys, &n, &err) != 0)
        abort();
    return keys;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const memberships[] = {"join", "leave", "knock"};
    for (size_t i = 0; i < 3; i++) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct mx_event *event = NULL;
        const struct mx_handshake h = {.membership = memberships[i], .room_id = GG_STR("!r:a.example"),
                                       .user_id = GG_STR("@u:b.example"), .content = GG_STR("{\"displayname\":\"U\"}")};
        if (mx_fed_make_read(gg_strn((const char *)data, size), &h, "b.example", our_key(arena), arena, &event, &err) == 0 &&
            (!gg_str_eq(event->sender, h.user_id) || !gg_str_eq(event->state_key, h.user_id) ||
             !gg_str_eq(event->room_id, h.room_id) || !gg_str_is(event->membership, h.membership)))
            abort();
        gg_arena_free(arena);
    }
    return 0;
}
