/* matrix/federation/join_answer.c: what comes back from send_join, cut into its events (server-server API, "Joining
 * Rooms"). The answer of a room of 20,000 members has tens of megabytes: no tree is made of it. */
#include "federation/join_answer.h"

#include <ganglion/matrix/json.h>
#include <ganglion/memory.h>

enum { DEPTH = 1000 };

/* The second member of [200, {...}]. */
static struct gg_str second(struct gg_str array)
{
    struct mx_json_iter it = mx_json_iter(array);
    if (!mx_json_is_array(array) || !mx_json_next(&it) || !mx_json_next(&it))
        return (struct gg_str){0};
    return it.value;
}

static const char *take(struct gg_str list, struct mx_join_answer *out, size_t *cap)
{
    if (!mx_json_is_array(list))
        return "state or auth_chain is no list";
    struct mx_json_iter it = mx_json_iter(list);
    while (mx_json_next(&it)) {
        if (!mx_json_is_object(it.value))
            return "an event is no object";
        if (out->n == *cap) {
            *cap = *cap > 0 ? *cap * 2 : 256;
            out->events = gg_xrealloc(out->events, *cap * sizeof(*out->events));
        }
        out->events[out->n++] = it.value;
    }
    return NULL;
}

static const char *cut(struct gg_str text, struct mx_join_answer *out)
{
    struct gg_str state = {0}, chain = {0};
    size_t cap = 0;
    if (!mx_json_is_object(text))
        return "the answer is no object";
    struct mx_json_iter it = mx_json_iter(text);
    while (mx_json_next(&it)) { /* once over the text, however large it is */
        if (mx_json_key_is(it.key, "state"))
            state = it.value;
        else if (mx_json_key_is(it.key, "auth_chain"))
            chain = it.value;
        else if (mx_json_key_is(it.key, "event") && mx_json_is_object(it.value))
            out->event = it.value;
        else if (mx_json_key_is(it.key, "members_omitted") && mx_json_true(it.value))
            return "members were left out, though all were asked for";
    }
    const char *why = take(state, out, &cap);
    out->n_state = out->n;
    return why != NULL ? why : take(chain, out, &cap);
}

const char *mx_join_answer_read(struct gg_str text, bool v1, struct mx_join_answer *out)
{
    struct gg_error err = GG_ERROR_INIT;
    *out = (struct mx_join_answer){0};
    if (mx_json_check(text, DEPTH, &err) != 0)
        return "the answer is no JSON";
    const char *why = cut(v1 ? second(text) : text, out);
    if (why != NULL)
        mx_join_answer_done(out);
    return why;
}

void mx_join_answer_done(struct mx_join_answer *answer)
{
    free(answer->events);
    *answer = (struct mx_join_answer){0};
}
