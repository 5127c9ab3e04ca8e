/* The inside of struct gg_node. Nodes live in an arena, may be shared by aliases
 * (never in a circle) and do not change once their document is read. */
#ifndef GG_CONFIG_NODE_H
#define GG_CONFIG_NODE_H

#include <ganglion/config.h>
#include <ganglion/map.h>

struct gg_entry {
    const char *key;   /* NULL in a list */
    const char *where; /* of the key; of the value in a list */
    struct gg_node *value;
};

struct gg_node {
    uint8_t kind;    /* enum gg_node_kind */
    bool plain;      /* a scalar written without quotes */
    bool open;       /* its end was not read yet */
    uint32_t weight; /* nodes that it stands for, aliases written out */
    bool b;
    int64_t i;
    double d;
    struct gg_str text; /* scalars: as written */
    const char *where;  /* "file:line:column" */
    struct gg_entry *entries;
    size_t n, cap;
    struct gg_map *index; /* key -> entry number + 1, of maps that are not small */
};

struct gg_node *gg_node_new(struct gg_arena *arena, int kind, const char *where);
/* One that is written as plain text: a default, a flag's value. */
struct gg_node *gg_node_plain(struct gg_arena *arena, const char *text, const char *where);
void gg_node_add(struct gg_arena *arena, struct gg_node *list, struct gg_node *value);
/* Sets a key of a map; true if it was there (and was replaced in its place). */
bool gg_node_put(struct gg_arena *arena, struct gg_node *map, const char *key, const char *where,
                 struct gg_node *value);
/* Takes a key out; a map that is not small is searched in full. */
void gg_node_remove(struct gg_node *map, const char *key);
const struct gg_entry *gg_node_entry(const struct gg_node *map, const char *key); /* NULL: absent */
/* "a.b.c" through maps; NULL: absent. */
const struct gg_node *gg_node_at_path(const struct gg_node *root, const char *path);
const char *gg_node_kind_name(int kind); /* "a map", "text" */

#endif
