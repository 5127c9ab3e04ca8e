/* repl/calls_wait.c: read-your-writes between processes (facts replication 8.2): each side says how far its streams
 * are, and the other waits until it has seen as much. */
#include "repl/calls_internal.h"
#include "repl/ids.h"

#include "main/host.h"

#include <ganglion/log.h>

static struct gg_logger logger = {.name = "ganglion.replication"};

enum { WAIT_MS = 5000 }; /* then it goes on: late news are better than no answer */

static int wait_one(struct gg_host *host, const char *name, const char *instance, int64_t position, int64_t deadline,
                    struct gg_error *err)
{
    struct gg_stream *stream = gg_stream_find(host, name);
    if (stream == NULL || gg_stream_position(stream, instance) >= position)
        return 0; /* a stream that is not followed here has nothing that could be read too early */
    int rc = gg_stream_wait(stream, instance, position, deadline);
    if (rc == GG_E_TIMEOUT && gg_now_ms() < gg_get_deadline()) {
        gg_warn(&logger, "%s of %s has not come to %lld within %d s, it is at %lld", name, instance,
                (long long)position, WAIT_MS / 1000, (long long)gg_stream_position(stream, instance));
        return 0;
    }
    return rc == 0 ? 0 : gg_fail(err, rc, "waiting for the stream %s", name);
}

int gg_calls_wait_streams(struct gg_host *host, const char *instance, const json_t *streams, struct gg_error *err)
{
    int64_t deadline = gg_deadline(WAIT_MS); /* for all of them: they come side by side */
    json_t *all = (json_t *)streams, *value;
    const char *name;
    int rc = 0;
    if (instance == NULL || strcmp(instance, host->instance) == 0 || !host->redis || !gg_repl_connected(host))
        return 0; /* without Redis nothing would come */
    json_object_foreach(all, name, value)
    {
        rc = wait_one(host, name, instance, json_integer_value(value), deadline, err);
        if (rc != 0)
            break;
    }
    return rc;
}

int gg_calls_wait_positions(struct gg_host *host, const json_t *pos, struct gg_error *err)
{
    return gg_calls_wait_streams(host, json_string_value(json_object_get(pos, "instance_name")),
                                 json_object_get(pos, "streams"), err);
}

void gg_calls_write_positions(struct gg_host *host, bool answer, struct gg_buf *out)
{
    struct gg_streams *streams = gg_streams_of(host);
    char before = '{';
    for (size_t i = 0; i < gg_streams_count(streams); i++) {
        const struct gg_stream *stream = gg_streams_at(streams, i);
        const struct gg_stream_def *def = gg_stream_def(stream);
        if (!gg_stream_is_writer(stream) || def->quiet || strchr(def->name, '.') != NULL)
            continue; /* a name that Synapse does not know is an error there */
        gg_buf_char(out, before);
        gg_buf_json_string(out, gg_str(def->name));
        gg_buf_char(out, ':');
        gg_buf_i64(out, answer ? gg_stream_done_local(stream) : gg_stream_minimal_local(stream));
        before = ',';
    }
    gg_buf_text(out, before == '{' ? "{}" : "}");
}
