/* matrix/federation/sending/edus.h: passing news that waits for a destination: presence, receipts, typing. In memory, pure.
 *
 * One piece of news is held once, whoever it goes to. In a queue the later of two with one key replaces the earlier, and
 * beyond a bound the oldest go: news that nobody took is no news. */
#ifndef MX_SENDING_EDUS_H
#define MX_SENDING_EDUS_H

#include "presence/state.h"

#include <ganglion/list.h>
#include <ganglion/map.h>

enum mx_out_kind { MX_OUT_PRESENCE, MX_OUT_RECEIPT, MX_OUT_TYPING, MX_OUT_KINDS };

struct mx_out_receipt {
    struct gg_str room_id, type, user_id, event_id;
    struct gg_str thread_id; /* s NULL: none */
    struct gg_str data;      /* JSON object text: {"ts":1} */
};

/* A copy at *at, which moves behind it: for a thing that is one allocation with its texts. s NULL stays NULL. */
static inline struct gg_str mx_put_text(char **at, struct gg_str s)
{
    struct gg_str copy = {*at, s.n};
    if (s.s == NULL)
        return s;
    memcpy(*at, s.s, s.n);
    *at += s.n;
    return copy;
}

/* Immutable, reference-counted (one thread). */
struct mx_out_edu {
    int refs;
    uint8_t kind;
    struct gg_str key;              /* distinct in a queue, over all kinds */
    struct mx_out_receipt receipt;  /* RECEIPT */
    struct gg_str user_id;          /* PRESENCE */
    struct mx_presence_state state; /* PRESENCE */
    struct gg_str text;             /* TYPING: the EDU */
};

struct mx_out_edu *mx_out_receipt_new(const struct mx_out_receipt *receipt);
struct mx_out_edu *mx_out_presence_new(struct gg_str user_id, const struct mx_presence_state *state);
struct mx_out_edu *mx_out_typing_new(struct gg_str room_id, struct gg_str user_id, bool types);
void mx_out_edu_unref(struct mx_out_edu *edu);

struct mx_out_item {
    struct gg_list link;
    struct mx_out_edu *edu;
};

struct mx_out_queue {
    struct gg_list items[MX_OUT_KINDS]; /* of mx_out_item, oldest first */
    size_t n[MX_OUT_KINDS];
    struct gg_map *by_key;              /* NULL while empty */
};

void mx_out_queue_init(struct mx_out_queue *queue);
void mx_out_queue_clear(struct mx_out_queue *queue, int kind); /* one kind; MX_OUT_KINDS: all */
/* Takes a reference of its own. */
void mx_out_queue_add(struct mx_out_queue *queue, struct mx_out_edu *edu);
bool mx_out_queue_empty(const struct mx_out_queue *queue);
/* Moves at most max items of a kind to the end of taken; how many. */
size_t mx_out_queue_take(struct mx_out_queue *queue, int kind, size_t max, struct gg_list *taken);
/* What could not be sent returns to the front, but for what newer news replaced meanwhile; typing is dropped. */
void mx_out_queue_return(struct mx_out_queue *queue, struct gg_list *taken);
void mx_out_taken_drop(struct gg_list *taken);

/* Appends receipts as m.receipt EDUs, separated by commas: at most max_edus, in as few as hold them; one user can have
 * only one receipt of a kind in a room in each. Receipts that found no place stay in `from`, the others go to `taken`.
 * How many EDUs. Comma before the first one if first is false. */
size_t mx_out_receipts_write(struct gg_list *from, size_t max_edus, bool first, struct gg_buf *out, struct gg_list *taken);

#endif
