/* accounts/bucket.h: leaky buckets, in a table of bounded size. Pure: the caller brings the clock. */
#ifndef MX_ACCOUNTS_BUCKET_H
#define MX_ACCOUNTS_BUCKET_H

#include <ganglion/base.h>

struct mx_rate {
    double per_second, burst;
};

struct mx_buckets;
/* At most max buckets are remembered; the one used longest ago goes first. */
struct mx_buckets *mx_buckets_new(size_t max);
void mx_buckets_free(struct mx_buckets *buckets); /* NULL is fine */
/* May key act now? update: if so, count it. Otherwise *retry_ms_out says after how many ms it may. */
bool mx_bucket_take(struct mx_buckets *buckets, struct gg_str key, struct mx_rate rate, bool update, int64_t now_ms,
                    int64_t *retry_ms_out);
/* The same for n acts at once (bytes, say). */
bool mx_bucket_take_many(struct mx_buckets *buckets, struct gg_str key, struct mx_rate rate, double n, bool update,
                         int64_t now_ms, int64_t *retry_ms_out);
size_t mx_buckets_count(const struct mx_buckets *buckets);

#endif
