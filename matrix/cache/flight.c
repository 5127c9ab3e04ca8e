/* matrix/cache/flight.c: joins concurrent identical reads. */
#include "flight.h"

#include <ganglion/memory.h>
#include <stdlib.h>

struct mx_flight *mx_flight_join(struct gg_map *flights, struct gg_str key, bool *owner)
{
    struct mx_flight *flight = gg_map_get(flights, key);
    *owner = !flight;
    if (!flight) {
        flight = gg_xcalloc(1, sizeof(*flight));
        gg_cond_init(&flight->landed);
        gg_map_put(flights, key, flight);
    }
    flight->refs++;
    return flight;
}

bool mx_flight_fresh(const struct mx_flight *flight)
{
    return !flight->stale;
}

static void unref(struct mx_flight *flight)
{
    if (--flight->refs == 0)
        free(flight);
}

void mx_flight_land(struct gg_map *flights, struct gg_str key, struct mx_flight *flight)
{
    if (!flight->stale) /* else it was taken out then, and another one may stand there */
        gg_map_take(flights, key);
    flight->done = true;
    gg_cond_broadcast(&flight->landed);
    unref(flight);
}

int mx_flight_wait(struct mx_flight *flight)
{
    int status = 0;
    while (!flight->done && status == 0)
        status = gg_cond_wait(&flight->landed, GG_FOREVER);
    unref(flight);
    return status;
}

void mx_flight_spoil(struct gg_map *flights, struct gg_str key)
{
    struct mx_flight *flight = gg_map_take(flights, key);
    if (flight)
        flight->stale = true;
}

void mx_flight_spoil_all(struct gg_map *flights)
{
    struct gg_str key;
    void *value;
    for (size_t i = 0; gg_map_next(flights, &i, &key, &value);)
        ((struct mx_flight *)value)->stale = true;
    gg_map_clear(flights);
}
