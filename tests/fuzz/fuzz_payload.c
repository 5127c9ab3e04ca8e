/* Events as processes hand them to each other: taken or refused; what is taken goes round, with what only writers of our
 * kind understand. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "persist/payload.h"

static struct mx_server server = {.name = "localhost"};

static int is_same(const struct mx_persist_item *a, const struct mx_persist_item *b)
{
    if (!gg_str_eq(a->event->event_id, b->event->event_id) || !gg_str_eq(a->event->json, b->event->json) ||
        a->n_new_groups != b->n_new_groups || a->n_push != b->n_push || a->push_known != b->push_known)
        return 0;
    for (size_t i = 0; i < a->n_new_groups; i++)
        if (a->new_groups[i].id != b->new_groups[i].id || a->new_groups[i].parent != b->new_groups[i].parent ||
            a->new_groups[i].has_entry != b->new_groups[i].has_entry)
            return 0;
    for (size_t i = 0; i < a->n_push; i++)
        if (!gg_str_eq(a->push[i].user_id, b->push[i].user_id) || a->push[i].highlight != b->push[i].highlight ||
            !gg_str_eq(a->push[i].actions, b->push[i].actions) || !gg_str_eq(a->push[i].thread_id, b->push[i].thread_id))
            return 0;
    return 1;
}

static void check_round(struct mx_persist_item *items, size_t n, struct gg_str room_id, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf out = GG_BUF_INIT;
    struct mx_persist_item *again;
    struct gg_str room_again;
    size_t n_again;
    if (n > 0)
        items[0].drafted = items[0].push_known;
    mx_payload_write(&out, &server, NULL, room_id, items, n);
    if (mx_payload_read(&server, gg_buf_view(&out), arena, &room_again, &again, &n_again, &err) != 0 || n_again != n ||
        !gg_str_eq(room_again, room_id))
        abort();
    for (size_t i = 0; i < n; i++)
        if (!is_same(&items[i], &again[i]))
            abort();
    gg_buf_done(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_error err = GG_ERROR_INIT;
    struct mx_persist_item *items;
    struct gg_str room_id;
    size_t n;
    int rc = mx_payload_read(&server, gg_strn((const char *)data, size), arena, &room_id, &items, &n, &err);
    if (rc == 0)
        check_round(items, n, room_id, arena);
    else if (err.http_status != 501 && (err.http_status < 400 || err.http_status > 499))
        abort();
    gg_arena_free(arena);
    return 0;
}
