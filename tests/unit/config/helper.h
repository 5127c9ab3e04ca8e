/* Short ways to load a configuration from a text in tests. Include after cmocka. */
#ifndef TEST_CONFIG_HELPER_H
#define TEST_CONFIG_HELPER_H

#include "config/config.h"

#include <stdio.h>
#include <string.h>

#define DATABASE "database: {name: psycopg2, args: {dbname: x}}\n"
/* Three lines: what a test adds begins on line 4. */
#define MINIMAL "server_name: example.com\nreport_stats: false\n" DATABASE
/* Seven lines: a worker named w1 that is complete. */
#define WORKER                                                                                                         \
    MINIMAL "worker_app: synapse.app.generic_worker\nworker_name: w1\nredis: {enabled: true}\n"                        \
            "instance_map: {main: {host: 127.0.0.1, port: 9093}, w1: {host: 127.0.0.1, port: 9094}}\n"

static inline struct gg_config *load_with(const char *text, const struct gg_config_key *const *tables)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config = NULL;

    if (gg_config_load_text(text, tables, &config, &err) != 0)
        fail_msg("refused: %s", err.message);
    return config;
}

static inline struct gg_config *load(const char *text)
{
    return load_with(text, NULL);
}

/* The text is refused, and the first error contains `wanted`. */
static inline void assert_refused_with(const char *text, const struct gg_config_key *const *tables, const char *wanted)
{
    struct gg_error err = GG_ERROR_INIT;
    struct gg_config *config = NULL;

    if (gg_config_load_text(text, tables, &config, &err) == 0)
        fail_msg("accepted, but should say: %s", wanted);
    if (!strstr(err.message, wanted))
        fail_msg("says `%s`, should say `%s`", err.message, wanted);
}

static inline void assert_refused(const char *text, const char *wanted)
{
    assert_refused_with(text, NULL, wanted);
}

static inline bool has_finding(const struct gg_config *config, int level, const char *part)
{
    size_t n;
    const struct gg_finding *findings = gg_config_findings(config, &n);

    for (size_t i = 0; i < n; i++)
        if (findings[i].level == level && strstr(findings[i].text, part))
            return true;
    return false;
}

#endif
