/* matrix/groups/profile.h: the profile of a group as it is set. */
#ifndef MX_GROUPS_PROFILE_H
#define MX_GROUPS_PROFILE_H

#include "storage/groups.h"

#include <jansson.h>

/* Members that are there take the place of the row's (null: none); borrowed. 400 for those that are no texts or too long. */
GG_CHECKED int mx_group_read_profile(const json_t *object, struct mx_group_row *row, struct gg_error *err);

#endif
