/* matrix/federation/sending/receipt_edus.c: many receipts in few EDUs (server-server API, "Receipts").
 *
 * The content is {room: {type: {user: {"event_ids": [..], "data": {..}}}}}: it holds one receipt of a user for each room
 * and type. A user who has read in two threads needs two EDUs. */
#include "federation/sending/edus.h"

#include <ganglion/buf.h>
#include <ganglion/matrix/json.h>
#include <ganglion/memory.h>

struct placed {
    const struct mx_out_receipt *receipt;
    size_t edu; /* in which */
};

static int in_order(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    if (x->edu != y->edu)
        return x->edu < y->edu ? -1 : 1;
    int order = gg_str_cmp(x->receipt->room_id, y->receipt->room_id);
    if (order == 0)
        order = gg_str_cmp(x->receipt->type, y->receipt->type);
    return order != 0 ? order : gg_str_cmp(x->receipt->user_id, y->receipt->user_id);
}

/* How many receipts of that user, room and type were placed before: the number of its EDU. */
static size_t place_of(struct gg_map *placed, const struct mx_out_receipt *r)
{
    struct gg_buf key = GG_BUF_INIT;
    const struct gg_str parts[] = {r->room_id, r->type, r->user_id};
    for (size_t i = 0; i < GG_COUNT(parts); i++) {
        gg_buf_str(&key, parts[i]);
        gg_buf_char(&key, '\x1f');
    }
    size_t *n = gg_map_get(placed, gg_buf_view(&key));
    if (n == NULL) {
        n = gg_xcalloc(1, sizeof(*n));
        gg_map_put(placed, gg_buf_view(&key), n);
    }
    gg_buf_done(&key);
    return (*n)++;
}

static size_t place_all(struct gg_list *from, size_t max_edus, struct placed *out, struct gg_list *taken)
{
    struct gg_map *placed = gg_map_new(free);
    size_t n = 0;
    GG_LIST_EACH(link, from) {
        struct mx_out_item *item = GG_CONTAINER(link, struct mx_out_item, link);
        size_t edu = place_of(placed, &item->edu->receipt);
        if (edu >= max_edus)
            continue;
        out[n++] = (struct placed){&item->edu->receipt, edu};
        gg_list_remove(&item->link);
        gg_list_push(taken, &item->link);
    }
    gg_map_free(placed);
    return n;
}

/* "@user:hs":{"event_ids":["$e"],"data":{"ts":1,"thread_id":"main"}} */
static void write_one(struct gg_buf *out, const struct mx_out_receipt *r)
{
    gg_buf_json_string(out, r->user_id);
    gg_buf_lit(out, ":{\"event_ids\":[");
    gg_buf_json_string(out, r->event_id);
    gg_buf_lit(out, "],\"data\":");
    if (r->thread_id.s != NULL && r->data.n >= 2) {
        gg_buf_add(out, r->data.s, r->data.n - 1);
        gg_buf_text(out, mx_json_length(r->data) > 0 ? ",\"thread_id\":" : "\"thread_id\":");
        gg_buf_json_string(out, r->thread_id);
        gg_buf_char(out, '}');
    } else {
        gg_buf_str(out, r->data);
    }
    gg_buf_char(out, '}');
}

static void write_edu(struct gg_buf *out, const struct placed *p, size_t n)
{
    gg_buf_lit(out, "{\"edu_type\":\"m.receipt\",\"content\":{");
    for (size_t i = 0; i < n; i++) {
        bool new_room = i == 0 || !gg_str_eq(p[i].receipt->room_id, p[i - 1].receipt->room_id);
        bool new_type = new_room || !gg_str_eq(p[i].receipt->type, p[i - 1].receipt->type);
        gg_buf_text(out, i == 0 ? "" : new_room ? "}}," : new_type ? "}," : ",");
        if (new_room) {
            gg_buf_json_string(out, p[i].receipt->room_id);
            gg_buf_lit(out, ":{");
        }
        if (new_type) {
            gg_buf_json_string(out, p[i].receipt->type);
            gg_buf_lit(out, ":{");
        }
        write_one(out, p[i].receipt);
    }
    gg_buf_lit(out, "}}}}");
}

size_t mx_out_receipts_write(struct gg_list *from, size_t max_edus, bool first, struct gg_buf *out, struct gg_list *taken)
{
    size_t n = 0, n_edus = 0;
    GG_LIST_EACH(link, from)
        n++;
    if (n == 0 || max_edus == 0)
        return 0;
    struct placed *placed = gg_xcalloc(n, sizeof(*placed));
    n = place_all(from, max_edus, placed, taken);
    if (n > 1)
        qsort(placed, n, sizeof(*placed), in_order);
    for (size_t i = 0, end; i < n; i = end, n_edus++) {
        for (end = i + 1; end < n && placed[end].edu == placed[i].edu;)
            end++;
        gg_buf_text(out, first && i == 0 ? "" : ",");
        write_edu(out, placed + i, end - i);
    }
    free(placed);
    return n_edus;
}
