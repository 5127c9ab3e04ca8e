/* matrix/sync/parts.h: the members of the answer of /sync outside rooms, as one table.
 *
 * Whoever owns a subject (presence, to-device messages, device lists, key counts) defines its entry in its own folder and
 * adds one line to parts.c. Entries are asked in the order of the table, after the rooms are known. */
#ifndef MX_SYNC_PARTS_H
#define MX_SYNC_PARTS_H

#include "sync/sync.h"

struct mx_sync_part {
    const char *name; /* for error messages */
    /* Once for each request, before the first look: what a since token acknowledges is done with (to-device messages).
     * Only when sync->query->has_since; sync->now and the rooms are not there yet. NULL: nothing to do. */
    GG_YIELDS int (*begin)(struct mx_sync *sync, struct gg_error *err);
    /* Reads what came after query->since (all, without one) up to sync->now, into sync->arena. *out NULL: nothing to say.
     * An entry that does not read up to `now` lowers its own position in sync->now: that is what the client gets. Runs
     * again each time that a waiting client is woken: where memory can tell that nothing came, it must not read. */
    GG_YIELDS int (*gather)(struct mx_sync *sync, void **out, struct gg_error *err);
    /* Is it a reason to answer a client that waits? gathered is not NULL. NULL: it always is. */
    bool (*has_news)(const struct mx_sync *sync, const void *gathered);
    /* Appends its members with a comma before each one (",\"to_device\":{...}"), unstable spellings as Synapse has them.
     * Called with NULL too: some members are always there. */
    void (*write)(const struct mx_sync *sync, const void *gathered, struct gg_buf *out);
};

extern const struct mx_sync_part *const mx_sync_parts[]; /* NULL-ended */
extern const struct mx_sync_part mx_sync_part_account_data;

GG_YIELDS GG_CHECKED int mx_sync_begin_parts(struct mx_sync *sync, struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_sync_gather_parts(struct mx_sync *sync, struct gg_error *err);
bool mx_sync_parts_have_news(const struct mx_sync *sync);
void mx_sync_write_parts(const struct mx_sync *sync, struct gg_buf *out);

#endif
