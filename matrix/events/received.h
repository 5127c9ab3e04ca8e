/* matrix/events/received.h: a PDU as another server sent it. Private to the library. */
#ifndef MX_EVENTS_RECEIVED_H
#define MX_EVENTS_RECEIVED_H

#include <ganglion/matrix/event.h>

struct mx_received {
    struct mx_event *event;           /* one reference, the caller's */
    struct gg_str signed_bytes;       /* what its signatures are over */
    const struct mx_json *signatures; /* an object, or NULL */
    bool tampered;                    /* the content hash was wrong: event is what redaction leaves */
};

/* Reads one: format, event id, content hash; of unsigned only what another server may say, its age as of now_ms. Knows
 * no fiber: runs on any thread, with an arena of its own. 0, or 400 M_BAD_JSON / M_NOT_JSON, 413 M_TOO_LARGE. */
GG_CHECKED int mx_event_receive(struct gg_str json, const struct mx_room_version *version, int64_t now_ms,
                                struct gg_arena *arena, struct mx_received *out, struct gg_error *err);

#endif
