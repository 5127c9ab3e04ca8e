/* matrix/push/stream.h: the stream push_rules: whose rules changed (facts replication 5.7). */
#ifndef MX_PUSH_STREAM_H
#define MX_PUSH_STREAM_H

#include <ganglion/matrix/server.h>

GG_YIELDS int mx_push_rules_fetch(void *self, struct gg_stream *stream, const char *instance, int64_t from, int64_t to,
                                  size_t limit, struct gg_arena *arena, struct gg_fetched **out, size_t *n_out,
                                  int64_t *reached, struct gg_error *err);
void mx_push_follow(struct mx_server *server);  /* from make */
void mx_push_replicated(struct mx_server *server); /* positions are known */

#endif
