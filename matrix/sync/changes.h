/* matrix/sync/changes.h: the newest position at which something (a room, a user) changed, in memory.
 *
 * Answers "did it change after this position?" without the database. Bounded: when it is full the oldest half goes and
 * the horizon rises; for positions before the horizon the answer is "perhaps", which is yes. */
#ifndef MX_SYNC_CHANGES_H
#define MX_SYNC_CHANGES_H

#include <ganglion/base.h>

struct mx_changes;
struct mx_changes *mx_changes_new(size_t max_entries);
void mx_changes_free(struct mx_changes *changes);
/* What happened at or before position is not known from here on. */
void mx_changes_start(struct mx_changes *changes, int64_t position);
void mx_changes_note(struct mx_changes *changes, struct gg_str key, int64_t position);
/* The newest position that was noted for key; 0: none is known. */
int64_t mx_changes_position(const struct mx_changes *changes, struct gg_str key);
bool mx_changes_after(const struct mx_changes *changes, struct gg_str key, int64_t position);

#endif
