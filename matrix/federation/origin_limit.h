/* matrix/federation/origin_limit.h: how much one other server may ask at once (rc_federation).
 *
 * More than sleep_limit requests within window_size are delayed by sleep_delay; at most `concurrent` are served at the
 * same time, the others wait; more than reject_limit that wait are refused. Each process counts for itself. */
#ifndef MX_FEDERATION_ORIGIN_LIMIT_H
#define MX_FEDERATION_ORIGIN_LIMIT_H

#include <ganglion/arena.h>
#include <ganglion/error.h>
#include <ganglion/fiber.h>

struct mx_origin_rules {
    int64_t window_ms, sleep_delay_ms;
    int64_t sleep_limit, reject_limit, concurrent;
};

struct mx_origin_limits;
struct mx_origin_limits *mx_origin_limits_new(const struct mx_origin_rules *rules);
void mx_origin_limits_free(struct mx_origin_limits *limits); /* NULL is fine; nobody is inside any more */
/* Waits for a place, which is given back when the arena is freed (with the request, after its answer). 429
 * M_LIMIT_EXCEEDED; GG_E_TIMEOUT or GG_E_CANCELLED by the fiber. */
GG_YIELDS GG_CHECKED int mx_origin_limits_enter(struct mx_origin_limits *limits, struct gg_str origin,
                                                struct gg_arena *arena, struct gg_error *err);
size_t mx_origin_limits_count(const struct mx_origin_limits *limits); /* origins remembered */

#endif
