/* host/db/stats.c: slow statements in the log. */
#include "db/db.h"

#include <ganglion/log.h>

enum { SLOW_MS = 500 };

static struct gg_logger sql_logger = {"synapse.storage.SQL"};
static struct gg_logger txn_logger = {"synapse.storage.txn"};

void gg_db_count_query(const struct gg_variant *variant, int64_t ms, const char *outcome)
{
    if (ms >= SLOW_MS)
        gg_warn(&sql_logger, "slow: %lld ms: %.300s", (long long)ms, variant->stmt->sql);
}

void gg_db_count_txn(const char *name, int64_t ms, const char *outcome)
{
    gg_debug(&txn_logger, "[%s] %s after %lld ms", name, outcome, (long long)ms);
}

void gg_db_count_retry(const char *name, const char *why)
{
    gg_debug(&txn_logger, "[%s] again: %s", name, why);
}
