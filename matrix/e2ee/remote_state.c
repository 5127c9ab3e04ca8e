/* matrix/e2ee/remote_state.c: locks and positions of users whose lists are being changed. */
#include "e2ee/remote_state.h"

#include "e2ee/e2ee.h"

#include <ganglion/memory.h>
#include <stdlib.h>

enum { MAX_STATES = 10000 };

/* One that runs out of the table is only slower: its next update fetches the whole list. */
static void make_place(struct gg_map *states)
{
    struct gg_str key;
    void *value;
    if (gg_map_count(states) < MAX_STATES)
        return;
    for (size_t i = 0; gg_map_next(states, &i, &key, &value);)
        if (((struct mx_remote_state *)value)->users == 0)
            gg_map_delete(states, key);
}

struct mx_remote_state *mx_remote_state_get(struct mx_server *server, struct gg_str user_id)
{
    struct gg_map *states = server->e2ee->remote_states;
    struct mx_remote_state *state = gg_map_get(states, user_id);
    if (state == NULL) {
        make_place(states);
        state = gg_xcalloc(1, sizeof(*state));
        gg_mutex_init(&state->lock);
        gg_mutex_init(&state->fetch);
        gg_map_put(states, user_id, state);
    }
    state->users++;
    return state;
}

void mx_remote_state_release(struct mx_remote_state *state)
{
    state->users--;
}

static void forget_seen(struct mx_remote_state *state)
{
    for (unsigned i = 0; i < MX_REMOTE_SEEN; i++) {
        free(state->seen[i]);
        state->seen[i] = NULL;
    }
    state->next_seen = 0;
}

void mx_remote_state_free(void *value)
{
    forget_seen(value);
    free(value);
}

bool mx_remote_state_seen(const struct mx_remote_state *state, struct gg_str position)
{
    for (unsigned i = 0; i < MX_REMOTE_SEEN; i++)
        if (state->seen[i] != NULL && gg_str_is(position, state->seen[i]))
            return true;
    return false;
}

void mx_remote_state_note(struct mx_remote_state *state, struct gg_str position)
{
    char **place = &state->seen[state->next_seen++ % MX_REMOTE_SEEN];
    free(*place);
    *place = gg_xstrndup(position.s, position.n);
}

void mx_remote_state_reset(struct mx_remote_state *state, struct gg_str position)
{
    forget_seen(state);
    mx_remote_state_note(state, position);
}
