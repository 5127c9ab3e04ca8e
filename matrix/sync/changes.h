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
/* From here on keeps the last n notes in order, for the two below. */
void mx_changes_keep_log(struct mx_changes *changes, size_t n);
uint64_t mx_changes_seq(const struct mx_changes *changes); /* notes so far, of those that moved a key */
typedef void mx_changes_fn(void *arg, struct gg_str key);
/* Calls fn for each note after the seq-th; a key may come more than once. False: the log does not reach back so far. */
bool mx_changes_replay(const struct mx_changes *changes, uint64_t seq, mx_changes_fn *fn, void *arg);
/* Calls fn once for each key that changed after the position. False, and nothing is called: not all of them are known. */
bool mx_changes_each_after(const struct mx_changes *changes, int64_t position, mx_changes_fn *fn, void *arg);
bool mx_changes_after(const struct mx_changes *changes, struct gg_str key, int64_t position);

#endif
