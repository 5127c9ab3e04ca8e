/* Any bytes as a transaction of another server and as its answer about a state: lists, PDUs of every room version, EDUs, ids.
 * The first byte chooses the version. */
#include "federation/inbound_read.h"

#include <ganglion/matrix/event.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void read_pdus(struct gg_str pdus, const struct mx_room_version *version)
{
    struct mx_json_iter it = mx_json_iter(pdus);
    size_t n = 0;
    while (pdus.s && mx_json_next(&it)) {
        struct mx_event *event;
        struct gg_error err = GG_ERROR_INIT;
        if (mx_event_parse(it.value, version, gg_strn(NULL, 0), &event, &err) == 0) {
            must(event->event_id.n && event->room_id.n && mx_json_is_object(event->content));
            mx_event_unref(event);
        }
        n++;
    }
    must(n <= MX_FED_TXN_PDUS);
}

static void read_edus(struct gg_str edus, struct gg_arena *arena)
{
    struct mx_json_iter it = mx_json_iter(edus);
    while (edus.s && mx_json_next(&it)) {
        json_t *content = NULL;
        const char *type = mx_fed_edu_read(it.value, arena, &content);
        must(!type || json_is_object(content));
        json_decref(content);
    }
}

static void read_ids(struct gg_str body, struct gg_arena *arena)
{
    enum { MAX = 16 };
    struct gg_str ids[MAX];
    struct gg_map *seen = gg_map_new(NULL);
    size_t n = mx_fed_ids_read(mx_json_get(body, "pdu_ids"), seen, MAX, arena, ids, 0);
    n = mx_fed_ids_read(mx_json_get(body, "auth_chain_ids"), seen, MAX, arena, ids, n);
    must(n <= MAX && n == gg_map_count(seen));
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < i; k++)
            must(!gg_str_eq(ids[i], ids[k]));
    gg_map_free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t n_versions;
    const struct mx_room_version *versions = mx_room_version_all(&n_versions);
    struct mx_fed_lists lists;
    struct gg_error err = GG_ERROR_INIT;
    if (!size)
        return 0;
    struct gg_arena *arena = gg_arena_new();
    struct gg_str body = gg_strn((const char *)data + 1, size - 1);
    if (mx_fed_lists_read(body, &lists, &err) == 0) {
        read_pdus(lists.pdus, &versions[data[0] % n_versions]);
        read_edus(lists.edus, arena);
        read_ids(body, arena);
    } else {
        must(err.http_status >= 400 && err.http_status < 500);
    }
    gg_arena_free(arena);
    return 0;
}
