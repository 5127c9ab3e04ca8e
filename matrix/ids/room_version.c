/* room_version.c: the table of room versions (specification, "Room Versions"). */
#include <ganglion/matrix/room_version.h>

/* What each version added to the one before it; a row is the sum of its line and those above. */
#define V1                                                                                                             \
    .state_res = MX_STATE_RES_V1, .format = MX_FORMAT_V1, .aliases_auth = true, .aliases_redaction = true,             \
    .redaction_by_domain = true
#define SINCE_5 .enforce_key_validity = true
#define SINCE_6 SINCE_5, .strict_json = true, .notifications_auth = true
#define SINCE_7 SINCE_6, .knock = true
#define SINCE_8 SINCE_7, .restricted = true
#define SINCE_9 SINCE_8, .restricted_redaction = true
#define SINCE_10 SINCE_9, .knock_restricted = true, .integer_power_levels = true
#define SINCE_11                                                                                                       \
    SINCE_10, .redacts_in_content = true, .updated_redaction = true, .implicit_creator = true, .byte_limits = true
#define SINCE_12 SINCE_11, .creators_privileged = true, .room_id_is_hash = true
#define OLD_ALIASES .aliases_auth = true, .aliases_redaction = true
#define RES_V2 .stable = true, .state_res = MX_STATE_RES_V2

static const struct mx_room_version versions[] = {
    {"1", V1, .stable = true},
    {"2", .format = MX_FORMAT_V1, RES_V2, OLD_ALIASES, .redaction_by_domain = true},
    {"3", .format = MX_FORMAT_V2, RES_V2, OLD_ALIASES},
    {"4", .format = MX_FORMAT_V3, RES_V2, OLD_ALIASES},
    {"5", .format = MX_FORMAT_V3, RES_V2, OLD_ALIASES, SINCE_5},
    {"6", .format = MX_FORMAT_V3, RES_V2, SINCE_6},
    {"7", .format = MX_FORMAT_V3, RES_V2, SINCE_7},
    {"8", .format = MX_FORMAT_V3, RES_V2, SINCE_8},
    {"9", .format = MX_FORMAT_V3, RES_V2, SINCE_9},
    {"10", .format = MX_FORMAT_V3, RES_V2, SINCE_10},
    {"11", .format = MX_FORMAT_V3, RES_V2, SINCE_11},
    {"12", .format = MX_FORMAT_V4, .stable = true, .state_res = MX_STATE_RES_V2_1, SINCE_12},
};

const struct mx_room_version *mx_room_version_find(struct gg_str id)
{
    for (size_t i = 0; i < GG_COUNT(versions); i++)
        if (gg_str_is(id, versions[i].id))
            return &versions[i];
    return NULL;
}

const struct mx_room_version *mx_room_version_all(size_t *n_out)
{
    *n_out = GG_COUNT(versions);
    return versions;
}
