/* matrix/push/evaluate.h: whom new events notify. Called by the process that makes an event, between authorisation and
 * persist (facts database 4.9). */
#ifndef MX_PUSH_EVALUATE_H
#define MX_PUSH_EVALUATE_H

#include <ganglion/matrix/persist.h>

/* Evaluates each of n new events of one room, each built on the one before, for everybody whom it may concern, and gives
 * the results to items[i].push. Events that notify nobody (outliers, soft-failed and rejected ones) get none.
 * `before`: the state that the first of them stands on (NULL: none). The results are in the arena. */
GG_YIELDS GG_CHECKED int mx_push_evaluate(struct mx_server *server, struct gg_str room_id, const struct mx_state *before,
                                          struct mx_persist_item *items, size_t n, struct gg_arena *arena,
                                          struct gg_error *err);
/* The same results as rows of event_push_actions_staging: before a writer in another process is asked to write. */
GG_YIELDS GG_CHECKED int mx_push_stage(struct mx_server *server, const struct mx_persist_item *items, size_t n,
                                       struct gg_error *err);
/* What was staged and was not written after all goes. A failure is only logged: an hourly sweep takes what is left. */
GG_YIELDS void mx_push_unstage(struct mx_server *server, const struct mx_persist_item *items, size_t n);

#endif
