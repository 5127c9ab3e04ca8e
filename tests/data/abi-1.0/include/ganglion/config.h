/* ganglion/config.h: the YAML files of a deployment, as typed values.
 *
 * Every key that anybody reads is declared in a table (host, Matrix library,
 * plugins): type, default, who reads it, one line of documentation. Getters take
 * the path of a declared key; asking for an undeclared one is a bug (panic).
 * Values are checked when the files are loaded, so getters do not fail. */
#ifndef GANGLION_CONFIG_H
#define GANGLION_CONFIG_H

#include <ganglion/arena.h>
#include <ganglion/error.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gg_config;
struct gg_node;

enum gg_config_type {
    GG_C_BOOL = 1,
    GG_C_INT,
    GG_C_NUMBER,   /* int or float */
    GG_C_TEXT,     /* also a number or bool written plainly is refused, as Synapse does */
    GG_C_DURATION, /* int = ms, or "30s" "5m" "1h" "2d" "1w" "1y" */
    GG_C_SIZE,     /* int = bytes, or "10K" "50M" "1G" "1T" */
    GG_C_TEXTS,    /* list of text */
    GG_C_LIST,     /* list of anything: read through nodes */
    GG_C_MAP,      /* map: read through nodes */
    GG_C_ANY,
    GG_C_SECRET,   /* text, with a twin "<key>_path"; masked by --print-config */
    GG_C_NAMES,    /* one text or a list of texts (stream_writers.events) */
    GG_C_ENUM,     /* text, one of `choices` */
};

enum gg_config_verdict {
    GG_HONOURED = 0,
    GG_IGNORED = 1,   /* read and has no meaning here; `why` says why */
    GG_REFUSED = 2,   /* start fails when it is set (to anything but its default) */
};

/* Begins the `why` of what is to come. A refused key of that kind starts all the same, with a warning,
 * where the environment variable GANGLION_ACCEPT_UNBUILT names it. */
#define GG_NOT_BUILT "not built yet: "

enum gg_config_key_flags {
    GG_KEY_INSTANCES = 1, /* names of processes: each is "master" or stands in instance_map */
    GG_KEY_ONE = 2,       /* a list of exactly one */
    GG_KEY_TEXT_BOOL = 4, /* BOOL that also takes the texts "true", "yes", "1", ... */
    GG_KEY_GENERATED = 8, /* SECRET: main makes the file of "<key>_path" when it is missing */
    GG_KEY_PRIVATE = 16,  /* masked when printed, though not of type SECRET */
    GG_KEY_PLAIN = 32,    /* TEXT that also takes a number written plainly */
};

/* Tables end with an entry whose path is NULL. */
struct gg_config_key {
    const char *path;     /* "redis.host", "listeners", "rc_message.per_second" */
    uint32_t type;        /* enum gg_config_type */
    uint32_t verdict;     /* enum gg_config_verdict */
    const char *fallback; /* as written in YAML; NULL: no default (unset) */
    const char *doc;      /* one line */
    const char *why;      /* for IGNORED and REFUSED */
    const char *choices;  /* ENUM: "all|invite|off"; "true" and "false" among them also match booleans */
    const char *old;      /* former spellings, "use_presence|!no_presence" (!: the inverse boolean); NULL: none */
    const char *env;      /* environment variable that sets the default; NULL: none */
    uint32_t flags;       /* enum gg_config_key_flags */
    /* TEXT that names a file: its contents when it is missing (in the arena). Main makes
     * it, readable by its owner only, unless the key without "_path" is written. In its
     * fallback "{server_name}" and "{config_directory}" are filled in. */
    struct gg_str (*make)(const struct gg_config *config, struct gg_arena *arena);
};

/* ---- typed getters: value or declared default ---- */

GG_API bool gg_config_set(const struct gg_config *config, const char *path); /* written in a file (and not null)? */
GG_API bool gg_config_bool(const struct gg_config *config, const char *path);
GG_API int64_t gg_config_int(const struct gg_config *config, const char *path);      /* INT, DURATION (ms), SIZE (bytes) */
GG_API double gg_config_number(const struct gg_config *config, const char *path);
GG_API const char *gg_config_text(const struct gg_config *config, const char *path); /* TEXT, SECRET, ENUM; NULL: unset */
/* TEXTS, NAMES: NULL-ended array; an empty one when unset without default. */
GG_API const char *const *gg_config_texts(const struct gg_config *config, const char *path, size_t *n_out);
/* Any type: the node as written (or the default's); NULL: unset. */
GG_API const struct gg_node *gg_config_node(const struct gg_config *config, const char *path);

/* Factor of one cache: caches.per_cache_factors, SYNAPSE_CACHE_FACTOR_<NAME>, else caches.global_factor. */
GG_API double gg_config_cache_factor(const struct gg_config *config, const char *cache);

/* ---- nodes, for lists and maps of one's own shape ---- */

enum gg_node_kind { GG_NODE_NULL, GG_NODE_BOOL, GG_NODE_INT, GG_NODE_FLOAT, GG_NODE_TEXT, GG_NODE_LIST, GG_NODE_MAP };
GG_API int gg_node_kind(const struct gg_node *node);
GG_API size_t gg_node_count(const struct gg_node *node); /* of a list or map */
GG_API const struct gg_node *gg_node_at(const struct gg_node *node, size_t i, const char **key_out); /* key_out: of a map; may be NULL */
GG_API const struct gg_node *gg_node_get(const struct gg_node *map, const char *key); /* NULL: absent */
GG_API bool gg_node_bool(const struct gg_node *node);
GG_API int64_t gg_node_int(const struct gg_node *node);
GG_API double gg_node_number(const struct gg_node *node);
GG_API const char *gg_node_text(const struct gg_node *node); /* NULL if it is not text */
/* "file:line:column" of the node, for messages. */
GG_API const char *gg_node_where(const struct gg_node *node);
GG_API int64_t gg_parse_duration(const char *text); /* ms, or -1 */
GG_API int64_t gg_parse_size(const char *text);     /* bytes, or -1 */

#ifdef __cplusplus
}
#endif
#endif
