/* matrix/federation/sending/transaction.h: the text of one transaction while it is put together; pure. */
#ifndef MX_SENDING_TRANSACTION_H
#define MX_SENDING_TRANSACTION_H

#include "federation/sending/edus.h"

#include <ganglion/buf.h>

struct mx_transaction {
    struct gg_buf edus; /* JSON texts with commas between them */
    size_t n_edus;
    struct gg_list taken; /* of mx_out_item: what came from the destination's queue */
};

void mx_transaction_init(struct mx_transaction *t);
void mx_transaction_done(struct mx_transaction *t); /* what was taken is dropped */
/* content: JSON object text. */
void mx_transaction_add(struct mx_transaction *t, const char *edu_type, struct gg_str content);
/* Presence of at most 50 users, as one EDU; now: ms since the epoch. */
void mx_transaction_add_presence(struct mx_transaction *t, struct mx_out_queue *queue, int64_t now);
/* Receipts in at most max_edus EDUs. */
void mx_transaction_add_receipts(struct mx_transaction *t, struct mx_out_queue *queue, size_t max_edus);
void mx_transaction_add_typing(struct mx_transaction *t, struct mx_out_queue *queue, size_t max_edus);
/* {"origin":..,"origin_server_ts":..,"pdus":[..],"edus":[..]} */
void mx_transaction_write(struct gg_buf *out, const char *origin, int64_t now, struct gg_str pdus, struct gg_str edus);

#endif
