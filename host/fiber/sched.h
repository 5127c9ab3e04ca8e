/* sched.h: what the files of this folder share: the fiber, the wait record and the scheduler's state. */
#ifndef HOST_FIBER_SCHED_H
#define HOST_FIBER_SCHED_H

#include <ganglion/fiber.h>
#include <ganglion/log.h>

#include "fiber/stack.h"
#include "fiber/switch.h"

#define GG_FIBER_NAME 48

/* ---- deadlines (timer.c) ---- */

struct gg_due {
    int64_t at;
    size_t index; /* in the heap; 0: not in it */
    void (*fire)(struct gg_due *due);
};
void gg_due_add(struct gg_due *due, int64_t at, void (*fire)(struct gg_due *due));
void gg_due_remove(struct gg_due *due); /* fine when it is not in the heap */
int64_t gg_due_next(void);              /* GG_FOREVER: none */
void gg_due_run(int64_t now);           /* fires what was due when it was called */
void gg_due_teardown(void);

/* ---- waits (wait.c) ---- */

/* One wait: lives on the waiting fiber's stack and belongs to this wait alone. Completion, deadline and cancel race
 * for it; the first decides the result and takes it out of every list, so that a late one finds nothing to wake. */
struct gg_wait {
    struct gg_fiber *fiber;
    struct gg_list link; /* for who completes it */
    struct gg_due due;
    int result;
    bool decided;
};
void gg_wait_init(struct gg_wait *wait);
/* Blocks until decided. The record is in no list afterwards. Fails at once when cancelled or too late. */
GG_YIELDS int gg_wait_block(struct gg_wait *wait, int64_t deadline);
/* Decides and makes the fiber runnable; false when it was decided before. */
bool gg_wait_wake(struct gg_wait *wait, int result);
/* The first record of a list of waits, or NULL. */
struct gg_wait *gg_wait_first(const struct gg_list *head);

/* ---- fibers ---- */

struct gg_fiber {
    struct gg_context context;
    struct gg_stack *stack;
    gg_fiber_fn *fn;
    void *arg;
    struct gg_list ready_link, scope_link;
    struct gg_scope *scope;
    struct gg_wait *wait; /* NULL: runs or is about to */
    struct gg_list joiners;
    int64_t deadline;
    const char *tag;
    uint64_t id;
    unsigned shields, no_yields;
    bool cancelled, joinable, ended;
    char name[GG_FIBER_NAME];
};

struct gg_scope {
    struct gg_scope *parent;
    struct gg_list sibling_link, children, fibers;
    struct gg_cond emptied;
    size_t live; /* fibers here and in all scopes below */
    bool cancelled;
    char name[GG_FIBER_NAME];
};

struct gg_sched {
    struct gg_context main;
    struct gg_list ready;
    uint64_t next_id, spawned, switches;
    size_t live;
    int64_t slow_slice_ms;
    bool running;
};
extern struct gg_sched gg_sched; /* of the one loop; touched by its thread only */
/* The running fiber; NULL on the loop's own stack and on other threads. */
extern _Thread_local struct gg_fiber *gg_current __attribute__((tls_model("initial-exec")));

void gg_copy_name(char out[GG_FIBER_NAME], const char *name);
void gg_make_ready(struct gg_fiber *fiber);
/* From a fiber back to the scheduler; returns when the fiber runs again. Keeps errno. */
void gg_switch_out(void);
void gg_fiber_reap(struct gg_fiber *fiber); /* it has ended and its stack is free */
void gg_must_wait_in_fiber(const char *what);

/* ---- scopes (scope.c) ---- */

struct gg_scope *gg_root_scope(void);
void gg_scope_enter(struct gg_scope *scope, struct gg_fiber *fiber);
void gg_scope_leave(struct gg_fiber *fiber);

/* ---- parts that the loop sets up and takes down ---- */

int gg_fds_setup(void);
void gg_fds_teardown(void);
int gg_offload_setup(unsigned threads);
void gg_offload_teardown(void);
int gg_overflow_setup(void);
void gg_overflow_teardown(void);

#endif
