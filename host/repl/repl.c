/* host/repl/repl.c: what replication keeps for a process. */
#include "repl/repl.h"

#include "main/host.h"
#include "repl/calls.h"
#include "repl/ids.h"
#include "repl/lines.h"
#include "repl/locks.h"

#include <stdlib.h>

#include <ganglion/log.h>

struct gg_repl *gg_repl_of(struct gg_host *host)
{
    if (!host->repl) {
        host->repl = calloc(1, sizeof(struct gg_repl));
        GG_ASSERT(host->repl != NULL);
        host->repl->host = host;
    }
    return host->repl;
}

void gg_repl_free(struct gg_host *host)
{
    if (!host->repl)
        return;
    gg_lines_free(host->repl->lines);
    gg_calls_free(host->repl->calls);
    gg_locks_free(host->repl->locks);
    gg_streams_free(host->repl->streams);
    free(host->repl);
    host->repl = NULL;
}
