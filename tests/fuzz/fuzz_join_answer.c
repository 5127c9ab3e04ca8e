/* Answers to send_join, of both endpoints: refused, or cut into slices of the text that each are an object. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "federation/join_answer.h"

#include <ganglion/matrix/json.h>

static void check_slice(struct gg_str whole, struct gg_str part)
{
    if (part.s < whole.s || part.s + part.n > whole.s + whole.n || !mx_json_is_object(part))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gg_str text = gg_strn((const char *)data, size);
    for (int v1 = 0; v1 < 2; v1++) {
        struct mx_join_answer answer;
        const char *why = mx_join_answer_read(text, v1, &answer);
        if (why != NULL && (answer.events != NULL || answer.n != 0))
            abort();
        for (size_t i = 0; why == NULL && i < answer.n; i++)
            check_slice(text, answer.events[i]);
        if (why == NULL && answer.event.s != NULL)
            check_slice(text, answer.event);
        if (answer.n_state > answer.n)
            abort();
        mx_join_answer_done(&answer);
    }
    return 0;
}
