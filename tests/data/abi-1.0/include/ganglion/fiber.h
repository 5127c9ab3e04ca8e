/* ganglion/fiber.h: straight-line code that may wait.
 *
 * All fibers of a process run on its one loop thread; a fiber runs until it
 * waits. Every wait is bounded by a deadline (the smaller of the one given and
 * the fiber's own) and returns GG_OK, GG_E_TIMEOUT or GG_E_CANCELLED.
 * Cancelling is a return code at the next wait, never an unwind; it sticks: all
 * later waits fail at once, except inside a shield. errno is kept across waits. */
#ifndef GANGLION_FIBER_H
#define GANGLION_FIBER_H

#include <ganglion/base.h>
#include <ganglion/list.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_fiber;
struct gg_scope;
struct gg_arena;

typedef void gg_fiber_fn(void *arg);

/* ---- scopes: who started it, waits for it ---- */

/* A scope owns fibers. parent NULL: the host's scope. */
GG_API struct gg_scope *gg_scope_new(struct gg_scope *parent, const char *name);
/* Asks every fiber of the scope and of its children to end; does not wait. No
 * fiber can be spawned into it any more. */
GG_API void gg_scope_cancel(struct gg_scope *scope);
/* Waits until all have ended (GG_E_TIMEOUT: some have not). */
GG_API GG_YIELDS int gg_scope_join(struct gg_scope *scope, int64_t deadline);
/* Cancel, join without limit (shielded from the caller's own cancel), free. From a fiber outside the scope; from loop
 * code only when the scope is empty. Child scopes are ended by who made them, before. */
GG_API GG_YIELDS void gg_scope_end(struct gg_scope *scope);
/* Fibers of the scope and of all scopes below it. */
GG_API size_t gg_scope_count(const struct gg_scope *scope);

/* ---- fibers ---- */

/* Starts fn(arg) at the next turn of the scheduler. scope NULL: the host's. The
 * name is copied (cut at 47 characters). The new fiber has no deadline. Returns
 * NULL when the scope is cancelled or no stack can be had. A fiber that nobody
 * joins frees itself. */
GG_API struct gg_fiber *gg_spawn(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg);
/* The same, but somebody will gg_join() it exactly once. */
GG_API struct gg_fiber *gg_spawn_joinable(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg);
/* GG_OK: it has ended and is freed. On TIMEOUT or CANCELLED it may be joined again. */
GG_API GG_YIELDS int gg_join(struct gg_fiber *fiber, int64_t deadline);
GG_API void gg_cancel(struct gg_fiber *fiber);

GG_API struct gg_fiber *gg_self(void); /* NULL outside any fiber */
GG_API const char *gg_fiber_name(const struct gg_fiber *fiber);
GG_API uint64_t gg_fiber_id(const struct gg_fiber *fiber);
GG_API bool gg_cancelled(void); /* was the running fiber asked to end (and is not shielded)? */

/* The running fiber's own deadline: bounds all its waits. Returns the old one. */
GG_API int64_t gg_set_deadline(int64_t deadline);
GG_API int64_t gg_get_deadline(void);
/* Text that log lines of this fiber carry (a request id); not copied. Inherited
 * by nobody. */
GG_API void gg_set_tag(const char *tag);
GG_API const char *gg_get_tag(void);

/* Between begin and end neither cancelling nor the fiber's deadline end a wait:
 * for what must not be left half-done (a commit). Nests. */
GG_API void gg_shield_begin(void);
GG_API void gg_shield_end(void);

/* Runs fn(arg) in a fiber of its own, shielded from the caller's cancel: if the
 * caller's wait ends early, fn goes on to its end (only a cancel of its scope
 * reaches it). GG_OK: fn has ended. GG_E_UNAVAILABLE: it could not be started.
 * fn's arg must not live on the caller's stack. */
GG_API GG_YIELDS int gg_run_shielded(struct gg_scope *scope, const char *name, gg_fiber_fn *fn, void *arg);

/* ---- waiting ---- */

GG_API GG_YIELDS int gg_yield(void); /* lets others run; GG_E_CANCELLED if so asked */
GG_API GG_YIELDS int gg_sleep(int64_t ms);
GG_API GG_YIELDS int gg_sleep_until(int64_t deadline); /* GG_OK when it came */

