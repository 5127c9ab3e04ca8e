/* matrix/groups/part.c: communities as a part of the process: on or off, and the stream that tells of changes. */
#include "groups/groups.h"
#include "groups/in_sync.h"

#include "../parts.h"
#include "storage/groups.h"
#include "userdata/streams.h"

#include <ganglion/config.h>
#include <ganglion/matrix/id.h>
#include <ganglion/matrix/json.h>
#include <ganglion/matrix/notifier.h>
#include <ganglion/memory.h>

enum { RENEW_EVERY_MS = 30 * 60 * 1000 };

struct mx_groups_part {
    struct gg_stream *stream;
};

static struct mx_groups_part *part_of(const struct mx_server *server)
{
    return server->groups;
}

bool mx_groups_on(const struct mx_server *server)
{
    return part_of(server) != NULL;
}

struct gg_stream *mx_groups_stream(const struct mx_server *server)
{
    return part_of(server) != NULL ? part_of(server)->stream : NULL;
}

int64_t mx_groups_position(const struct mx_server *server)
{
    return part_of(server) != NULL ? gg_stream_upto(part_of(server)->stream) : 0;
}

/* "+localpart:server" */
bool mx_group_id_valid(struct gg_str id)
{
    struct gg_str domain = mx_id_domain(id);
    return id.n > 2 && id.n <= MX_ID_MAX && id.s[0] == '+' && mx_id_localpart(id).n > 0 && mx_server_name_valid(domain);
}

/* [user] */
static void apply(void *self, struct gg_stream *stream, const char *instance, int64_t token, const struct gg_row *rows, size_t n,
                  bool moved)
{
    for (size_t i = 0; moved && i < n; i++)
        mx_notify_user(self, mx_row_text(rows[i].row, 0));
}

static const struct gg_stream_def stream_def = {.name = "dev.ganglion.groups", .sequence = "ganglion.groups_seq",
                                                .fetch = mx_groups_fetch,
                                                .tables = (const struct gg_stream_table[]){{NULL, NULL, NULL}}};

static void renew(void *arg)
{
    mx_attestations_renew(arg);
}

static int make(struct mx_server *server, struct gg_error *err)
{
    if (!gg_config_bool(server->config, "ganglion.groups"))
        return 0;
    struct mx_groups_part *part = gg_xcalloc(1, sizeof(*part));
    server->groups = part;
    part->stream = gg_stream_register(server->host, &stream_def, server);
    gg_stream_follow(part->stream, apply, server);
    gg_host_every(server->host, "attestations of groups", RENEW_EVERY_MS, true, renew, server);
    return 0;
}

static int start(struct mx_server *server, struct gg_error *err)
{
    return part_of(server) != NULL ? mx_groups_schema(server, err) : 0;
}

static void free_part(struct mx_server *server)
{
    free(part_of(server));
    server->groups = NULL;
}

const struct mx_part mx_part_groups = {.name = "groups", .make = make, .start = start, .free = free_part};
