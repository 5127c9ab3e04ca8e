/* One YAML file as a tree of nodes, read as PyYAML's SafeLoader reads it.
 *
 * Scalars resolve by YAML 1.1 (yes/no/on/off, 0777, 1:30, 1_000, ~, .inf), but
 * dates stay text; << merges, the last of equal keys counts. Keys become text
 * ("true" for a boolean key). Size, depth and what aliases stand for are bounded. */
#ifndef GG_CONFIG_YAML_H
#define GG_CONFIG_YAML_H

#include <ganglion/config.h>

enum { GG_YAML_MAX_DEPTH = 100, GG_YAML_MAX_NODES = 1000000, GG_YAML_MAX_BYTES = 16 << 20 };

/* Hears of what is legal but doubtful (a key given twice); text is borrowed. */
typedef void gg_yaml_note_fn(void *arg, const char *text);

/* name is what messages call the source. The tree lives in the arena; an empty
 * document gives a NULL-kind node. GG_E_INVALID with "name:line:column: reason",
 * GG_E_LIMIT when it is too large or too deep. */
GG_CHECKED int gg_yaml_parse(struct gg_arena *arena, const char *name, struct gg_str text, gg_yaml_note_fn *note,
                             void *arg, struct gg_node **out, struct gg_error *err);
/* The same of a file; GG_E_NOT_FOUND, GG_E_IO. Blocks: for the start and for threads. */
GG_CHECKED int gg_yaml_parse_file(struct gg_arena *arena, const char *path, gg_yaml_note_fn *note, void *arg,
                                  struct gg_node **out, struct gg_error *err);
/* A whole file, at most max bytes, NUL-terminated in the arena. */
GG_CHECKED int gg_read_file(struct gg_arena *arena, const char *path, size_t max, struct gg_str *out,
                            struct gg_error *err);

#endif
