/* matrix/api/federation_out.h: answers to servers: lists of PDUs that may be larger than a process should hold. */
#ifndef MX_API_FEDERATION_OUT_H
#define MX_API_FEDERATION_OUT_H

#include <ganglion/buf.h>
#include <ganglion/http.h>
#include <ganglion/map.h>
#include <ganglion/matrix/store.h>

/* Text is added to buf; what is long goes out while it is being written. mx_fed_out_end, also after errors. */
struct mx_fed_out {
    struct gg_request *rq;
    struct gg_buf buf;
    bool begun; /* part of it is on its way: from now on an error can only cut the answer off */
};
#define MX_FED_OUT(rq_) {(rq_), GG_BUF_INIT, false}

/* "[...]" of events in hand. */
GG_YIELDS GG_CHECKED int mx_fed_out_events(struct mx_fed_out *out, const struct mx_event *const *events, size_t n,
                                           struct gg_error *err);
/* "[...]" of events by id, some at a time, as they stand in the database; ids that are not held, or were rejected, are left
 * out, and so are those that `without` has (NULL: none). */
GG_YIELDS GG_CHECKED int mx_fed_out_ids(struct mx_fed_out *out, const struct gg_str *ids, size_t n, const struct gg_map *without,
                                        struct gg_error *err);
/* ["id", ...] */
void mx_fed_out_names(struct gg_buf *buf, const struct gg_str *names, size_t n);
/* Sends what is left; or, when rc says that something failed, gives it up. Returns what the handler returns. */
GG_YIELDS int mx_fed_out_end(struct mx_fed_out *out, int rc, struct gg_error *err);
/* {"origin":..,"origin_server_ts":..,"pdus":[..]}, as /event and /backfill answer. */
GG_YIELDS int mx_fed_out_transaction(struct gg_request *rq, const struct mx_event *const *events, size_t n, struct gg_error *err);

#endif
