/* matrix/sync/shared.c: identical requests that run at the same time are answered by one of them. */
#include "sync/shared.h"

#include <ganglion/fiber.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>

struct mx_shared_answer {
    struct gg_cond done_cond;
    unsigned refs;
    bool done, good;
    struct gg_buf text;
};

struct mx_shared {
    struct gg_map *running; /* key -> answer; as many as requests that run */
};

struct mx_shared *mx_shared_new(void)
{
    struct mx_shared *shared = gg_xcalloc(1, sizeof(*shared));
    shared->running = gg_map_new(NULL);
    return shared;
}

void mx_shared_free(struct mx_shared *shared)
{
    if (shared == NULL)
        return;
    gg_map_free(shared->running);
    free(shared);
}

static void unref(struct mx_shared_answer *answer)
{
    if (--answer->refs > 0)
        return;
    gg_buf_done(&answer->text);
    free(answer);
}

struct mx_shared_answer *mx_shared_join(struct mx_shared *shared, struct gg_str key, bool *own_out)
{
    struct mx_shared_answer *answer = gg_map_get(shared->running, key);
    *own_out = answer == NULL;
    if (answer == NULL) {
        answer = gg_xcalloc(1, sizeof(*answer));
        answer->text = (struct gg_buf)GG_BUF_INIT;
        gg_cond_init(&answer->done_cond);
        gg_map_put(shared->running, key, answer);
    }
    answer->refs++;
    return answer;
}

void mx_shared_done(struct mx_shared *shared, struct gg_str key, struct mx_shared_answer *answer, const struct gg_buf *text)
{
    gg_map_delete(shared->running, key);
    answer->done = true;
    answer->good = text != NULL;
    if (text != NULL && answer->refs > 1) /* for nobody else it need not be copied */
        gg_buf_str(&answer->text, gg_buf_view(text));
    gg_cond_broadcast(&answer->done_cond);
    unref(answer);
}

int mx_shared_wait(struct mx_shared_answer *answer, struct gg_buf *out)
{
    int rc = 0;
    while (rc == 0 && !answer->done)
        rc = gg_cond_wait(&answer->done_cond, GG_FOREVER);
    if (rc == 0 && answer->good)
        gg_buf_str(out, gg_buf_view(&answer->text));
    else if (rc == 0)
        rc = GG_E_CONFLICT;
    unref(answer);
    return rc;
}
