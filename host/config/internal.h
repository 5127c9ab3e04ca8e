/* The inside of struct gg_config, for the files of this folder. */
#ifndef GG_CONFIG_INTERNAL_H
#define GG_CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/node.h"
#include "config/topology.h"

#include <ganglion/buf.h>

/* One declared key and what it is worth. */
struct gg_value {
    struct gg_config_key key;   /* copied: the owner may have been compiled with a shorter entry */
    const struct gg_node *node; /* as written, else the default's; NULL: neither */
    bool set;                   /* written in a file, on the command line, or by a former spelling */
    bool b;
    int64_t i;
    double d;
    const char *text;
    const char **texts; /* NULL-ended */
    size_t n_texts;
    struct gg_value *next; /* in order of declaration */
};

struct gg_duty_state {
    const char *const *names; /* who performs it */
    size_t n;
    bool mine, asked; /* this process; by name */
};
enum { GG_N_DUTIES = 7 };

struct gg_topology {
    const char *instance, *worker_app;
    bool is_main;
    struct gg_peer *peers;
    size_t n_peers;
    struct gg_map *writers; /* group -> struct gg_value with texts */
    struct gg_duty_state duties[GG_N_DUTIES];
    struct gg_listener *listeners;
    size_t n_listeners;
    struct gg_redis_options redis;
    struct gg_db_options database;
    bool unsafe_locale;
};

struct gg_config {
    struct gg_arena *arena;
    struct gg_node *root;          /* top-level keys of all files, merged */
    struct gg_map *values;         /* path -> struct gg_value */
    struct gg_value *head, **tail; /* the same, in order of declaration */
    struct gg_map *prefixes;       /* "redis" of "redis.host"; value: itself */
    struct gg_map *former;         /* old spellings */
    struct gg_finding *findings;
    size_t n_findings, cap_findings;
    struct gg_error first; /* the first error among them */
    const char *directory;
    const char *const *files; /* read, in order; NULL-ended; NULL: from text */
    bool no_secrets, generate, checking, from_text;
    struct gg_topology topo;
};

/* ---- findings.c ---- */

void gg_config_find(struct gg_config *config, int level, const char *fmt, ...) GG_PRINTF(3, 4);
/* 0, or the first error so far. */
GG_CHECKED int gg_config_verdict(const struct gg_config *config, struct gg_error *err);

/* ---- sources.c ---- */

/* The files that the paths stand for, in order; NULL-ended, in config's arena. */
GG_CHECKED int gg_config_list_files(struct gg_config *config, const struct gg_config_source *source,
                                    const char *const **out, struct gg_error *err);
GG_CHECKED int gg_config_collect(struct gg_config *config, const struct gg_config_source *source, struct gg_error *err);

/* ---- values.c ---- */

/* Reads node as the key's type into value; false with a finding when it is not. */
bool gg_value_read(struct gg_config *config, struct gg_value *value, const struct gg_node *node);
/* Is it set to anything that switches something on? */
bool gg_value_is_on(const struct gg_value *value);
const struct gg_value *gg_config_value(const struct gg_config *config, const char *path); /* NULL: not declared */

/* ---- judge.c ---- */

/* Names keys, or "all", whose refusal as not built yet becomes a warning. */
#define GG_ACCEPT_UNBUILT "GANGLION_ACCEPT_UNBUILT"
/* What the verdict of a key that is written means; fallback: its default or NULL. */
void gg_config_judge(struct gg_config *config, const struct gg_value *value, const struct gg_node *fallback);

/* ---- secrets.c ---- */

void gg_config_read_secret(struct gg_config *config, struct gg_value *value);
/* Makes the missing files of keys with `make`, if this process may. */
void gg_config_make_files(struct gg_config *config);

/* ---- log_config.c ---- */

/* A logging file to begin with: standard error at INFO. */
struct gg_str gg_make_log_config(const struct gg_config *config, struct gg_arena *arena);

/* ---- topology.c, listeners.c, services.c, finish.c ---- */

/* Who this process is; before keys are declared. */
void gg_topology_identify(struct gg_config *config);
void gg_topology_build(struct gg_config *config);
void gg_topology_check_writers(struct gg_config *config);
void gg_duties_build(struct gg_config *config);
void gg_listeners_build(struct gg_config *config);
void gg_services_build(struct gg_config *config);

/* ---- near.c ---- */

/* The known key that differs least from key, if that is little; NULL: none. */
struct gg_near {
    const char *wanted, *best;
    size_t distance;
};
void gg_near_try(struct gg_near *near, const char *candidate);
const char *gg_near_found(const struct gg_near *near);
/* Warns about every key of map that is not in known (NULL-ended); what: "listener", "redis". */
void gg_config_unknown_in(struct gg_config *config, const struct gg_node *map, const char *what,
                          const char *const *known);

#endif
