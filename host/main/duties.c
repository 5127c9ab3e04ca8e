/* Says which duties this process has; in the main process, finds those that nobody has. */
#include "main/duties.h"

#include "config/topology.h"
#include "main/peers.h"
#include "plugin/plugins.h"

#include <ganglion/fiber.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <ganglion/repl.h>
#include <stdlib.h>

static struct gg_logger logger = {"ganglion.main"};

#define COMMAND "ganglion.duties"

/* A beat may be lost; three in a row are not. MAX_HEARD: what a stranger on the channel could make us keep. */
enum { BEATS = 4, MAX_HEARD = 4096, MAX_WORD = 300, LEAST_BEAT_MS = 100 };

static const struct {
    const char *name, *role; /* role: the plugin that does it; NULL: the host */
} known[] = {{"background", NULL},
             {"pusher", "pusher"},
             {"appservice", "appservice"},
             {"federation_sender", "federation_sender"},
             {"media_repository", "media_repository"},
             {"media_background", "media_repository"},
             {"user_dir", "user_dir"}};

struct gg_duties {
    struct gg_host *host;
    struct gg_map *heard; /* "duty" and "duty process" -> int64_t *, when */
    int64_t patience_ms, began, deaf; /* deaf: when Redis was last seen to be away */
    char *told;           /* what the log was told last */
};

/* ---- saying ---- */

static bool has(const struct gg_host *host, size_t i)
{
    if (!gg_topology_has_duty(host->config, known[i].name, NULL))
        return false;
    return known[i].role == NULL || gg_plugins_find(host->plugins, known[i].role) != NULL;
}

static void say(struct gg_host *host)
{
    struct gg_buf text = GG_BUF_INIT;
    gg_buf_text(&text, host->instance);
    size_t n = text.n;
    for (size_t i = 0; i < GG_COUNT(known); i++)
        if (has(host, i))
            gg_buf_printf(&text, " %s", known[i].name);
    if (text.n > n)
        gg_repl_send(host, COMMAND, gg_buf_view(&text));
    gg_buf_done(&text);
}

/* ---- hearing ---- */

static void note(struct gg_duties *duties, const char *key, int64_t now)
{
    int64_t *when = gg_map_get(duties->heard, gg_str(key));
    if (when == NULL && gg_map_count(duties->heard) < MAX_HEARD) {
        when = gg_xcalloc(1, sizeof(*when));
        gg_map_put(duties->heard, gg_str(key), when);
    }
    if (when != NULL)
        *when = now;
}

static bool next_word(struct gg_str *rest, char *out)
{
    while (rest->n > 0 && rest->s[0] == ' ')
        *rest = gg_strn(rest->s + 1, rest->n - 1);
    const char *end = rest->n > 0 ? memchr(rest->s, ' ', rest->n) : NULL;
    size_t n = end != NULL ? (size_t)(end - rest->s) : rest->n;
    if (n == 0 || n > MAX_WORD)
        return false;
    memcpy(out, rest->s, n);
    out[n] = '\0';
    *rest = gg_strn(rest->s + n, rest->n - n);
    return true;
}

void gg_duties_heard(struct gg_duties *duties, struct gg_str rest, int64_t now)
{
    char process[MAX_WORD + 1], duty[MAX_WORD + 1], both[2 * MAX_WORD + 2];
    if (!next_word(&rest, process))
        return;
    while (next_word(&rest, duty)) {
        snprintf(both, sizeof(both), "%s %s", duty, process);
        note(duties, duty, now);
        note(duties, both, now);
    }
}

static void on_command(void *self, const char *command, struct gg_str rest)
{
    gg_duties_heard(self, rest, gg_now_ms());
}

/* ---- what is missing ---- */

static bool recent(const struct gg_duties *duties, const char *duty, const char *process, int64_t now)
{
    char key[2 * MAX_WORD + 2];
    snprintf(key, sizeof(key), process != NULL ? "%.300s %.300s" : "%.300s", duty, process);
    const int64_t *when = gg_map_get(duties->heard, gg_str(key));
    return when != NULL && now - *when < duties->patience_ms;
}

