/* well_known_text.c: what an answer to /.well-known/matrix/server says, and for how long. Pure. */
#include "federation/server_name.h"
#include "federation/well_known.h"

#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum { MAX_DEPTH = 32 };

/* Bounds of how long answers are kept; Synapse's, within what the specification asks. The lower one holds for those who
 * would not have them kept at all: each request to them would be two. */
#define PERIOD_LEAST (5 * INT64_C(60000))
#define PERIOD_MOST (48 * INT64_C(3600000))

const char *mx_well_known_parse(struct gg_str body, struct gg_arena *arena)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_server_name parts;
    struct mx_json *answer;
    if (mx_json_parse(body, MAX_DEPTH, arena, &answer, &err) || answer->kind != MX_JSON_OBJECT)
        return NULL;
    struct gg_str name = mx_json_text(mx_json_member(answer, "m.server"));
    return name.s && mx_server_name_split(name, &parts) ? gg_arena_strndup(arena, name.s, name.n) : NULL;
}

static struct gg_str trimmed(const char *s, size_t n)
{
    while (n && (*s == ' ' || *s == '\t')) {
        s++;
        n--;
    }
    while (n && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    return gg_strn(s, n);
}

static bool named(struct gg_str directive, const char *name)
{
    size_t n = strlen(name);
    return directive.n >= n && strncasecmp(directive.s, name, n) == 0;
}

/* "max-age=N": the last one counts. Far beyond any bound, the number does not matter. */
static bool seconds(struct gg_str text, int64_t *out)
{
    int64_t value = 0;
    if (!text.n)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        if (text.s[i] < '0' || text.s[i] > '9')
            return false;
        value = value < INT64_C(1000000000) ? value * 10 + (text.s[i] - '0') : value;
    }
    *out = value;
    return true;
}

static int64_t period_of_control(const char *control)
{
    int64_t period = -1, value;
    bool stored = true;
    while (control && *control) {
        size_t n = strcspn(control, ",");
        struct gg_str directive = trimmed(control, n);
        const char *sign = directive.n ? memchr(directive.s, '=', directive.n) : NULL;
        if (named(directive, "no-store") && directive.n == 8)
            stored = false;
        else if (sign && named(trimmed(directive.s, (size_t)(sign - directive.s)), "max-age") &&
                 seconds(trimmed(sign + 1, (size_t)(directive.s + directive.n - sign) - 1), &value))
            period = value * 1000;
        control += n + (control[n] == ',');
    }
    return stored ? period : 0;
}

/* RFC 9110 5.6.7: the form of today and the two of old. */
static bool read_date(const char *text, int64_t *out)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
    for (size_t i = 0; i < GG_COUNT(forms); i++) {
        struct tm tm = {0};
        const char *end = strptime(text, forms[i], &tm);
        if (end && !*end) {
            *out = (int64_t)timegm(&tm) * 1000;
            return true;
        }
    }
    return false;
}

static int64_t bounded(int64_t period)
{
    return period < PERIOD_LEAST ? PERIOD_LEAST : period > PERIOD_MOST ? PERIOD_MOST : period;
}

int64_t mx_well_known_period(const char *cache_control, const char *expires, int64_t now_ms)
{
    int64_t period = period_of_control(cache_control), at;
    if (period < 0 && !expires)
        return period;
    if (period < 0) /* RFC 9111 5.3: no date at all has passed already */
        period = read_date(expires, &at) ? at - now_ms : 0;
    return bounded(period);
}
