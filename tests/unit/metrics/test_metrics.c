/* Metrics and their text form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "metrics/metrics.h"

static struct gg_metric requests = {"x_requests_total", "Requests\nso far \\", GG_COUNTER, {"method", "tag"}};
static struct gg_metric depth = {"x_depth", "Depth", GG_GAUGE};
static struct gg_metric took = {"x_seconds", "Took", GG_HISTOGRAM, {"what"}};
static const double bounds[] = {0.5, 2, 0};
static struct gg_metric sized = {.name = "x_sized", .help = "", .type = GG_HISTOGRAM, .buckets = bounds};

static struct gg_buf out = GG_BUF_INIT;

static int clean(void **state)
{
    gg_metrics_reset();
    gg_buf_done(&out);
    return 0;
}

static void expect(const char *text)
{
    gg_buf_clear(&out);
    gg_metrics_write(&out);
    if (!strstr(out.data, text))
        fail_msg("not in:\n%s", out.data);
}

static void counters_and_gauges_print(void **state)
{
    gg_metric_add(&requests, 1, GG_LABELS("GET", "a\"b\\c\nd"));
    gg_metric_add(&requests, 2.5, GG_LABELS("GET", "a\"b\\c\nd"));
    gg_metric_add(&requests, 1, GG_LABELS("PUT"));
    gg_metric_add(&requests, 1, NULL);
    gg_metric_set(&depth, 7, NULL);
    gg_metric_add(&depth, -9, NULL);
    expect("# HELP x_requests_total Requests\\nso far \\\\\n# TYPE x_requests_total counter\n"
           "x_requests_total{method=\"GET\",tag=\"a\\\"b\\\\c\\nd\"} 3.5\n"
           "x_requests_total{method=\"PUT\",tag=\"\"} 1\n"
           "x_requests_total{method=\"\",tag=\"\"} 1\n"
           "# HELP x_depth Depth\n# TYPE x_depth gauge\nx_depth -2\n");
    gg_metric_set(&depth, INFINITY, NULL);
    expect("x_depth +Inf\n");
    gg_metric_set(&depth, 0.1, NULL);
    expect("x_depth 0.1\n");
    gg_metric_set(&depth, 9007199254740992.0, NULL);
    expect("x_depth 9007199254740992\n");
}

static void histograms_accumulate(void **state)
{
    gg_metric_observe(&sized, 0.5, NULL);
    gg_metric_observe(&sized, 0.75, NULL);
    gg_metric_observe(&sized, 100, NULL);
    expect("# TYPE x_sized histogram\nx_sized_bucket{le=\"0.5\"} 1\nx_sized_bucket{le=\"2\"} 2\n"
           "x_sized_bucket{le=\"+Inf\"} 3\nx_sized_count 3\nx_sized_sum 101.25\n");
    gg_metric_observe(&took, 0.02, GG_LABELS("db"));
    expect("x_seconds_bucket{what=\"db\",le=\"0.01\"} 0\nx_seconds_bucket{what=\"db\",le=\"0.025\"} 1\n");
    expect("x_seconds_bucket{what=\"db\",le=\"10\"} 1\nx_seconds_bucket{what=\"db\",le=\"+Inf\"} 1\n");
}

static void series_are_bounded(void **state)
{
    char name[20];
    for (int i = 0; i < 1100; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        gg_metric_add(&requests, 1, GG_LABELS(name));
    }
    gg_metric_add(&requests, 1, GG_LABELS("n3"));
    expect("{method=\"n3\",tag=\"\"} 2\n");
    expect("{method=\"n999\",tag=\"\"} 1\n");
    assert_null(strstr(out.data, "n1000\""));
}

static void set_depth(void *arg)
{
    gg_metric_set(&depth, *(int *)arg, NULL);
}

static void collectors_run_before_writing(void **state)
{
    int value = 5;
    gg_metrics_collect(set_depth, &value);
    expect("x_depth 5\n");
    value = 6;
    expect("x_depth 6\n");
}

static double number_after(const char *name)
{
    const char *p = strstr(out.data, name);
    return p ? strtod(p + strlen(name), NULL) : -1;
}

static void process_is_described(void **state)
{
    expect("# TYPE process_cpu_seconds_total counter\n");
    bool emulated = getenv("GANGLION_TEST_EMULATED") != NULL; /* qemu's own /proc/self/stat knows no sizes */
    assert_true(number_after("\nprocess_resident_memory_bytes ") > (emulated ? -1 : 100000));
    assert_true(number_after("\nprocess_virtual_memory_bytes ") > (emulated ? -1 : 1000000));
    assert_true(number_after("\nprocess_cpu_seconds_total ") >= 0);
    assert_true(number_after("\nprocess_max_fds ") >= 3);
    double fds = number_after("\nprocess_open_fds ");
    FILE *f = fopen("/dev/null", "r");
    expect("ganglion_fibers 0\n");
    assert_true(number_after("\nprocess_open_fds ") - fds == 1);
    fclose(f);
    double age = (double)time(NULL) - number_after("\nprocess_start_time_seconds ");
    assert_true(age > -3 && age < 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(counters_and_gauges_print, clean),
        cmocka_unit_test_teardown(histograms_accumulate, clean),
        cmocka_unit_test_teardown(series_are_bounded, clean),
        cmocka_unit_test_teardown(collectors_run_before_writing, clean),
        cmocka_unit_test_teardown(process_is_described, clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
