/* matrix/federation/sending/marks.c: what was delivered, written behind: one statement for all destinations that took
 * something meanwhile. A kill before it makes them get an event twice, which servers know by its id. */
#include "federation/sending/sending.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.federation.sending"};

enum { AT_ONCE = 1000 };

static size_t take(struct mx_marks *marks, struct gg_arena *arena, struct gg_str *names, int64_t *orderings)
{
    size_t n = 0;
    for (; n < AT_ONCE && !gg_list_empty(&marks->due); n++) {
        struct mx_dest *dest = GG_CONTAINER(gg_list_pop(&marks->due), struct mx_dest, mark);
        names[n] = gg_arena_str(arena, mx_dest_name(dest));
        orderings[n] = dest->last;
    }
    marks->n -= n;
    return n;
}

/* They are due again: destinations that are still in memory. */
static void put_back(struct mx_sending *sending, const struct gg_str *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct mx_dest *dest = mx_dest_held(sending, names[i]);
        if (dest == NULL || !gg_list_empty(&dest->mark))
            continue;
        gg_list_push(&sending->marks.due, &dest->mark);
        sending->marks.n++;
    }
}

void mx_marks_flush(struct mx_sending *sending)
{
    int rc = 0;
    if (sending->marks.writing)
        return;
    sending->marks.writing = true;
    sending->marks.asked = false;
    while (rc == 0 && !gg_list_empty(&sending->marks.due)) {
        struct gg_error err = GG_ERROR_INIT;
        struct gg_arena *arena = gg_arena_new();
        struct gg_str *names = GG_NEW_ARRAY(arena, struct gg_str, AT_ONCE);
        int64_t *orderings = GG_NEW_ARRAY(arena, int64_t, AT_ONCE);
        size_t n = take(&sending->marks, arena, names, orderings);
        gg_shield_begin();
        rc = mx_owed_delivered(sending->server, names, orderings, n, &err);
        gg_shield_end();
        if (rc != 0) {
            put_back(sending, names, n); /* the next tick tries again */
            gg_warn(&logger, "what was delivered could not be noted: %s", err.message);
        }
        gg_arena_free(arena);
    }
    sending->marks.writing = false;
}

static void flush(void *arg)
{
    mx_marks_flush(arg);
}

void mx_mark_delivered(struct mx_dest *dest, int64_t stream_ordering)
{
    struct mx_sending *sending = dest->sending;
    if (stream_ordering <= dest->last)
        return;
    dest->last = stream_ordering;
    mx_dest_forget_ahead(dest);
    if (gg_list_empty(&dest->mark)) {
        gg_list_push(&sending->marks.due, &dest->mark);
        sending->marks.n++;
    }
    if (!sending->marks.writing && !sending->marks.asked && sending->scope != NULL)
        sending->marks.asked = gg_spawn(sending->scope, "delivered", flush, sending) != NULL;
}
