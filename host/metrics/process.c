/* process.c: what the kernel and the loop know of this process, under the names that Prometheus clients agree on. */
#include "metrics/metrics.h"

#include <ganglion/fiber.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

/* /proc/self/stat: after the name in parentheses come the fields from the third on. */
enum stat_field { STAT_UTIME = 14, STAT_STIME = 15, STAT_START = 22, STAT_VSIZE = 23, STAT_RSS = 24, STAT_FIELDS = 25 };

static bool read_stat(double *out)
{
    char text[2048];
    FILE *f = fopen("/proc/self/stat", "re");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    fclose(f);
    text[n] = '\0';
    char *p = strrchr(text, ')');
    if (!p)
        return false;
    p += 2;
    for (int i = 3; i < STAT_FIELDS; i++) {
        out[i] = strtod(p, NULL);
        p = strchr(p, ' ');
        if (!p)
            return false;
        p++;
    }
    return true;
}

/* Seconds since the epoch at which the machine started; 0 when unknown. */
static double boot_time(void)
{
    char line[512];
    double at = 0;
    FILE *f = fopen("/proc/stat", "re");
    if (!f)
        return 0;
    while (at == 0 && fgets(line, sizeof(line), f))
        if (strncmp(line, "btime ", 6) == 0)
            at = strtod(line + 6, NULL);
    fclose(f);
    return at;
}

static double open_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    for (struct dirent *e; (e = readdir(dir)) != NULL;)
        n += e->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* without the one that reads the folder */
}

static void write_stat(struct gg_buf *out)
{
    double stat[STAT_FIELDS], hertz = (double)sysconf(_SC_CLK_TCK);
    if (!read_stat(stat))
        return;
    gg_metrics_write_plain(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", GG_GAUGE,
                           stat[STAT_VSIZE]);
    gg_metrics_write_plain(out, "process_resident_memory_bytes", "Resident memory size in bytes.", GG_GAUGE,
                           stat[STAT_RSS] * (double)sysconf(_SC_PAGESIZE));
    double boot = boot_time();
    if (boot > 0)
        gg_metrics_write_plain(out, "process_start_time_seconds",
                               "Start time of the process since unix epoch in seconds.", GG_GAUGE,
                               boot + stat[STAT_START] / hertz);
    gg_metrics_write_plain(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
                           GG_COUNTER, (stat[STAT_UTIME] + stat[STAT_STIME]) / hertz);
}

static void write_fibers(struct gg_buf *out)
{
    struct gg_fiber_stats s;
    gg_fiber_get_stats(&s);
    gg_metrics_write_plain(out, "ganglion_fibers", "Fibers that exist now.", GG_GAUGE, (double)s.live);
    gg_metrics_write_plain(out, "ganglion_fibers_spawned_total", "Fibers started.", GG_COUNTER, (double)s.spawned);
    gg_metrics_write_plain(out, "ganglion_fiber_switches_total", "Times that a fiber was given the processor.",
                           GG_COUNTER, (double)s.switches);
    gg_metrics_write_plain(out, "ganglion_fiber_stacks_pooled", "Stacks kept for further fibers.", GG_GAUGE,
                           (double)s.pooled);
    gg_metrics_write_plain(out, "ganglion_fiber_stack_high_water_bytes", "Deepest use of any stack so far.", GG_GAUGE,
                           (double)s.stack_high_water);
}

void gg_metrics_write_process(struct gg_buf *out)
{
    struct rlimit limit;
    write_stat(out);
    gg_metrics_write_plain(out, "process_open_fds", "Number of open file descriptors.", GG_GAUGE, open_fds());
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        gg_metrics_write_plain(out, "process_max_fds", "Maximum number of open file descriptors.", GG_GAUGE,
                               (double)limit.rlim_cur);
    write_fibers(out);
}
