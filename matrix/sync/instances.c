/* matrix/sync/instances.c: numbers that stand for writers inside tokens (facts replication 7.6).
 *
 * The table is tiny, only grows, and is shared by all processes: read whole, kept for good. */
#include "sync/instances.h"

#include <ganglion/log.h>
#include <ganglion/map.h>
#include <stdlib.h>

enum { MAX_INSTANCES = 10000 };

struct instance {
    int32_t id;
    char name[];
};

struct mx_instances {
    struct gg_map *by_name;
    struct instance **list;
    size_t n, cap;
};

struct mx_instances *mx_instances_new(void)
{
    struct mx_instances *instances = calloc(1, sizeof(*instances));
    GG_ASSERT(instances != NULL);
    instances->by_name = gg_map_new(free);
    return instances;
}

void mx_instances_free(struct mx_instances *instances)
{
    if (instances == NULL)
        return;
    gg_map_free(instances->by_name);
    free(instances->list);
    free(instances);
}

struct mx_instances *mx_instances_of(const struct mx_server *server)
{
    return server->instances;
}

static void learn(struct mx_instances *instances, int32_t id, struct gg_str name)
{
    if (gg_map_get(instances->by_name, name) != NULL || instances->n == MAX_INSTANCES)
        return;
    struct instance *instance = calloc(1, sizeof(*instance) + name.n + 1);
    GG_ASSERT(instance != NULL);
    instance->id = id;
    memcpy(instance->name, name.s, name.n);
    gg_map_put(instances->by_name, name, instance);
    if (instances->n == instances->cap) {
        instances->cap = instances->cap != 0 ? instances->cap * 2 : 16;
        instances->list = reallocarray(instances->list, instances->cap, sizeof(*instances->list));
        GG_ASSERT(instances->list != NULL);
    }
    instances->list[instances->n++] = instance;
}

static const struct gg_stmt select_all = {"SELECT instance_id, instance_name FROM instance_map ORDER BY instance_id LIMIT 10000",
                                          GG_LANE_POINT};

int mx_instances_load(struct mx_server *server, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_rows *rows;
    int rc = gg_db_read(server->db, &select_all, GG_NO_PARAMS, arena, &rows, err);
    for (size_t i = 0; rc == 0 && i < gg_rows_count(rows); i++)
        learn(mx_instances_of(server), (int32_t)gg_rows_i64(rows, i, 0), gg_rows_str(rows, i, 1));
    gg_arena_free(arena);
    return rc;
}

static const struct gg_stmt insert_one = {
    "INSERT INTO instance_map (instance_name) VALUES ($1) ON CONFLICT (instance_name) DO NOTHING", 0};

int mx_instance_id(struct mx_server *server, const char *name, int32_t *out, struct gg_error *err)
{
    struct mx_instances *instances = mx_instances_of(server);
    struct instance *known = gg_map_get(instances->by_name, gg_str(name));
    int rc = 0;
    if (known == NULL) { /* somebody else may have inserted it: reading first burns no serial */
        rc = mx_instances_load(server, err);
        known = gg_map_get(instances->by_name, gg_str(name));
    }
    if (rc == 0 && known == NULL) {
        rc = gg_db_write(server->db, &insert_one, GG_PARAMS(gg_p_text(name)), NULL, NULL, err);
        if (rc == 0)
            rc = mx_instances_load(server, err);
        known = gg_map_get(instances->by_name, gg_str(name));
    }
    if (rc == 0 && known == NULL)
        rc = gg_fail(err, GG_E_INTERNAL, "instance_map has no row for %s", name);
    if (rc == 0)
        *out = known->id;
    return rc;
}

const char *mx_instance_name(const struct mx_server *server, int32_t id)
{
    const struct mx_instances *instances = mx_instances_of(server);
    for (size_t i = 0; i < instances->n; i++)
        if (instances->list[i]->id == id)
            return instances->list[i]->name;
    return NULL;
}
