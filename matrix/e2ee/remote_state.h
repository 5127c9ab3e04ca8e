/* matrix/e2ee/remote_state.h: what the keeper of remote device lists remembers of users whose lists are being changed. Private
 * to the files remote_*.c. */
#ifndef MX_E2EE_REMOTE_STATE_H
#define MX_E2EE_REMOTE_STATE_H

#include "e2ee/remote_devices.h"

#include <ganglion/fiber.h>

enum { MX_REMOTE_SEEN = 20 };

struct mx_remote_state {
    unsigned users;                  /* fibers that hold it */
    struct gg_mutex lock;            /* around rows of the user */
    struct gg_mutex fetch;           /* one fetch at a time */
    uint64_t fetched;                /* lists stored so far: who waited for `fetch` sees that it is done */
    bool fetching;                   /* an answer may be under way that is older than an update that comes now */
    bool wanted, running;            /* a fetch in the background: asked for, going on */
    int64_t forced_at;               /* gg_now_ms() of the last fetch for an unknown device */
    char *seen[MX_REMOTE_SEEN];      /* positions of updates that were applied, a ring */
    unsigned next_seen;
};
/* Held until released; never NULL. Those that nobody holds are forgotten when there are too many. */
struct mx_remote_state *mx_remote_state_get(struct mx_server *server, struct gg_str user_id);
void mx_remote_state_release(struct mx_remote_state *state);
void mx_remote_state_free(void *state);
bool mx_remote_state_seen(const struct mx_remote_state *state, struct gg_str position);
void mx_remote_state_note(struct mx_remote_state *state, struct gg_str position);
/* A whole list came: only its position counts from now on. */
void mx_remote_state_reset(struct mx_remote_state *state, struct gg_str position);

/* Fetches the user's list in the background, soon; on the keeper. It is marked stale already. */
void mx_remote_fetch_soon(struct mx_server *server, struct gg_str user_id);

#endif
