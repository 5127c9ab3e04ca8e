/* matrix/federation/edus.c: the table of EDUs and their way to the process that writes them (facts replication 9.4). */
#include "federation/edus.h"
#include "federation/device_edus.h"
#include "federation/people.h"

#include <ganglion/log.h>

static struct gg_logger logger = {"ganglion.federation.receive"};

struct kind {
    const char *type;
    mx_fed_edu_fn *handle;
    size_t stream; /* offset of the stream in struct mx_server */
};

#define STREAM(name_) offsetof(struct mx_server, name_)

static const struct kind kinds[] = {
    {"m.typing", mx_fed_edu_typing, STREAM(typing_stream)},
    {"m.receipt", mx_fed_edu_receipt, STREAM(receipts)},
    {"m.presence", mx_fed_edu_presence, STREAM(presence)},
    {"m.direct_to_device", mx_fed_edu_direct_to_device, STREAM(to_device)},
    {"m.device_list_update", mx_fed_edu_device_list_update, STREAM(device_lists)},
    {"m.signing_key_update", mx_fed_edu_signing_key_update, STREAM(device_lists)},
    {"org.matrix.signing_key_update", mx_fed_edu_signing_key_update, STREAM(device_lists)},
    {0},
};

static const struct kind *find(const char *type)
{
    for (const struct kind *kind = kinds; kind->type; kind++)
        if (strcmp(kind->type, type) == 0)
            return kind;
    return NULL;
}

static struct gg_stream *stream_of(const struct mx_server *server, const struct kind *kind)
{
    return *(struct gg_stream *const *)(const void *)((const char *)server + kind->stream);
}

int mx_fed_edu_here(struct mx_server *server, const char *origin, const char *type, const json_t *content,
                    struct gg_error *err)
{
    const struct kind *kind = find(type);
    if (kind)
        return kind->handle(server, origin, content, err);
    gg_debug(&logger, "an EDU of a kind that is not known came from %s: %.60s", origin, type);
    return 0;
}

/* The first of several writers: as Synapse has it for device lists; for the others any will do. */
static const char *writer_of(struct gg_stream *stream)
{
    size_t n;
    const char *const *writers = gg_stream_writers(stream, &n);
    return n ? writers[0] : GG_WRITER_MAIN;
}

int mx_fed_edu(struct mx_server *server, const char *origin, const char *type, json_t *content, struct gg_error *err)
{
    const struct kind *kind = find(type);
    if (!kind || gg_stream_is_writer(stream_of(server, kind)))
        return mx_fed_edu_here(server, origin, type, content, err);
    json_t *body = json_pack("{s:s, s:O}", "origin", origin, "content", content), *answer = NULL;
    int rc = gg_repl_call(server->host, writer_of(stream_of(server, kind)), "fed_send_edu", (const char *const[]){type, NULL},
                          body, &answer, err);
    json_decref(body);
    json_decref(answer);
    return rc;
}
