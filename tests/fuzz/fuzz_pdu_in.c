/* Events as other servers send them, in every room version: taken or refused; what is taken can be loaded again, has the
 * id of its hash, and keeps of unsigned only what strangers may say. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "events/received.h"
#include "federation/signers.h"

static void check_taken(const struct mx_received *received, const struct mx_room_version *version)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_event *again = NULL;
    if (mx_event_load(received->event->json, version, received->event->event_id, (struct gg_str){0}, &again, &err))
        abort();
    if (!gg_str_eq(again->event_id, received->event->event_id) || mx_json_get(again->unsigned_, "redacted_because").s)
        abort();
    mx_event_unref(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_versions;
    const struct mx_room_version *versions = mx_room_version_all(&n_versions);
    for (size_t i = 0; i < n_versions; i++) {
        struct gg_arena *arena = gg_arena_new();
        struct gg_error err = GG_ERROR_INIT;
        struct mx_signer signers[MX_SIGNERS_MAX];
        struct mx_signature signatures[MX_SIGNER_KEYS_MAX];
        struct mx_received received;
        size_t n;
        int rc = mx_event_receive(gg_strn((const char *)data, size), &versions[i], 1700000000000, arena, &received, &err);
        if (rc == 0) {
            check_taken(&received, &versions[i]);
            rc = mx_signers_of(received.event, arena, signers, &n, &err);
            for (size_t k = 0; rc == 0 && k < n; k++)
                mx_signatures_of(received.signatures, gg_arena_strndup(arena, signers[k].server.s, signers[k].server.n), signatures);
        }
        if (rc != 0 && (err.http_status < 400 || err.http_status > 499))
            abort();
        mx_event_unref(received.event);
        gg_arena_free(arena);
    }
    return 0;
}
