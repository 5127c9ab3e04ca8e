/* repl/calls_wait.c: read-your-writes between processes (facts replication 8.2): each side says how far its streams are, and
 * the other waits until it has seen as much. */
#include "repl/calls_internal.h"
#include "repl/ids.h"

#include "main/host.h"

#include <ganglion/log.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { WAIT_MS = 5000 }; /* for each stream; then it goes on: late news are better than no answer */

static int wait_one(struct gg_host *host, const char *name, const char *instance, int64_t position, struct gg_error *err)
{
    struct gg_stream *stream = gg_stream_find(host, name);
    if (stream == NULL)
        return gg_fail(err, GG_E_INTERNAL, "unknown stream %s", name);
    if (gg_stream_position(stream, instance) >= position)
        return 0;
    int rc = gg_stream_wait(stream, instance, position, gg_deadline(WAIT_MS));
    if (rc == GG_E_TIMEOUT && gg_now_ms() < gg_get_deadline()) {
        gg_warn(&logger, "%s of %s has not come to %lld within %d s", name, instance, (long long)position, WAIT_MS / 1000);
        return 0;
    }
    return rc == 0 ? 0 : gg_fail(err, rc, "waiting for the stream %s", name);
}

int gg_calls_wait_positions(struct gg_host *host, const json_t *pos, struct gg_error *err)
{
    const char *instance = json_string_value(json_object_get(pos, "instance_name")), *name;
    json_t *streams = json_object_get(pos, "streams"), *value;
    int rc = 0;
    if (instance == NULL || strcmp(instance, host->instance) == 0 || !host->redis)
        return 0; /* without Redis nothing would come */
    json_object_foreach(streams, name, value) {
        rc = wait_one(host, name, instance, json_integer_value(value), err);
        if (rc != 0)
            break;
    }
    return rc;
}

json_t *gg_calls_own_positions(struct gg_host *host)
{
    struct gg_streams *streams = gg_streams_of(host);
    json_t *out = json_object();
    for (size_t i = 0; i < gg_streams_count(streams); i++) {
        const struct gg_stream *stream = gg_streams_at(streams, i);
        if (gg_stream_is_writer(stream))
            json_object_set_new(out, gg_stream_def(stream)->name, json_integer(gg_stream_minimal_local(stream)));
    }
    return out;
}
