/* queue.c: a bounded queue of pointers between fibers.
 *
 * Items pass from hand to hand: a waiting pop gets the item of a push directly and a waiting push leaves its item in
 * the place that a pop made free, so both sides are served in order and nobody wakes for nothing. */
#include "fiber/sched.h"

#include <ganglion/memory.h>

struct gg_queue {
    struct gg_list pushers, poppers; /* of struct hand */
    size_t capacity, count, head;
    bool closed;
    void *items[];
};

struct hand {
    struct gg_wait wait;
    void *item;
};

static struct hand *first_hand(const struct gg_list *head)
{
    struct gg_wait *wait = gg_wait_first(head);
    return wait ? GG_CONTAINER(wait, struct hand, wait) : NULL;
}

struct gg_queue *gg_queue_new(size_t capacity)
{
    GG_ASSERT(capacity > 0 && capacity < SIZE_MAX / 64);
    struct gg_queue *queue = gg_xcalloc(1, sizeof(*queue) + capacity * sizeof(queue->items[0]));
    queue->capacity = capacity;
    gg_list_init(&queue->pushers);
    gg_list_init(&queue->poppers);
    return queue;
}

void gg_queue_close(struct gg_queue *queue)
{
    queue->closed = true;
    for (struct gg_wait *w; (w = gg_wait_first(&queue->pushers)) != NULL;)
        gg_wait_wake(w, GG_E_CLOSED);
    for (struct gg_wait *w; (w = gg_wait_first(&queue->poppers)) != NULL;)
        gg_wait_wake(w, GG_E_CLOSED);
}

void gg_queue_free(struct gg_queue *queue)
{
    if (!queue)
        return;
    gg_queue_close(queue);
    free(queue);
}

static void put(struct gg_queue *queue, void *item)
{
    queue->items[(queue->head + queue->count++) % queue->capacity] = item;
}

bool gg_queue_try_push(struct gg_queue *queue, void *item)
{
    if (queue->closed)
        return false;
    struct hand *popper = first_hand(&queue->poppers);
    if (popper) {
        popper->item = item;
        gg_wait_wake(&popper->wait, GG_OK);
        return true;
    }
    if (queue->count == queue->capacity)
        return false;
    put(queue, item);
    return true;
}

int gg_queue_push(struct gg_queue *queue, void *item, int64_t deadline)
{
    if (queue->closed)
        return GG_E_CLOSED;
    if (gg_queue_try_push(queue, item))
        return GG_OK;
    struct hand hand = {.item = item};
    gg_wait_init(&hand.wait);
    gg_list_push(&queue->pushers, &hand.wait.link);
    return gg_wait_block(&hand.wait, deadline);
}

static void *take(struct gg_queue *queue)
{
    void *item = queue->items[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    struct hand *pusher = first_hand(&queue->pushers);
    if (pusher) {
        put(queue, pusher->item);
        gg_wait_wake(&pusher->wait, GG_OK);
    }
    return item;
}

int gg_queue_pop(struct gg_queue *queue, void **item_out, int64_t deadline)
{
    if (queue->count > 0) {
        *item_out = take(queue);
        return GG_OK;
    }
    if (queue->closed)
        return GG_E_CLOSED;
    struct hand hand = {.item = NULL};
    gg_wait_init(&hand.wait);
    gg_list_push(&queue->poppers, &hand.wait.link);
    int r = gg_wait_block(&hand.wait, deadline);
    if (r == GG_OK)
        *item_out = hand.item;
    return r;
}

size_t gg_queue_count(const struct gg_queue *queue)
{
    return queue->count;
}
