/* Nodes of a YAML document: building and reading. */
#include "config/node.h"
#include "config/scalar.h"

#include <stdlib.h>

enum { SMALL_MAP = 16 };

struct gg_node *gg_node_new(struct gg_arena *arena, int kind, const char *where)
{
    struct gg_node *node = GG_NEW(arena, struct gg_node);

    node->kind = (uint8_t)kind;
    node->weight = 1;
    node->where = where;
    return node;
}

struct gg_node *gg_node_plain(struct gg_arena *arena, const char *text, const char *where)
{
    struct gg_scalar scalar = {0};
    int kind = gg_scalar_resolve(gg_str(text), &scalar);
    struct gg_node *node = gg_node_new(arena, kind < 0 ? GG_NODE_TEXT : kind, where);

    node->text = gg_arena_str(arena, gg_str(text));
    node->plain = true;
    node->b = scalar.b;
    node->i = scalar.i;
    node->d = scalar.d;
    return node;
}

static struct gg_entry *append(struct gg_arena *arena, struct gg_node *node)
{
    if (node->n == node->cap) {
        size_t cap = node->cap ? node->cap * 2 : 4;
        struct gg_entry *grown = GG_NEW_ARRAY(arena, struct gg_entry, cap);

        if (node->n)
            memcpy(grown, node->entries, node->n * sizeof(*grown));
        node->entries = grown;
        node->cap = cap;
    }
    return &node->entries[node->n++];
}

void gg_node_add(struct gg_arena *arena, struct gg_node *list, struct gg_node *value)
{
    *append(arena, list) = (struct gg_entry){NULL, value->where, value};
}

static void free_index(void *index)
{
    gg_map_free((struct gg_map *)index);
}

static void build_index(struct gg_arena *arena, struct gg_node *map)
{
    map->index = gg_map_new(NULL);
    gg_arena_defer(arena, free_index, map->index);
    for (size_t i = 0; i < map->n; i++)
        gg_map_put(map->index, gg_str(map->entries[i].key), (void *)(uintptr_t)(i + 1));
}

static struct gg_entry *find(const struct gg_node *map, const char *key)
{
    if (map->index) {
        size_t number = (size_t)(uintptr_t)gg_map_get(map->index, gg_str(key));
        return number ? &map->entries[number - 1] : NULL;
    }
    for (size_t i = 0; i < map->n; i++)
        if (strcmp(map->entries[i].key, key) == 0)
            return &map->entries[i];
    return NULL;
}

bool gg_node_put(struct gg_arena *arena, struct gg_node *map, const char *key, const char *where, struct gg_node *value)
{
    struct gg_entry *entry = find(map, key);

    if (entry) {
        *entry = (struct gg_entry){entry->key, where, value};
        return true;
    }
    *append(arena, map) = (struct gg_entry){key, where, value};
    if (map->index)
        gg_map_put(map->index, gg_str(key), (void *)(uintptr_t)map->n);
    else if (map->n > SMALL_MAP)
        build_index(arena, map);
    return false;
}

void gg_node_remove(struct gg_node *map, const char *key)
{
    struct gg_entry *entry = find(map, key);

    if (!entry)
        return;
    memmove(entry, entry + 1, (size_t)(map->entries + map->n - (entry + 1)) * sizeof(*entry));
    map->n--;
    if (!map->index)
        return;
    gg_map_clear(map->index);
    for (size_t i = 0; i < map->n; i++)
        gg_map_put(map->index, gg_str(map->entries[i].key), (void *)(uintptr_t)(i + 1));
}

const struct gg_entry *gg_node_entry(const struct gg_node *map, const char *key)
{
    return map && map->kind == GG_NODE_MAP ? find(map, key) : NULL;
}

const struct gg_node *gg_node_get(const struct gg_node *map, const char *key)
{
    const struct gg_entry *entry = gg_node_entry(map, key);

    return entry ? entry->value : NULL;
}

const struct gg_node *gg_node_at_path(const struct gg_node *root, const char *path)
{
    const struct gg_node *node = root;
    char part[128];

    while (node && *path) {
        size_t n = strcspn(path, ".");

        if (n >= sizeof(part))
            return NULL;
        memcpy(part, path, n);
        part[n] = '\0';
        node = gg_node_get(node, part);
        path += n + (path[n] == '.' ? 1 : 0);
    }
    return node;
}

int gg_node_kind(const struct gg_node *node)
{
    return node ? node->kind : GG_NODE_NULL;
}

size_t gg_node_count(const struct gg_node *node)
{
    return node ? node->n : 0;
}

const struct gg_node *gg_node_at(const struct gg_node *node, size_t i, const char **key_out)
{
    if (!node || i >= node->n)
        return NULL;
    if (key_out)
        *key_out = node->entries[i].key;
    return node->entries[i].value;
}

bool gg_node_bool(const struct gg_node *node)
{
    return node && node->kind == GG_NODE_BOOL && node->b;
}

int64_t gg_node_int(const struct gg_node *node)
{
    return node && node->kind == GG_NODE_INT ? node->i : 0;
}

double gg_node_number(const struct gg_node *node)
{
    if (node && node->kind == GG_NODE_FLOAT)
        return node->d;
    return (double)gg_node_int(node);
}

const char *gg_node_text(const struct gg_node *node)
{
    return node && node->kind == GG_NODE_TEXT ? node->text.s : NULL;
}

const char *gg_node_where(const struct gg_node *node)
{
    return node && node->where ? node->where : "?";
}

const char *gg_node_kind_name(int kind)
{
    static const char *const names[] = {"nothing", "a boolean", "a whole number", "a fraction",
                                        "text",    "a list",    "a map"};

    return kind >= 0 && (size_t)kind < GG_COUNT(names) ? names[kind] : "?";
}
