/* ganglion/matrix/room_version.h: versions 1 to 12 as one table; every behaviour is a column. */
#ifndef GANGLION_MATRIX_ROOM_VERSION_H
#define GANGLION_MATRIX_ROOM_VERSION_H

#include <ganglion/base.h>

#ifdef __cplusplus
extern "C" {
#endif

enum mx_state_res { MX_STATE_RES_V1 = 1, MX_STATE_RES_V2 = 2, MX_STATE_RES_V2_1 = 3 };
enum mx_event_format { /* also the number in event_json.format_version */
    MX_FORMAT_V1 = 1,  /* event_id in the event, references are [id, {hashes}] pairs (1, 2) */
    MX_FORMAT_V2 = 2,  /* id is a hash in standard base64 (3) */
    MX_FORMAT_V3 = 3,  /* id is a hash in URL-safe base64 (4 to 11) */
    MX_FORMAT_V4 = 4,  /* the room id is the create event's hash (12) */
};

struct mx_room_version {
    const char *id;              /* "10" */
    uint8_t format;              /* enum mx_event_format */
    uint8_t state_res;           /* enum mx_state_res */
    bool stable;
    bool strict_json;            /* floats and large integers are refused (6+) */
    bool aliases_auth;           /* m.room.aliases has auth rules of its own (1 to 5) */
    bool aliases_redaction;      /* m.room.aliases keeps its aliases when redacted (1 to 5) */
    bool notifications_auth;     /* power levels of notifications are checked (6+) */
    bool knock;                  /* (7+) */
    bool restricted;             /* join rule restricted; redacted join_rules keep allow (8+) */
    bool restricted_redaction;   /* redacted members keep join_authorised_via_users_server (9+) */
    bool knock_restricted;       /* (10+) */
    bool integer_power_levels;   /* strings as power levels are refused (10+) */
    bool redacts_in_content;     /* m.room.redaction: redacts moved into content (11+) */
    bool updated_redaction;      /* redaction algorithm of version 11 */
    bool implicit_creator;       /* the create event's sender is the creator; content.creator is gone (11+) */
    bool creators_privileged;    /* creators have infinite power, additional_creators (12+) */
    bool room_id_is_hash;        /* (12+) */
    bool enforce_key_validity;   /* valid_until_ts is checked (5+) */
    bool byte_limits;            /* 255 is counted in bytes; before, Synapse counts code points (11+) */
    bool redaction_by_domain;    /* redaction allowed by event id domain (1, 2) */
};

GG_API const struct mx_room_version *mx_room_version_find(struct gg_str id); /* NULL: unknown */
GG_API const struct mx_room_version *mx_room_version_all(size_t *n_out);
#define MX_DEFAULT_ROOM_VERSION "12"

#ifdef __cplusplus
}
#endif
#endif
