/* offload.c: the pool of threads for what burns the processor or blocks.
 *
 * Threads start when there is work and no idle one, and stay. A job lives on the stack of the fiber that waits for it,
 * which is why that wait cannot be cut short. */
#include "fiber/sched.h"

#include "fiber/loop.h"

#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_THREADS 64u
#define MAX_QUEUED 1024u

struct job {
    struct job *next;
    void (*fn)(void *arg);
    void *arg;
    struct gg_wait wait; /* the loop's side; threads keep their hands off */
};

struct job_list {
    struct job *first, *last;
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job_list todo, done; /* under lock, as all up to `stopping` */
    size_t queued;
    unsigned idle;
    bool stopping;
    unsigned threads, max_threads; /* the loop's */
    pthread_t thread[MAX_THREADS];
    int wake_fd;
    struct event *event;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .wake_fd = -1};

static void append(struct job_list *list, struct job *job)
{
    job->next = NULL;
    if (list->last)
        list->last->next = job;
    else
        list->first = job;
    list->last = job;
}

static struct job *take_first(struct job_list *list)
{
    struct job *job = list->first;
    if (!job)
        return NULL;
    list->first = job->next;
    if (!list->first)
        list->last = NULL;
    return job;
}

static void tell_loop(void)
{
    uint64_t one = 1;
    ssize_t n;
    do
        n = write(pool.wake_fd, &one, sizeof(one));
    while (n < 0 && errno == EINTR);
}

static void *run_thread(void *arg)
{
    pthread_mutex_lock(&pool.lock);
    for (;;) {
        struct job *job = take_first(&pool.todo);
        if (!job && pool.stopping)
            break;
        if (!job) {
            pool.idle++;
            pthread_cond_wait(&pool.work, &pool.lock);
            pool.idle--;
            continue;
        }
        pool.queued--;
        pthread_mutex_unlock(&pool.lock);
        job->fn(job->arg);
        pthread_mutex_lock(&pool.lock);
        bool first = !pool.done.first;
        append(&pool.done, job);
        if (first)
            tell_loop();
    }
    pthread_mutex_unlock(&pool.lock);
    return NULL;
}

static void on_done(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;
    if (read(pool.wake_fd, &n, sizeof(n)) < 0 && errno != EAGAIN)
        return;
    pthread_mutex_lock(&pool.lock);
    struct job *job = pool.done.first;
    pool.done.first = pool.done.last = NULL;
    pthread_mutex_unlock(&pool.lock);
    while (job) {
        struct job *next = job->next;
        gg_wait_wake(&job->wait, GG_OK);
        job = next;
    }
}

/* Signals belong to the loop's thread. */
static bool start_thread(void)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    bool ok = pthread_create(&pool.thread[pool.threads], NULL, run_thread, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pool.threads += ok;
    return ok;
}

int gg_offload_setup(unsigned threads)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = cores < 2 ? 2 : cores > 8 ? 8 : (unsigned)cores;
    pool.max_threads = threads < MAX_THREADS ? threads : MAX_THREADS;
    pool.stopping = false;
    pool.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (pool.wake_fd < 0)
        return GG_E_IO;
    pool.event = event_new(gg_loop_base(), pool.wake_fd, EV_READ | EV_PERSIST, on_done, NULL);
    return pool.event && event_add(pool.event, NULL) == 0 ? GG_OK : GG_E_NOMEM;
}

void gg_offload_teardown(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.stopping = true;
    pthread_cond_broadcast(&pool.work);
    pthread_mutex_unlock(&pool.lock);
    while (pool.threads > 0)
        pthread_join(pool.thread[--pool.threads], NULL);
    if (pool.event)
        event_free(pool.event);
    if (pool.wake_fd >= 0)
        close(pool.wake_fd);
    pool.event = NULL;
    pool.wake_fd = -1;
}

static int submit(struct job *job)
{
    pthread_mutex_lock(&pool.lock);
    bool full = pool.queued >= MAX_QUEUED;
    bool short_handed = pool.queued >= pool.idle;
    if (!full) {
        append(&pool.todo, job);
        pool.queued++;
        pthread_cond_signal(&pool.work);
    }
    pthread_mutex_unlock(&pool.lock);
    if (full)
        return GG_E_LIMIT;
    if (short_handed && pool.threads < pool.max_threads)
        start_thread();
    return GG_OK;
}

int gg_offload(void (*fn)(void *arg), void *arg)
{
    gg_must_wait_in_fiber("gg_offload");
    if (gg_cancelled())
        return GG_E_CANCELLED;
    if (!gg_current->shields && gg_current->deadline <= gg_now_ms())
        return GG_E_TIMEOUT;
    if (pool.threads == 0 && !start_thread())
        return GG_E_LIMIT; /* nobody would ever run it */
    struct job job = {.fn = fn, .arg = arg};
    gg_wait_init(&job.wait);
    int r = submit(&job);
    if (r != GG_OK)
        return r;
    gg_shield_begin();
    r = gg_wait_block(&job.wait, GG_FOREVER);
    gg_shield_end();
    return r;
}
