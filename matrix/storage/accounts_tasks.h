/* storage/accounts_tasks.h: tasks "update_join_states" in the table scheduled_tasks. */
#ifndef MX_STORAGE_ACCOUNTS_TASKS_H
#define MX_STORAGE_ACCOUNTS_TASKS_H

#include <ganglion/matrix/server.h>

struct mx_task {
    struct gg_str id; /* s NULL: none is due */
    struct gg_str user_id;
    struct gg_str last_room_id; /* done up to here; s NULL: from the first */
};
/* A task that is due at once; one that waits for the same user is cancelled. */
GG_YIELDS GG_CHECKED int mx_tasks_insert(struct mx_server *server, const char *id, struct gg_str user_id,
                                         struct gg_error *err);
/* The next one that is due, or that a process left unfinished. For the one runner. */
GG_YIELDS GG_CHECKED int mx_tasks_claim(struct mx_server *server, struct gg_arena *arena, struct mx_task *out,
                                        struct gg_error *err);
GG_YIELDS GG_CHECKED int mx_tasks_progress(struct mx_server *server, struct gg_str id, struct gg_str room_id,
                                           struct gg_error *err);
/* failure NULL: complete. */
GG_YIELDS GG_CHECKED int mx_tasks_end(struct mx_server *server, struct gg_str id, const char *failure,
                                      struct gg_error *err);

#endif
