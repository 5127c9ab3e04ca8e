/* ganglion/list.h: the one intrusive list of the tree, doubly linked and circular.
 *
 * A link that is in no list points at itself, so gg_list_remove is safe twice. */
#ifndef GANGLION_LIST_H
#define GANGLION_LIST_H

#include <ganglion/base.h>

struct gg_list {
    struct gg_list *prev, *next;
};

static inline void gg_list_init(struct gg_list *l)
{
    l->prev = l->next = l;
}

static inline bool gg_list_empty(const struct gg_list *head)
{
    return head->next == head;
}

static inline void gg_list_push(struct gg_list *head, struct gg_list *l) /* at the end */
{
    l->prev = head->prev;
    l->next = head;
    head->prev->next = l;
    head->prev = l;
}

static inline void gg_list_push_front(struct gg_list *head, struct gg_list *l)
{
    gg_list_push(head->next, l);
}

static inline void gg_list_remove(struct gg_list *l)
{
    l->prev->next = l->next;
    l->next->prev = l->prev;
    gg_list_init(l);
}

/* The first element, taken out; NULL when empty. */
static inline struct gg_list *gg_list_pop(struct gg_list *head)
{
    struct gg_list *l = head->next;
    if (l == head)
        return NULL;
    gg_list_remove(l);
    return l;
}

/* it_ may be removed inside the loop, its successor may not. */
#define GG_LIST_EACH(it_, head_)                                                                   \
    for (struct gg_list *it_ = (head_)->next, *it_##_next = it_->next; it_ != (head_);             \
         it_ = it_##_next, it_##_next = it_->next)

#endif
