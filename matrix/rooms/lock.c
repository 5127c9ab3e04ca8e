/* matrix/rooms/lock.c: one maker of events for each room and process at a time.
 *
 * Events that are built side by side on the same extremities fork the room's graph, and every fork costs a state
 * resolution later. Across processes forks still happen and are legal; within one they would be the rule. */
#include "rooms/chain.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <stdlib.h>

struct mx_room_lock {
    struct gg_mutex mutex;
    unsigned users;        /* holders and waiters: freed with the last */
    size_t room_n;
    char room[];
};

struct mx_rooms {
    struct gg_map *locks;  /* room id -> struct mx_room_lock */
    int64_t last_created_ms;
};

struct mx_rooms *mx_rooms_new(void)
{
    struct mx_rooms *rooms = calloc(1, sizeof(*rooms));
    GG_ASSERT(rooms != NULL);
    rooms->locks = gg_map_new(free);
    return rooms;
}

void mx_rooms_free(struct mx_rooms *rooms)
{
    if (rooms == NULL)
        return;
    gg_map_free(rooms->locks);
    free(rooms);
}

static struct mx_room_lock *lock_find(struct mx_rooms *rooms, struct gg_str room_id)
{
    struct mx_room_lock *lock = gg_map_get(rooms->locks, room_id);
    if (lock != NULL)
        return lock;
    lock = calloc(1, sizeof(*lock) + room_id.n);
    GG_ASSERT(lock != NULL);
    gg_mutex_init(&lock->mutex);
    lock->room_n = room_id.n;
    memcpy(lock->room, room_id.s, room_id.n);
    gg_map_put(rooms->locks, room_id, lock);
    return lock;
}

static void lock_leave(struct mx_rooms *rooms, struct mx_room_lock *lock)
{
    if (--lock->users == 0)
        gg_map_delete(rooms->locks, gg_strn(lock->room, lock->room_n));
}

int mx_room_lock(struct mx_server *server, struct gg_str room_id, struct mx_room_lock **out, struct gg_error *err)
{
    struct mx_room_lock *lock = lock_find(server->rooms, room_id);
    lock->users++;
    int rc = gg_mutex_lock(&lock->mutex, GG_FOREVER);
    if (rc == 0) {
        *out = lock;
        return 0;
    }
    lock_leave(server->rooms, lock);
    return gg_fail(err, rc, "waiting for other events of the room");
}

void mx_room_unlock(struct mx_server *server, struct mx_room_lock *lock)
{
    if (lock == NULL)
        return;
    gg_mutex_unlock(&lock->mutex);
    lock_leave(server->rooms, lock);
}

int64_t mx_room_creation_time(struct mx_server *server)
{
    struct mx_rooms *rooms = server->rooms;
    int64_t now = gg_wall_ms();
    rooms->last_created_ms = now > rooms->last_created_ms ? now : rooms->last_created_ms + 1;
    return rooms->last_created_ms;
}
