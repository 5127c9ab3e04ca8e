/* map.c: open addressing with linear probing.
 *
 * Deleting leaves a grave instead of moving entries, so that deleting the current
 * key does not disturb an iteration; graves are swept when the table is rebuilt. */
#include <ganglion/map.h>

#include <ganglion/memory.h>

#define FIRST_SLOTS 8u

struct slot {
    uint64_t hash;
    char *key; /* NULL: never used; `grave`: deleted */
    size_t key_n;
    void *value;
};

struct gg_map {
    struct slot *slots; /* a power of two of them, or NULL */
    size_t size, count, filled; /* filled: entries and graves */
    void (*destroy)(void *value);
};

static char grave[1];

struct gg_map *gg_map_new(void (*destroy)(void *value))
{
    struct gg_map *map = gg_xcalloc(1, sizeof(*map));
    map->destroy = destroy;
    return map;
}

static bool in_use(const struct slot *slot)
{
    return slot->key && slot->key != grave;
}

void gg_map_clear(struct gg_map *map)
{
    struct slot *slots = map->slots;
    size_t size = map->size;
    /* The map is empty before any destroy runs, so that one may look into it. */
    map->slots = NULL;
    map->size = map->count = map->filled = 0;
    for (size_t i = 0; i < size; i++) {
        if (!in_use(&slots[i]))
            continue;
        free(slots[i].key);
        if (map->destroy)
            map->destroy(slots[i].value);
    }
    free(slots);
}

void gg_map_free(struct gg_map *map)
{
    if (!map)
        return;
    gg_map_clear(map);
    free(map);
}

static struct slot *find(const struct gg_map *map, struct gg_str key, uint64_t hash)
{
    if (!map->slots)
        return NULL;
    for (size_t i = hash & (map->size - 1);; i = (i + 1) & (map->size - 1)) {
        struct slot *slot = &map->slots[i];
        if (!slot->key)
            return NULL;
        if (slot->hash == hash && slot->key != grave && gg_str_eq(gg_strn(slot->key, slot->key_n), key))
            return slot;
    }
}

static struct slot *free_slot(const struct gg_map *map, uint64_t hash)
{
    size_t i = hash & (map->size - 1);
    while (in_use(&map->slots[i]))
        i = (i + 1) & (map->size - 1);
    return &map->slots[i];
}

static void rebuild(struct gg_map *map)
{
    struct slot *old = map->slots;
    size_t old_size = map->size, size = FIRST_SLOTS;
    while (size < map->count * 2 + 2)
        size *= 2;
    map->slots = gg_xcalloc(size, sizeof(*map->slots));
    map->size = size;
    map->filled = map->count;
    for (size_t i = 0; i < old_size; i++)
        if (in_use(&old[i]))
            *free_slot(map, old[i].hash) = old[i];
    free(old);
}

void *gg_map_get(const struct gg_map *map, struct gg_str key)
{
    struct slot *slot = find(map, key, gg_hash(key));
    return slot ? slot->value : NULL;
}

bool gg_map_has(const struct gg_map *map, struct gg_str key)
{
    return find(map, key, gg_hash(key)) != NULL;
}

static void replace(struct gg_map *map, struct slot *slot, void *value)
{
    void *old = slot->value;
    slot->value = value;
    if (map->destroy && old != value)
        map->destroy(old);
}

void gg_map_put(struct gg_map *map, struct gg_str key, void *value)
{
    uint64_t hash = gg_hash(key);
    struct slot *slot = find(map, key, hash);
    if (slot) {
        replace(map, slot, value);
        return;
    }
    if ((map->filled + 1) * 4 > map->size * 3)
        rebuild(map);
    slot = free_slot(map, hash);
    if (!slot->key)
        map->filled++;
    char *copy = gg_xmalloc(key.n + 1);
    if (key.n)
        memcpy(copy, key.s, key.n);
    copy[key.n] = '\0';
    *slot = (struct slot){hash, copy, key.n, value};
    map->count++;
}

static bool take(struct gg_map *map, struct gg_str key, void **value_out)
{
    struct slot *slot = find(map, key, gg_hash(key));
    if (!slot)
        return false;
    *value_out = slot->value;
    free(slot->key);
    *slot = (struct slot){0, grave, 0, NULL};
    map->count--;
    return true;
}

void *gg_map_take(struct gg_map *map, struct gg_str key)
{
    void *value = NULL;
    return take(map, key, &value) ? value : NULL;
}

bool gg_map_delete(struct gg_map *map, struct gg_str key)
{
    void *value;
    if (!take(map, key, &value))
        return false;
    if (map->destroy)
        map->destroy(value);
    return true;
}

size_t gg_map_count(const struct gg_map *map)
{
    return map->count;
}

bool gg_map_next(const struct gg_map *map, size_t *cursor, struct gg_str *key_out, void **value_out)
{
    for (; *cursor < map->size; ++*cursor) {
        const struct slot *slot = &map->slots[*cursor];
        if (!in_use(slot))
            continue;
        if (key_out)
            *key_out = gg_strn(slot->key, slot->key_n);
        if (value_out)
            *value_out = slot->value;
        ++*cursor;
        return true;
    }
    return false;
}
