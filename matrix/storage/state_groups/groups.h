/* matrix/storage/state_groups/groups.h: private to the storage. */
#ifndef MATRIX_STORAGE_STATE_GROUPS_GROUPS_H
#define MATRIX_STORAGE_STATE_GROUPS_GROUPS_H

#include "../store.h"

/* As mx_store_group_state, with the length of its chain of deltas (itself and the root counted); chain may be NULL. */
GG_YIELDS int mx_group_load(struct mx_store *store, int64_t group, struct gg_arena *arena, const struct mx_state **out,
                            int64_t *chain, struct gg_error *err);

#endif