enum gg_fd_want { GG_READABLE = 1, GG_WRITABLE = 2 };
/* Until fd is ready for one of want; *got_out (may be NULL) says which. One
 * waiter for each fd and direction. A hang-up counts as ready. fd may be closed
 * and its number used again at any time but during the wait. GG_E_INVALID: fd
 * is not open. */
GG_API GG_YIELDS int gg_wait_fd(int fd, int want, int *got_out, int64_t deadline);

/* A condition: waiters in order of arrival. Always wait in a loop over what you
 * wait for. Lives in a struct; may be signalled from any fiber or loop callback
 * (same thread). */
struct gg_cond {
    struct gg_list waiters;
};
GG_API void gg_cond_init(struct gg_cond *cond);
GG_API GG_YIELDS int gg_cond_wait(struct gg_cond *cond, int64_t deadline);
GG_API void gg_cond_signal(struct gg_cond *cond);    /* wakes one */
GG_API void gg_cond_broadcast(struct gg_cond *cond); /* wakes all */

/* Fair, not recursive. */
struct gg_mutex {
    struct gg_fiber *owner;
    struct gg_cond cond;
};
GG_API void gg_mutex_init(struct gg_mutex *mutex);
GG_API GG_YIELDS int gg_mutex_lock(struct gg_mutex *mutex, int64_t deadline);
GG_API void gg_mutex_unlock(struct gg_mutex *mutex);

/* A bounded queue of pointers. */
struct gg_queue;
GG_API struct gg_queue *gg_queue_new(size_t capacity);
GG_API void gg_queue_free(struct gg_queue *queue); /* no waiters, or they get GG_E_CLOSED */
GG_API GG_YIELDS int gg_queue_push(struct gg_queue *queue, void *item, int64_t deadline); /* waits while full */
GG_API bool gg_queue_try_push(struct gg_queue *queue, void *item);
GG_API GG_YIELDS int gg_queue_pop(struct gg_queue *queue, void **item_out, int64_t deadline);
GG_API void gg_queue_close(struct gg_queue *queue); /* pops drain what is left, then GG_E_CLOSED */
GG_API size_t gg_queue_count(const struct gg_queue *queue);

/* Runs fn(arg) on a thread of the pool and waits for it. Not cancellable once it
 * runs: the wait is shielded. fn must touch no fiber, arena or loop. GG_E_LIMIT
 * when the pool's queue is full. */
GG_API GG_YIELDS int gg_offload(void (*fn)(void *arg), void *arg);

/* "No yield here": aborts if a wait happens between begin and end. */
GG_API void gg_no_yield_begin(void);
GG_API void gg_no_yield_end(void);

/* ---- the scheduler, for main and for tests ---- */

/* A timer for loop code that is not a fiber: fn(arg) once, on the loop thread. */
struct gg_timer;
GG_API struct gg_timer *gg_timer_start(int64_t ms, void (*fn)(void *arg), void *arg);
GG_API void gg_timer_stop(struct gg_timer *timer); /* also frees; not after it fired, unless inside fn */

/* Calls fn(arg) on the loop thread at the end of this turn, when the runnable
 * fibers have all waited: the place to flush what they queued. */
GG_API void gg_at_turn_end(void (*fn)(void *arg), void *arg);

struct gg_loop_options {
    size_t stack_bytes;      /* 0: 256 KiB */
    size_t max_fibers;       /* 0: chosen from vm.max_map_count */
    unsigned threads;        /* of the offload pool; 0: number of cores, at least 2, at most 8 */
    int64_t slow_slice_ms;   /* a fiber that ran longer without a wait is logged; 0: 100 */
};
/* Sets up the loop of this thread, runs main_fn(arg) as the first fiber in the
 * host's scope, and returns when it has ended and all scopes are empty. */
GG_API int gg_loop_run(const struct gg_loop_options *options, gg_fiber_fn *main_fn, void *arg);

struct gg_fiber_stats {
    uint64_t spawned, switches;
    size_t live, pooled, stack_high_water; /* bytes, over all stacks so far */
};
GG_API void gg_fiber_get_stats(struct gg_fiber_stats *out);

#ifdef __cplusplus
}
#endif
#endif
