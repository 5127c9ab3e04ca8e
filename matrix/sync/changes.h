/* matrix/sync/changes.h: the newest position at which something (a room, a user) changed, in memory.
 *
 * Answers "did it change after this position?" and "which of these did?" without the database. Bounded: when it is full
 * what changed longest ago goes and the horizon rises; for positions before the horizon the answer is "perhaps", which is
 * yes. */
#ifndef MX_SYNC_CHANGES_H
#define MX_SYNC_CHANGES_H

#include <ganglion/arena.h>
#include <ganglion/matrix/heads.h>

struct mx_changes;
struct mx_changes *mx_changes_new(size_t max_entries);
void mx_changes_free(struct mx_changes *changes);
/* What happened at or before position is not known from here on. */
void mx_changes_start(struct mx_changes *changes, int64_t position);
void mx_changes_note(struct mx_changes *changes, struct gg_str key, int64_t position);
/* The newest position that was noted for key; 0: none is known. */
int64_t mx_changes_position(const struct mx_changes *changes, struct gg_str key);
uint64_t mx_changes_seq(const struct mx_changes *changes); /* notes so far, of those that moved a key */
typedef void mx_changes_fn(void *arg, struct gg_str key);
/* Calls fn for each key that was noted after the seq-th note. False: it is not known so far back. */
bool mx_changes_replay(const struct mx_changes *changes, uint64_t seq, mx_changes_fn *fn, void *arg);
/* Calls fn once for each key that changed after the position. False, and nothing is called: not all of them are known. */
bool mx_changes_each_after(const struct mx_changes *changes, int64_t position, mx_changes_fn *fn, void *arg);
bool mx_changes_after(const struct mx_changes *changes, struct gg_str key, int64_t position);
/* Sets marks[i] for each room i of a user that (perhaps) changed after the position, and leaves the others as they are. As
 * cheap as the smaller of both: the rooms of the user, or all that changed since. Marks each room once: *n grows by those
 * that were not marked, whose places are appended to at (as long as rooms->n). */
void mx_changes_mark(const struct mx_changes *changes, const struct mx_user_rooms *rooms, int64_t position, bool *marks,
                     uint32_t *at, size_t *n);

#endif
