/* internal.h: what the files of this folder share. */
#ifndef MX_EVENTS_INTERNAL_H
#define MX_EVENTS_INTERNAL_H

#include <ganglion/matrix/event.h>

enum { MX_EVENT_BYTES_MAX = 65536, MX_PREV_EVENTS_MAX = 20, MX_AUTH_EVENTS_MAX = 10 };

/* Makes the event of JSON text that we wrote or stored ourselves; the text is copied. meta (may be NULL) is copied, and
 * what metadata_json (may be s NULL) says is added to it. 0, or 400 M_BAD_JSON when even the outline is wrong. */
int mx_event_from_text(struct gg_str json, const struct mx_room_version *version, struct gg_str event_id,
                       const struct mx_event_meta *meta, struct gg_str metadata_json, struct mx_event **out,
                       struct gg_error *err);
/* The checks of an event's format on its tree. 0, or 400 M_BAD_JSON / 413 M_TOO_LARGE. */
int mx_event_check_format(const struct mx_json *event, const struct mx_room_version *version, struct gg_error *err);
/* The bytes that are signed and that a reference hash is taken of: redacted, canonical, without signatures and
 * unsigned. */
void mx_event_reference_bytes(struct gg_buf *out, const struct mx_json *event, const struct mx_room_version *version,
                              struct gg_arena *arena);
/* "$" and the hash in the version's alphabet. */
struct gg_str mx_event_id_of_hash(const uint8_t hash[32], const struct mx_room_version *version,
                                  struct gg_arena *arena);
/* The string slots of meta, for copying them all. */
#define MX_META_STRINGS 6
void mx_event_meta_strings(struct mx_event_meta *meta, struct gg_str *slots[MX_META_STRINGS]);
/* Is this top-level member (its key as it stands) left out of the client form, or written by us? federation: of the form
 * that shows what servers need. */
bool mx_event_hides(struct gg_str key, bool federation);
/* Keeps of the client form only the members that the dotted paths name (client-server "event_fields"). */
void mx_event_write_fields(struct gg_buf *out, struct gg_str client_json, const struct gg_str *fields, size_t n_fields);

#endif
