/* host/db/stats.c: slow statements in the log, counts and times in the metrics. */
#include "db/db.h"

#include <ganglion/log.h>
#include <ganglion/metrics.h>

enum { SLOW_MS = 500 };

static struct gg_logger sql_logger = {"synapse.storage.SQL"};
static struct gg_logger txn_logger = {"synapse.storage.txn"};

static struct gg_metric query_time = {"synapse_storage_query_time", "Seconds from sending a statement to its result",
                                      GG_HISTOGRAM, {"verb"}, NULL};
static struct gg_metric txn_time = {"synapse_storage_transaction_time", "Seconds that transactions took",
                                    GG_HISTOGRAM, {"desc"}, NULL};
static struct gg_metric outcomes = {"ganglion_db_statements_total", "Statements by how they ended",
                                    GG_COUNTER, {"verb", "outcome"}, NULL};
static struct gg_metric retries = {"ganglion_db_transaction_retries_total", "Transactions that were run again",
                                   GG_COUNTER, {"desc", "why"}, NULL};

void gg_db_count_query(const struct gg_variant *variant, int64_t ms, const char *outcome)
{
    gg_metric_observe(&query_time, (double)ms / 1000.0, GG_LABELS(variant->verb));
    if (outcome)
        gg_metric_add(&outcomes, 1, GG_LABELS(variant->verb, outcome));
}

void gg_db_log_slow(const char *name, size_t n, const struct gg_variant *last, int64_t ms)
{
    if (ms < SLOW_MS)
        return;
    if (n > 1)
        gg_warn(&sql_logger, "slow: %lld ms: [%s] %zu statements, the last: %.300s", (long long)ms, name, n,
                last->stmt->sql);
    else
        gg_warn(&sql_logger, "slow: %lld ms: [%s] %.300s", (long long)ms, name, last->stmt->sql);
}

void gg_db_count_txn(const char *name, int64_t ms, const char *outcome)
{
    gg_metric_observe(&txn_time, (double)ms / 1000.0, GG_LABELS(name));
    gg_debug(&txn_logger, "[%s] %s after %lld ms", name, outcome, (long long)ms);
}

void gg_db_count_retry(const char *name, const char *why)
{
    gg_metric_add(&retries, 1, GG_LABELS(name, why));
    gg_debug(&txn_logger, "[%s] again: %s", name, why);
}