static bool is_done_by(const struct gg_duties *duties, const char *duty, const char *process, int64_t now)
{
    return strcmp(process, duties->host->instance) == 0 || recent(duties, duty, process, now) ||
           gg_peers_there(duties->host, process);
}

static void name_missing(struct gg_buf *out, const char *duty, size_t n)
{
    gg_buf_text(out, n > 0 ? ",{\"duty\":" : "{\"duty\":");
    gg_buf_json_string(out, gg_str(duty));
    gg_buf_lit(out, ",\"processes\":[");
}

static bool is_missing(const struct gg_duties *duties, const char *duty, int64_t now, size_t n_before, struct gg_buf *out)
{
    size_t n, n_missing = 0;
    const char *const *names = gg_topology_duty(duties->host->config, duty, &n);
    if (gg_topology_has_duty(duties->host->config, duty, NULL) && n <= 1)
        return false; /* ours; an absent file of the role is told by missing_roles */
    for (size_t i = 0; i < n; i++) {
        if (is_done_by(duties, duty, names[i], now))
            continue;
        if (n_missing == 0)
            name_missing(out, duty, n_before);
        gg_buf_text(out, n_missing++ > 0 ? "," : "");
        gg_buf_json_string(out, gg_str(names[i]));
    }
    if (n == 0 && !recent(duties, duty, NULL, now)) {
        name_missing(out, duty, n_before);
        n_missing++;
    }
    if (n_missing > 0)
        gg_buf_lit(out, "]}");
    return n_missing > 0;
}

size_t gg_duties_missing(const struct gg_duties *duties, int64_t now, struct gg_buf *out)
{
    size_t n = 0;
    int64_t since = duties->deaf > duties->began ? duties->deaf : duties->began;
    for (size_t i = 0; now - since >= duties->patience_ms && i < GG_COUNT(known); i++)
        n += is_missing(duties, known[i].name, now, n, out);
    return n;
}

void gg_duties_ready(const struct gg_host *host, struct gg_buf *out)
{
    if (host->duties == NULL || !host->main)
        return;
    gg_buf_lit(out, ",\"missing_duties\":[");
    (void)gg_duties_missing(host->duties, gg_now_ms(), out);
    gg_buf_char(out, ']');
}

/* ---- life ---- */

/* Once for each change. */
static void tell_log(struct gg_duties *duties)
{
    struct gg_buf now = GG_BUF_INIT;
    size_t n = gg_duties_missing(duties, gg_now_ms(), &now);
    if (strcmp(now.data, duties->told) != 0) {
        if (n > 0)
            gg_warn(&logger, "given away to others, and nobody does it: %s", now.data);
        else
            gg_info(&logger, "every duty is done again");
        free(duties->told);
        duties->told = strdup(now.data);
        GG_ASSERT(duties->told != NULL);
    }
    gg_buf_done(&now);
}

static void watch(void *arg)
{
    struct gg_duties *duties = arg;
    struct gg_host *host = duties->host;
    int64_t beat = duties->patience_ms / BEATS;
    do {
        if (!gg_repl_connected(host))
            duties->deaf = gg_now_ms();
        say(host);
        if (host->main)
            tell_log(duties);
    } while (gg_sleep(beat > LEAST_BEAT_MS ? beat : LEAST_BEAT_MS) == GG_OK);
}

void gg_duties_new(struct gg_host *host)
{
    struct gg_duties *duties = gg_xcalloc(1, sizeof(*duties));
    duties->host = host;
    duties->heard = gg_map_new(free);
    duties->patience_ms = gg_config_int(host->config, "ganglion.duty_patience");
    duties->began = gg_now_ms();
    duties->told = strdup("");
    GG_ASSERT(duties->told != NULL);
    host->duties = duties;
    if (host->main)
        gg_repl_on_command(host, COMMAND, on_command, duties);
}

void gg_duties_watch(struct gg_host *host)
{
    if (gg_spawn(host->jobs_scope, "duties", watch, host->duties) == NULL)
        gg_err(&logger, "cannot watch the duties");
}

void gg_duties_free(struct gg_host *host)
{
    if (host->duties == NULL)
        return;
    gg_map_free(host->duties->heard);
    free(host->duties->told);
    free(host->duties);
    host->duties = NULL;
}
