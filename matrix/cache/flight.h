/* matrix/cache/flight.h: many fibers that want the same thing from the database wait for one that reads it.
 *
 * The result travels through a cache: who waited looks there again, and reads itself if it is not there. */
#ifndef MATRIX_CACHE_FLIGHT_H
#define MATRIX_CACHE_FLIGHT_H

#include <ganglion/fiber.h>
#include <ganglion/map.h>

struct mx_flight {
    struct gg_cond landed;
    unsigned refs;
    bool done;
    bool stale; /* what is being read changed meanwhile: it must not be kept */
};

/* The flight of key, with a reference; *owner: the caller has just started it and must land it. */
struct mx_flight *mx_flight_join(struct gg_map *flights, struct gg_str key, bool *owner);
/* The owner's last call. Returns whether what it read may be kept. */
bool mx_flight_fresh(const struct mx_flight *flight);
void mx_flight_land(struct gg_map *flights, struct gg_str key, struct mx_flight *flight);
/* Another's: until it has landed; drops the reference. */
GG_YIELDS int mx_flight_wait(struct mx_flight *flight);
/* The thing changed: whoever comes now starts anew. */
void mx_flight_spoil(struct gg_map *flights, struct gg_str key);
void mx_flight_spoil_all(struct gg_map *flights);

#endif
