/* matrix/userdata/write.h: writes of what belongs to users, of which those that wait at the same time are one transaction:
 * there are many of them, each is small, and most of what one costs is its commit. */
#ifndef MX_USERDATA_WRITE_H
#define MX_USERDATA_WRITE_H

#include <ganglion/gather.h>
#include <ganglion/matrix/cache.h>
#include <ganglion/matrix/server.h>

/* A write of the account_data stream: one id, one row. Zeroed but for what the caller fills in. */
struct mx_data_write {
    /* Queues the statements, which take write->id; may be called again with another id. */
    GG_YIELDS int (*body)(struct gg_txn *txn, struct mx_data_write *write, struct gg_error *err);
    struct gg_arena *arena;
    struct gg_str row;       /* what the stream tells of it */
    size_t bytes;            /* of what is written, roughly */
    int64_t id;              /* out */
    struct mx_forget forget; /* for the body; begun and ended here */
    struct gg_gather_call call;
};
GG_YIELDS GG_CHECKED int mx_data_write(struct mx_server *server, struct mx_data_write *write, struct gg_error *err);

/* Made and freed with the part (sync/part.c): server->data_writes, server->receipt_writes. */
extern const struct gg_gather_def mx_data_gather, mx_receipt_gather;

#endif
