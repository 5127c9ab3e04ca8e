/* Duties that were given away: who does them, by what is heard and when. */
#include "main/duties.h"

#include "config/config.h"
#include "main/keys.h"
#include "repl/repl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <ganglion/log.h>

#define BASE "server_name: x\nreport_stats: false\nredis: {enabled: true}\ndatabase: {name: psycopg2, args: {dbname: x}}\n" \
             "instance_map: {main: {host: h, port: 1}, pusher1: {host: h, port: 2}, pusher2: {host: h, port: 3}}\n" \
             "ganglion: {duty_patience: 10s}\n"
enum { PATIENCE = 10000 };

struct main_process {
    struct gg_config *config;
    struct gg_host *host;
    int64_t began;
};

static struct main_process make(const char *more)
{
    const struct gg_config_key *const tables[] = {gg_main_keys, NULL};
    struct gg_error err = GG_ERROR_INIT;
    struct gg_buf text = GG_BUF_INIT;
    struct main_process p = {0};
    gg_buf_printf(&text, "%s%s", BASE, more);
    int rc = gg_config_load_text(text.data, tables, &p.config, &err);
    if (rc != 0)
        fail_msg("%s", err.message);
    gg_buf_done(&text);
    p.host = gg_host_new(p.config, NULL, NULL);
    gg_duties_new(p.host);
    p.began = gg_now_ms();
    return p;
}

static void drop(struct main_process *p)
{
    gg_repl_free(p->host);
    gg_duties_free(p->host);
    gg_host_free(p->host);
    gg_config_free(p->config);
}

/* What is missing so long after the start. */
static void missing(const struct main_process *p, int64_t after_ms, const char *expected)
{
    struct gg_buf out = GG_BUF_INIT;
    size_t n = gg_duties_missing(p->host->duties, p->began + after_ms, &out);
    assert_string_equal(out.data, expected);
    assert_int_equal(n > 0, expected[0] != '\0');
    gg_buf_done(&out);
}

static void heard(const struct main_process *p, int64_t after_ms, const char *line)
{
    gg_duties_heard(p->host->duties, gg_str(line), p->began + after_ms);
}

static void nothing_given_away(void **state)
{
    struct main_process p = make("");
    missing(&p, 10 * PATIENCE, "");
    drop(&p);
}

static void by_a_switch(void **state)
{
    struct main_process p = make("start_pushers: false\n");
    missing(&p, PATIENCE - 100, "");
    missing(&p, PATIENCE, "{\"duty\":\"pusher\",\"processes\":[]}");
    heard(&p, PATIENCE, "anybody user_dir pusher");
    missing(&p, 2 * PATIENCE - 1, "");
    missing(&p, 2 * PATIENCE, "{\"duty\":\"pusher\",\"processes\":[]}");
    drop(&p);
}

static void by_names(void **state)
{
    struct main_process p = make("pusher_instances: [pusher1, pusher2]\nrun_background_tasks_on: pusher1\n");
    heard(&p, PATIENCE, "pusher2 pusher");
    heard(&p, PATIENCE, "stranger background pusher");
    missing(&p, PATIENCE + 1, "{\"duty\":\"background\",\"processes\":[\"pusher1\"]},"
                              "{\"duty\":\"pusher\",\"processes\":[\"pusher1\"]}");
    heard(&p, PATIENCE, "pusher1 background pusher");
    missing(&p, PATIENCE + 1, "");
    drop(&p);
}

static void nonsense(void **state)
{
    struct main_process p = make("start_pushers: false\n");
    char line[5000];
    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\0';
    heard(&p, PATIENCE, "");
    heard(&p, PATIENCE, "    ");
    heard(&p, PATIENCE, "pusher");
    heard(&p, PATIENCE, line);
    for (int i = 0; i < 5000; i++) { /* what a stranger says is kept up to a bound */
        snprintf(line, sizeof(line), "p%d duty%d", i, i);
        heard(&p, PATIENCE, line);
    }
    missing(&p, PATIENCE, "{\"duty\":\"pusher\",\"processes\":[]}");
    drop(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_given_away), cmocka_unit_test(by_a_switch),
                                       cmocka_unit_test(by_names), cmocka_unit_test(nonsense)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
