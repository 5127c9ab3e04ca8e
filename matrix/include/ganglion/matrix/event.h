/* ganglion/matrix/event.h: one event, immutable once built, reference-counted (atomic).
 *
 * Holds the stored JSON bytes and the header fields that everybody needs; content
 * and unsigned are slices of those bytes. */
#ifndef GANGLION_MATRIX_EVENT_H
#define GANGLION_MATRIX_EVENT_H

#include <ganglion/matrix/crypto.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/room_version.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What we know about an event that is not in its JSON (event_json.internal_metadata and columns of events). */
struct mx_event_meta {
    int64_t stream_ordering;     /* 0: not persisted yet */
    struct gg_str instance;      /* who persisted it; s NULL: not yet */
    struct gg_str txn_id, device_id, delay_id, send_on_behalf_of; /* s NULL: none */
    int64_t token_id;            /* 0: none */
    struct gg_str rejected;      /* reason; s NULL: accepted */
    bool outlier, soft_failed, out_of_band, recheck_redaction, redacted;
    bool not_proactively_send;   /* proactively_send: false */
};

enum { MX_EVENT_RUNS = 6 };

struct mx_event {
    const struct mx_room_version *version;
    struct gg_str json;          /* as stored: without event_id for formats 2 and later; with unsigned */
    struct gg_str event_id, room_id, type, sender;
    struct gg_str state_key;     /* s NULL: not a state event */
    struct gg_str redacts;       /* of m.room.redaction, wherever the version keeps it; s NULL: none */
    struct gg_str content;       /* slice: an object */
    struct gg_str unsigned_;     /* slice, or s NULL */
    struct gg_str membership;    /* of m.room.member: content.membership if it is a string; else s NULL */
    int64_t origin_server_ts, depth;
    const struct gg_str *prev_events, *auth_events; /* event ids. Version 12: auth_events includes the create
                                                       event's id although the JSON does not list it */
    size_t n_prev, n_auth;
    struct mx_event_meta meta;
    struct gg_str replaces_state; /* of unsigned, JSON text; s NULL: not told */
    int64_t age_ts;               /* of unsigned; 0: not told */
    /* private: the runs of json that clients are shown as they stand (n_shown 0: too many to keep), reference count and
     * memory */
    struct mx_event_run {
        uint32_t at, n;
    } shown[MX_EVENT_RUNS];
    unsigned n_shown;
    int refs;
    size_t bytes;
};

/* Parses a stored or received event. event_id s NULL: computed (format 2 and later) or read (format 1). Checks the
 * event format (types, sizes, id grammars; facts and spec "Event format"), not hashes, signatures or auth.
 * One reference goes to *out. The stored text is compact, whatever json looked like. 0, or 400 M_NOT_JSON / M_BAD_JSON,
 * 413 M_TOO_LARGE. */
GG_API GG_CHECKED int mx_event_parse(struct gg_str json, const struct mx_room_version *version, struct gg_str event_id,
                                     struct mx_event **out, struct gg_error *err);
/* The same for what our own database holds: no checks beyond what memory safety needs. metadata_json may be s NULL. */
GG_API GG_CHECKED int mx_event_load(struct gg_str json, const struct mx_room_version *version, struct gg_str event_id,
                                    struct gg_str metadata_json, struct mx_event **out, struct gg_error *err);
GG_API struct mx_event *mx_event_ref(const struct mx_event *event);
GG_API void mx_event_unref(const struct mx_event *event); /* NULL is fine */
/* A copy with other metadata (strings are copied). */
GG_API struct mx_event *mx_event_with_meta(const struct mx_event *event, const struct mx_event_meta *meta);
/* The event as redaction leaves it, with unsigned.redacted_because = the JSON text (client format) and redacted_by = its
 * event_id, if s is not NULL. meta.redacted is set. */
GG_API struct mx_event *mx_event_redacted(const struct mx_event *event, struct gg_str because);
GG_API void mx_event_meta_json(const struct mx_event *event, struct gg_buf *out); /* internal_metadata */
static inline struct gg_str mx_event_meta_text(const struct mx_event *event, struct gg_arena *arena) /* the same */
{
    struct gg_buf b = GG_BUF_INIT;
    mx_event_meta_json(event, &b);
    struct gg_str text = gg_arena_str(arena, gg_buf_view(&b));
    gg_buf_done(&b);
    return text;
}

static inline bool mx_event_is_state(const struct mx_event *e) { return e->state_key.s != NULL; }
GG_API bool mx_event_is(const struct mx_event *e, const char *type, const char *state_key); /* state_key NULL: any or none */

/* ---- hashes, ids, redaction (spec "Signing Events", "Redactions") over trees ---- */

