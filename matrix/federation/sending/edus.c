/* matrix/federation/sending/edus.c: news, and the queues in which it waits. */
#include "federation/sending/edus.h"

#include <ganglion/buf.h>
#include <ganglion/memory.h>

enum { MAX_WAITING = 1000 }; /* of one kind, for one destination */

/* ---- news ---- */

static struct mx_out_edu *edu_new(uint8_t kind, size_t text_bytes, char **text_out)
{
    struct mx_out_edu *edu = gg_xcalloc(1, sizeof(*edu) + text_bytes);
    edu->refs = 1;
    edu->kind = kind;
    *text_out = (char *)(edu + 1);
    return edu;
}

/* Kind and parts, as no id holds a control character. */
static struct gg_str put_key(char **at, uint8_t kind, const struct gg_str *parts, size_t n)
{
    char *start = *at;
    *(*at)++ = (char)('0' + kind);
    for (size_t i = 0; i < n; i++) {
        *(*at)++ = '\x1f';
        mx_put_text(at, parts[i]);
    }
    return gg_strn(start, (size_t)(*at - start));
}

static size_t key_bytes(const struct gg_str *parts, size_t n)
{
    size_t bytes = 1 + n;
    for (size_t i = 0; i < n; i++)
        bytes += parts[i].n;
    return bytes;
}

struct mx_out_edu *mx_out_receipt_new(const struct mx_out_receipt *r)
{
    const struct gg_str parts[] = {r->room_id, r->type, r->user_id, r->thread_id};
    char *at;
    struct mx_out_edu *edu = edu_new(
        MX_OUT_RECEIPT, 2 * key_bytes(parts, GG_COUNT(parts)) + r->event_id.n + r->data.n, &at);
    edu->key = put_key(&at, edu->kind, parts, GG_COUNT(parts));
    edu->receipt = (struct mx_out_receipt){mx_put_text(&at, r->room_id),  mx_put_text(&at, r->type),      mx_put_text(&at, r->user_id),
                                           mx_put_text(&at, r->event_id), mx_put_text(&at, r->thread_id), mx_put_text(&at, r->data)};
    return edu;
}

struct mx_out_edu *mx_out_presence_new(struct gg_str user_id, const struct mx_presence_state *state)
{
    char *at;
    struct mx_out_edu *edu = edu_new(MX_OUT_PRESENCE, key_bytes(&user_id, 1) + user_id.n + state->status_msg.n, &at);
    edu->key = put_key(&at, edu->kind, &user_id, 1);
    edu->user_id = mx_put_text(&at, user_id);
    edu->state = *state;
    edu->state.status_msg = mx_put_text(&at, state->status_msg);
    return edu;
}

struct mx_out_edu *mx_out_typing_new(struct gg_str room_id, struct gg_str user_id, bool types)
{
    const struct gg_str parts[] = {room_id, user_id};
    struct gg_buf text = GG_BUF_INIT;
    char *at;
    gg_buf_lit(&text, "{\"edu_type\":\"m.typing\",\"content\":{\"room_id\":");
    gg_buf_json_string(&text, room_id);
    gg_buf_lit(&text, ",\"user_id\":");
    gg_buf_json_string(&text, user_id);
    gg_buf_printf(&text, ",\"typing\":%s}}", types ? "true" : "false");
    struct mx_out_edu *edu = edu_new(MX_OUT_TYPING, key_bytes(parts, 2) + text.n, &at);
    edu->key = put_key(&at, edu->kind, parts, 2);
    edu->text = mx_put_text(&at, gg_buf_view(&text));
    gg_buf_done(&text);
    return edu;
}

void mx_out_edu_unref(struct mx_out_edu *edu)
{
    if (edu != NULL && --edu->refs == 0)
        free(edu);
}

/* ---- a queue ---- */

void mx_out_queue_init(struct mx_out_queue *queue)
{
    memset(queue, 0, sizeof(*queue));
    for (int kind = 0; kind < MX_OUT_KINDS; kind++)
        gg_list_init(&queue->items[kind]);
}

bool mx_out_queue_empty(const struct mx_out_queue *queue)
{
    return queue->by_key == NULL;
}

/* Most destinations have nothing to say most of the time: an empty queue holds no memory. */
static void unlink_item(struct mx_out_queue *queue, struct mx_out_item *item)
{
    gg_list_remove(&item->link);
    gg_map_delete(queue->by_key, item->edu->key);
    queue->n[item->edu->kind]--;
    if (gg_map_count(queue->by_key) == 0) {
        gg_map_free(queue->by_key);
        queue->by_key = NULL;
    }
}

static void item_free(struct mx_out_item *item)
{
    mx_out_edu_unref(item->edu);
    free(item);
}

static void drop_item(struct mx_out_queue *queue, struct mx_out_item *item)
{
    unlink_item(queue, item);
    item_free(item);
}

void mx_out_queue_clear(struct mx_out_queue *queue, int kind)
{
    for (int k = 0; k < MX_OUT_KINDS; k++)
        while ((kind == k || kind == MX_OUT_KINDS) && !gg_list_empty(&queue->items[k]))
            drop_item(queue, GG_CONTAINER(queue->items[k].next, struct mx_out_item, link));
}

static void link_item(struct mx_out_queue *queue, struct mx_out_item *item, bool front)
{
    struct gg_list *list = &queue->items[item->edu->kind];
    if (queue->by_key == NULL)
        queue->by_key = gg_map_new(NULL);
    gg_map_put(queue->by_key, item->edu->key, item);
    queue->n[item->edu->kind]++;
    if (front)
        gg_list_push_front(list, &item->link);
    else
        gg_list_push(list, &item->link);
}

void mx_out_queue_add(struct mx_out_queue *queue, struct mx_out_edu *edu)
{
    struct mx_out_item *old = queue->by_key != NULL ? gg_map_get(queue->by_key, edu->key) : NULL;
    if (old == NULL && queue->n[edu->kind] >= MAX_WAITING)
        old = GG_CONTAINER(queue->items[edu->kind].next, struct mx_out_item, link);
    struct mx_out_item *item = gg_xcalloc(1, sizeof(*item));
    gg_list_init(&item->link);
    item->edu = edu;
    edu->refs++;
    if (old != NULL)
        drop_item(queue, old);
    link_item(queue, item, false);
}

size_t mx_out_queue_take(struct mx_out_queue *queue, int kind, size_t max, struct gg_list *taken)
{
    size_t n = 0;
    for (; n < max && !gg_list_empty(&queue->items[kind]); n++) {
        struct mx_out_item *item = GG_CONTAINER(queue->items[kind].next, struct mx_out_item, link);
        unlink_item(queue, item);
        gg_list_push(taken, &item->link);
    }
    return n;
}

void mx_out_queue_return(struct mx_out_queue *queue, struct gg_list *taken)
{
    while (!gg_list_empty(taken)) {
        /* the youngest first: each goes to the front */
        struct mx_out_item *item = GG_CONTAINER(taken->prev, struct mx_out_item, link);
        gg_list_remove(&item->link);
        if (item->edu->kind == MX_OUT_TYPING || queue->n[item->edu->kind] >= MAX_WAITING ||
            (queue->by_key != NULL && gg_map_has(queue->by_key, item->edu->key)))
            item_free(item);
        else
            link_item(queue, item, true);
    }
}

void mx_out_taken_drop(struct gg_list *taken)
{
    struct gg_list *link;
    while ((link = gg_list_pop(taken)) != NULL)
        item_free(GG_CONTAINER(link, struct mx_out_item, link));
}
