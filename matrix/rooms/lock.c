/* matrix/rooms/lock.c: one maker of events for each room and process at a time.
 *
 * Events that are built side by side on the same extremities fork the room's graph, and every fork costs a state
 * resolution later. Across processes forks still happen and are legal; within one they would be the rule. */
#include "rooms/chain.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdlib.h>

struct mx_room_lock {
    struct gg_mutex mutex;
    struct gg_list sends;  /* of those who wait: whoever gets the lock may send all of them */
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
    struct mx_rooms *rooms = gg_xcalloc(1, sizeof(*rooms));
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
    lock = gg_xcalloc(1, sizeof(*lock) + room_id.n);
    gg_mutex_init(&lock->mutex);
    gg_list_init(&lock->sends);
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

int mx_room_lock_to_send(struct mx_server *server, struct mx_room_send *send, struct mx_room_lock **out, struct gg_error *err)
{
    struct mx_room_lock *lock = lock_find(server->rooms, send->event->room_id);
    lock->users++;
    gg_list_push(&lock->sends, &send->in_room);
    int rc = gg_mutex_lock(&lock->mutex, GG_FOREVER);
    if (rc != 0 && !send->taken) {
        gg_list_remove(&send->in_room);
        lock_leave(server->rooms, lock);
        return gg_fail(err, rc, "waiting for other events of the room");
    }
    if (rc != 0) { /* somebody writes our event: nobody leaves before that is done */
        gg_shield_begin();
        while (gg_mutex_lock(&lock->mutex, GG_FOREVER) != 0)
            ;
        gg_shield_end();
    }
    *out = lock;
    return 0;
}

struct mx_room_send *mx_room_next_send(struct mx_room_lock *lock, const struct mx_room_send *after)
{
    const struct gg_list *link = after != NULL ? after->in_room.next : lock->sends.next;
    return link == &lock->sends ? NULL : GG_CONTAINER(link, struct mx_room_send, in_room);
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