GG_API struct mx_json *mx_redact(const struct mx_json *event, const struct mx_room_version *version, struct gg_arena *arena);
GG_API void mx_content_hash(const struct mx_json *event, uint8_t out[32]);
/* "$..." in the version's base64; formats 2 and later. */
GG_API struct gg_str mx_reference_id(const struct mx_json *event, const struct mx_room_version *version, struct gg_arena *arena);
/* Does hashes.sha256 match? */
GG_API bool mx_content_hash_ok(const struct mx_json *event);
/* Adds signatures.<server>.<key id> over the redacted event; hashes must stand already. */
GG_API void mx_event_sign(struct mx_json *event, const struct mx_room_version *version, const char *server,
                          const struct mx_signing_key *key, struct gg_arena *arena);
/* 0, or 401 M_UNAUTHORIZED. */
GG_API GG_CHECKED int mx_event_verify(const struct mx_json *event, const struct mx_room_version *version, const char *server,
                                      const char *key_id, const uint8_t public_key[32], struct gg_error *err);

/* ---- building our own ---- */

/* How deep the JSON of an event may be nested, itself counted: what Synapse's parser takes. A deeper one, in a database
 * that Synapse reads too, could not be read there, and no room of such servers would have it. */
#define MX_EVENT_NESTING 127

/* As deep as an event of ours gets, whatever others have made it follow: more is no canonical JSON, and no other server
 * would take it. */
#define MX_DEPTH_MAX INT64_C(9007199254740991)
static inline int64_t mx_depth_after(int64_t depth) { return depth < MX_DEPTH_MAX ? depth + 1 : MX_DEPTH_MAX; }

struct mx_event_template {
    const struct mx_room_version *version;
    struct gg_str room_id;              /* s NULL for a version 12 create event */
    struct gg_str type, sender;
    struct gg_str state_key;            /* s NULL: none */
    struct gg_str content;              /* JSON object text */
    struct gg_str redacts;              /* s NULL: none */
    int64_t origin_server_ts, depth;
    const struct gg_str *prev_events, *auth_events; /* auth_events: with the create event for version 12 (it is left
                                                       out of the JSON) */
    size_t n_prev, n_auth;
    struct gg_str unsigned_;            /* JSON object text, or s NULL */
    struct mx_event_meta meta;
};
/* Hashes, signs with the key for server, and parses. Refuses what is larger than 65,536 bytes (413 M_TOO_LARGE) or not
 * canonical (400 M_BAD_JSON). Formats 1: the event id is "$<random>:server". */
GG_API GG_CHECKED int mx_event_build(const struct mx_event_template *t, const char *server, const struct mx_signing_key *key,
                                     struct mx_event **out, struct gg_error *err);

/* ---- for clients ---- */

struct mx_client_format {
    int64_t now_ms;              /* for unsigned.age; 0: no age */
    struct gg_str user_id, device_id; /* transaction ids are shown to their own device only; s NULL: nobody's */
    int64_t token_id;            /* of the same device; old events know their device by it; 0: none */
    bool without_room_id;        /* inside /sync */
    bool federation;             /* a filter's event_format: the members that servers need are shown too */
    const struct gg_str *fields; /* event_fields of a filter; none: all */
    size_t n_fields;
    /* Of unsigned are shown: age, prev_content, prev_sender, replaces_state, redacted_because, redacted_by and what is
     * given here (invite_room_state and knock_room_state have places of their own in answers). */
    struct gg_str extra_unsigned; /* members to add to unsigned, JSON text without braces; s NULL or n 0: none */
    /* What is not stored with the event (show.h looks it up): */
    const struct mx_event *replaced;  /* the state event before it: unsigned.prev_content and prev_sender; or NULL */
    const struct mx_event *redaction; /* why it is gone: unsigned.redacted_because, in the same format; or NULL */
    struct gg_str membership;         /* the reader's own at the event: unsigned.membership; s NULL: none */
    bool inner;      /* the event stands inside another: why it was redacted itself is not told */
    bool old_copies; /* outside /sync: top-level user_id, age, prev_content, replaces_state and redacted_because, the
                        first version of the client format, which Synapse still serves beside the second */
};
/* Appends the event in the client-server format (version 2: no hashes, signatures, auth_events, ...) by splicing the
 * stored bytes: content is copied, not parsed. */
GG_API void mx_event_write_client(struct gg_buf *out, const struct mx_event *event, const struct mx_client_format *format);
/* Appends the PDU as servers exchange it (of unsigned only age, computed by the wall clock). */
GG_API void mx_event_write_pdu(struct gg_buf *out, const struct mx_event *event);

#ifdef __cplusplus
}
#endif
#endif
