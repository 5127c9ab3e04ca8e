/* matrix/e2ee/sent.c: requests with a transaction id run once (client-server API, "Transaction identifiers").
 *
 * Kept by the one process that runs them, the to_device writer, for as long as Synapse keeps them. Who asks again while
 * the first is at work waits for it. A request that failed may be tried again. */
#include "e2ee/e2ee.h"
#include "e2ee/to_device.h"

#include <ganglion/memory.h>
#include <stdlib.h>

enum { MAX_SENT = 100000, KEEP_MS = 30 * 60 * 1000 };

struct mx_sent {
    struct gg_cond over;
    unsigned waiting;
    bool done, failed;
    int64_t at; /* gg_now_ms() of the end */
    char key[];
};

void mx_sent_free(void *entry)
{
    free(entry);
}

/* Those that are over for long; if all are young, half of them: a bound is worth more than the answer to a request that
 * comes twice. */
static void make_place(struct gg_map *sent)
{
    size_t i = 0, n = 0;
    struct gg_str key;
    void *value;
    int64_t old = gg_now_ms() - KEEP_MS;
    if (gg_map_count(sent) < MAX_SENT)
        return;
    while (gg_map_next(sent, &i, &key, &value)) {
        const struct mx_sent *s = value;
        if (s->done && s->waiting == 0 && s->at < old)
            gg_map_delete(sent, key);
    }
    for (i = 0; gg_map_count(sent) > MAX_SENT / 2 && gg_map_next(sent, &i, &key, &value); n++) {
        const struct mx_sent *s = value;
        if (s->done && s->waiting == 0 && n % 2 == 0)
            gg_map_delete(sent, key);
    }
}

static struct mx_sent *add(struct gg_map *sent, struct gg_str key)
{
    make_place(sent);
    struct mx_sent *s = gg_xcalloc(1, sizeof(*s) + key.n + 1);
    gg_cond_init(&s->over);
    memcpy(s->key, key.s, key.n);
    gg_map_put(sent, key, s);
    return s;
}

static void drop(struct gg_map *sent, struct mx_sent *s)
{
    gg_map_delete(sent, gg_str(s->key));
}

int mx_sent_begin(struct mx_server *server, struct gg_str key, struct mx_sent **out, bool *first, struct gg_error *err)
{
    struct gg_map *sent = server->e2ee->sent;
    struct mx_sent *s = gg_map_get(sent, key);
    if (s != NULL && s->done && s->waiting == 0 && s->at < gg_now_ms() - KEEP_MS) {
        drop(sent, s);
        s = NULL;
    }
    *first = s == NULL;
    *out = s != NULL ? s : add(sent, key);
    if (*first)
        return 0;
    int rc = 0;
    s->waiting++;
    while (!s->done && !s->failed && rc == 0)
        rc = gg_cond_wait(&s->over, GG_FOREVER);
    bool failed = s->failed;
    if (--s->waiting == 0 && failed)
        drop(sent, s);
    if (rc != 0)
        return gg_fail(err, rc, "waiting for the same request");
    return failed ? gg_fail(err, GG_E_UNAVAILABLE, "the same request failed") : 0;
}

void mx_sent_end(struct mx_server *server, struct mx_sent *s, bool done)
{
    s->done = done;
    s->failed = !done;
    s->at = gg_now_ms();
    gg_cond_broadcast(&s->over);
    if (!done && s->waiting == 0)
        drop(server->e2ee->sent, s);
}
