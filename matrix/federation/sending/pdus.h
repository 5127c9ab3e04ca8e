/* matrix/federation/sending/pdus.h: events that wait to be sent.
 *
 * One event that goes to a thousand servers is held once: the queues of the destinations hold references to its id. Its
 * text is made when the first transaction needs it, and kept for the others within a bound of bytes. */
#ifndef MX_SENDING_PDUS_H
#define MX_SENDING_PDUS_H

#include <ganglion/list.h>
#include <ganglion/matrix/server.h>

struct mx_out_pdu {
    int refs;
    int64_t stream_ordering;
    struct gg_list kept; /* in mx_out_texts.order while text is there */
    char *text;
    size_t n;
    int64_t made; /* gg_now_ms() of the text: it tells the event's age */
    struct gg_str event_id;
    char id[];
};

struct mx_out_texts {
    struct gg_list order; /* oldest first */
    size_t bytes;
};

void mx_out_texts_init(struct mx_out_texts *texts);
struct mx_out_pdu *mx_out_pdu_new(struct gg_str event_id, int64_t stream_ordering);
struct mx_out_pdu *mx_out_pdu_ref(struct mx_out_pdu *pdu);
void mx_out_pdu_unref(struct mx_out_texts *texts, struct mx_out_pdu *pdu);
/* Appends the texts, separated by commas. An event that is gone from the database is left out; *n_out: how many were
 * written. */
GG_YIELDS GG_CHECKED int mx_out_pdus_write(struct mx_server *server, struct mx_out_texts *texts,
                                           struct mx_out_pdu *const *pdus, size_t n, struct gg_buf *out, size_t *n_out,
                                           struct gg_error *err);

#endif
