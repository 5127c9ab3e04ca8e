/* matrix/appservice/pattern.c: see pattern.h. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "appservice/pattern.h"

#include <ganglion/log.h>
#include <pcre2.h>

static struct gg_logger logger = {"ganglion.appservice"};

/* A sane pattern needs some hundred steps for an id; one that explodes is given up after about a millisecond. */
enum { MAX_STEPS = 20000, MAX_HEAP_KB = 1024, MAX_PATTERN = 32768, WARN_MS = 60000 };

struct mx_pattern {
    pcre2_code *code;
    pcre2_match_context *context;
    pcre2_match_data *data;
    const char *text;
    int64_t warned_at; /* gg_now_ms(); 0: never */
};

static void free_pattern(void *arg)
{
    struct mx_pattern *p = arg;
    pcre2_match_data_free(p->data);
    pcre2_match_context_free(p->context);
    pcre2_code_free(p->code);
}

/* The pieces that a match needs. */
static int equip(struct mx_pattern *p, struct gg_error *err)
{
    p->context = pcre2_match_context_create(NULL);
    p->data = pcre2_match_data_create(1, NULL);
    if (p->context == NULL || p->data == NULL)
        return gg_fail(err, GG_E_NOMEM, "out of memory");
    pcre2_set_match_limit(p->context, MAX_STEPS);
    pcre2_set_depth_limit(p->context, MAX_STEPS);
    pcre2_set_heap_limit(p->context, MAX_HEAP_KB);
    return 0;
}

int mx_pattern_new(const char *text, struct gg_arena *arena, struct mx_pattern **out, struct gg_error *err)
{
    /* Ids come from strangers: one that is no UTF-8 matches nothing but harms nothing. */
    static const uint32_t options = PCRE2_ANCHORED | PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    int code = 0;
    PCRE2_SIZE at = 0;
    PCRE2_UCHAR why[160];
    size_t n = strlen(text);
    if (n > MAX_PATTERN)
        return gg_fail(err, GG_E_INVALID, "a regular expression is longer than %d bytes", MAX_PATTERN);
    struct mx_pattern *p = GG_NEW(arena, struct mx_pattern);
    gg_arena_defer(arena, free_pattern, p);
    p->text = gg_arena_strdup(arena, text);
    p->code = pcre2_compile((PCRE2_SPTR)text, n, options, &code, &at, NULL);
    if (p->code == NULL) {
        if (pcre2_get_error_message(code, why, sizeof(why)) < 0)
            why[0] = '\0';
        return gg_fail(err, GG_E_INVALID, "\"%.100s\" is no regular expression: %s, at offset %zu", text, (const char *)why, at);
    }
    *out = p;
    return equip(p, err);
}

/* Strangers choose the names: they must not fill the log. */
static void warn(struct mx_pattern *p, struct gg_str text, int code)
{
    if (p->warned_at != 0 && gg_now_ms() - p->warned_at < WARN_MS)
        return;
    p->warned_at = gg_now_ms();
    gg_warn(&logger, "the pattern \"%.200s\" is given up for \"%.*s\" (%d): is it written so that it explodes?", p->text,
            (int)(text.n < 255 ? text.n : 255), text.s, code);
}

enum mx_match mx_pattern_match(struct mx_pattern *p, struct gg_str text)
{
    int rc = pcre2_match(p->code, (PCRE2_SPTR)(text.s != NULL ? text.s : ""), text.n, 0, 0, p->data, p->context);
    if (rc >= 0)
        return MX_MATCH_YES;
    if (rc == PCRE2_ERROR_NOMATCH)
        return MX_MATCH_NO;
    warn(p, text, rc);
    return MX_MATCH_LIMIT;
}

const char *mx_pattern_text(const struct mx_pattern *pattern)
{
    return pattern->text;
}
