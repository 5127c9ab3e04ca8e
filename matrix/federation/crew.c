/* matrix/federation/crew.c: a few fibers that hand pieces to the threads. */
#include "federation/crew.h"

enum { MEMBERS = 3 }; /* besides the caller's own fiber */

struct crew {
    void (*fn)(void *element);
    char *elements;
    size_t n, size, next;
    unsigned at_work;
    struct gg_cond done;
};

static void work(struct crew *crew)
{
    while (crew->next < crew->n) {
        void *element = crew->elements + crew->next++ * crew->size;
        if (gg_offload(crew->fn, element))
            crew->fn(element); /* no thread can be had: it has to be done all the same */
    }
}

static void member(void *arg)
{
    struct crew *crew = arg;
    work(crew);
    crew->at_work--;
    gg_cond_signal(&crew->done);
}

void mx_crew_run(void (*fn)(void *element), void *elements, size_t n, size_t size)
{
    struct crew crew = {fn, elements, n, size, 0, 0, {{NULL, NULL}}};
    gg_cond_init(&crew.done);
    for (size_t i = 1; i < n && i <= MEMBERS; i++) {
        crew.at_work++;
        if (!gg_spawn(NULL, "crew", member, &crew))
            crew.at_work--;
    }
    gg_shield_begin(); /* they work on what is the caller's */
    work(&crew);
    while (crew.at_work)
        (void)!gg_cond_wait(&crew.done, GG_FOREVER);
    gg_shield_end();
}
