/* matrix/userdata/write.c: writes of the account_data stream that wait at the same time. */
#include "userdata/write.h"

enum { RUN_BYTES = 1 << 20 };

static struct mx_data_write *write_of(struct gg_gather_call *call)
{
    return GG_CONTAINER(call, struct mx_data_write, call);
}

struct run {
    struct gg_gather_call *const *calls;
    size_t n;
};

static int all_bodies(struct gg_txn *txn, void *arg, struct gg_error *err)
{
    const struct run *run = arg;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < run->n; i++) {
        struct mx_data_write *w = write_of(run->calls[i]);
        mx_forget_again(&w->forget);
        rc = w->body(txn, w, err);
    }
    return rc;
}

/* Caches forget before anybody is woken to read. */
static void tell(struct mx_server *server, const struct run *run, const int64_t *ids, bool written)
{
    struct gg_fetched rows[GG_GATHER_MAX];
    for (size_t i = 0; i < run->n; i++) {
        struct mx_data_write *w = write_of(run->calls[i]);
        mx_forget_end(&w->forget, written);
        rows[i] = (struct gg_fetched){ids[i], w->row};
    }
    gg_stream_finish_rows(server->account_data, ids, run->n, rows, written ? run->n : 0);
}

static int write_together(void *self, struct gg_gather_call *const *calls, size_t n, struct gg_error *err)
{
    struct mx_server *server = self;
    struct run run = {calls, n};
    int64_t ids[GG_GATHER_MAX];
    int rc = gg_stream_allocate(server->account_data, NULL, n, ids, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        struct mx_data_write *w = write_of(calls[i]);
        w->id = ids[i];
        mx_forget_begin(&w->forget, server, w->arena);
    }
    rc = gg_db_txn(server->db, "set_account_data", 0, all_bodies, &run, err);
    tell(server, &run, ids, gg_maybe_committed(rc));
    return rc;
}

const struct gg_gather_def mx_data_gather = {
    .name = "set_account_data", .run = write_together, .max_weight = RUN_BYTES, .at_once = 1, .linger = true};

int mx_data_write(struct mx_server *server, struct mx_data_write *write, struct gg_error *err)
{
    write->call.weight = write->bytes;
    return gg_gather(server->data_writes, &write->call, err);
}
