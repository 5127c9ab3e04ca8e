/* blocked.c: the operator's list of links that are not previewed. */
#include "media/preview/blocked.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <fnmatch.h>
#include <ganglion/memory.h>
#include <pcre2.h>
#include <stdio.h>

#include "media/preview/link.h"

enum { MATCH_LIMIT = 100000, HEAP_KIB = 4096, LONGEST = 8192 };

struct part {
    size_t which;       /* in parts */
    char *glob;         /* or */
    pcre2_code *regex;
};

struct entry {
    struct part *parts;
    size_t n;
};

struct mx_blocked {
    struct entry *entries;
    size_t n;
    pcre2_match_context *limits;
};

/* What an address may be told apart by. `always`: "" where the address has none; else such an entry does not match. */
static const struct {
    const char *name;
    size_t offset;
    bool always, lower;
} parts[] = {
    {"scheme", offsetof(struct mx_link, scheme), true, true},      {"netloc", offsetof(struct mx_link, authority), true, false},
    {"path", offsetof(struct mx_link, path), true, false},         {"query", offsetof(struct mx_link, query), true, false},
    {"fragment", offsetof(struct mx_link, fragment), true, false}, {"username", offsetof(struct mx_link, username), false, false},
    {"password", offsetof(struct mx_link, password), false, false}, {"hostname", offsetof(struct mx_link, host), false, true},
    {"port", offsetof(struct mx_link, port), false, false},
};

static int compile(const struct gg_node *value, const char *name, struct part *out, struct gg_error *err)
{
    const char *pattern = gg_node_text(value);
    char number[32];
    if (gg_node_kind(value) == GG_NODE_INT) {
        snprintf(number, sizeof(number), "%lld", (long long)gg_node_int(value));
        pattern = number;
    }
    if (pattern == NULL)
        return gg_fail(err, GG_E_INVALID, "%s: the pattern of %s must be a text", gg_node_where(value), name);
    for (out->which = 0; out->which < GG_COUNT(parts); out->which++)
        if (strcmp(parts[out->which].name, name) == 0)
            break;
    if (out->which == GG_COUNT(parts))
        return gg_fail(err, GG_E_INVALID, "%s: an address has no part \"%s\"", gg_node_where(value), name);
    if (*pattern != '^') {
        out->glob = gg_xstrndup(pattern, strlen(pattern));
        return 0;
    }
    int code;
    size_t at;
    out->regex = pcre2_compile((PCRE2_SPTR)pattern, PCRE2_ZERO_TERMINATED, PCRE2_ANCHORED | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
                               &code, &at, NULL);
    if (out->regex == NULL)
        return gg_fail(err, GG_E_INVALID, "%s: \"%s\" is no regular expression (at character %zu)", gg_node_where(value), pattern, at);
    return 0;
}

static int compile_entry(const struct gg_node *map, struct entry *out, struct gg_error *err)
{
    if (gg_node_kind(map) != GG_NODE_MAP)
        return gg_fail(err, GG_E_INVALID, "%s: an entry of url_preview_url_blacklist must be a map", gg_node_where(map));
    size_t n = gg_node_count(map);
    int rc = 0;
    out->parts = gg_xcalloc(n + 1, sizeof(*out->parts));
    for (size_t i = 0; i < n && rc == 0; i++) {
        const char *name;
        const struct gg_node *value = gg_node_at(map, i, &name);
        rc = compile(value, name, &out->parts[out->n++], err);
    }
    return rc;
}

int mx_blocked_new(const struct gg_node *node, struct mx_blocked **out, struct gg_error *err)
{
    struct mx_blocked *blocked = gg_xcalloc(1, sizeof(*blocked));
    size_t n = node != NULL && gg_node_kind(node) == GG_NODE_LIST ? gg_node_count(node) : 0;
    int rc = 0;
    blocked->entries = gg_xcalloc(n + 1, sizeof(*blocked->entries));
    blocked->limits = pcre2_match_context_create(NULL);
    GG_ASSERT(blocked->limits != NULL);
    pcre2_set_match_limit(blocked->limits, MATCH_LIMIT);
    pcre2_set_heap_limit(blocked->limits, HEAP_KIB);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = compile_entry(gg_node_at(node, i, NULL), &blocked->entries[blocked->n++], err);
    if (rc != 0) {
        mx_blocked_free(blocked);
        blocked = NULL;
    }
    *out = blocked;
    return rc;
}

void mx_blocked_free(struct mx_blocked *blocked)
{
    if (blocked == NULL)
        return;
    for (size_t i = 0; i < blocked->n; i++) {
        for (size_t k = 0; k < blocked->entries[i].n; k++) {
            free(blocked->entries[i].parts[k].glob);
            pcre2_code_free(blocked->entries[i].parts[k].regex);
        }
        free(blocked->entries[i].parts);
    }
    pcre2_match_context_free(blocked->limits);
    free(blocked->entries);
    free(blocked);
}

static bool regex_matches(const struct mx_blocked *blocked, const pcre2_code *regex, const char *text)
{
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    GG_ASSERT(data != NULL);
    int rc = pcre2_match(regex, (PCRE2_SPTR)text, strlen(text), 0, 0, data, blocked->limits);
    pcre2_match_data_free(data);
    return rc != PCRE2_ERROR_NOMATCH;
}

static bool part_matches(const struct mx_blocked *blocked, const struct part *part, const struct mx_link *link)
{
    struct gg_str value = *(const struct gg_str *)(const void *)((const char *)link + parts[part->which].offset);
    if (value.s == NULL && !parts[part->which].always)
        return false;
    if (value.n > LONGEST)
        return true;
    char *text = gg_xstrndup(value.s, value.n);
    for (char *c = text; parts[part->which].lower && *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    bool matches = part->glob != NULL ? fnmatch(part->glob, text, FNM_NOESCAPE) == 0 : regex_matches(blocked, part->regex, text);
    free(text);
    return matches;
}

bool mx_blocked_has(const struct mx_blocked *blocked, struct gg_str url)
{
    struct mx_link link = mx_link_split(url);
    for (size_t i = 0; i < blocked->n; i++) {
        const struct entry *entry = &blocked->entries[i];
        size_t k = 0;
        while (k < entry->n && part_matches(blocked, &entry->parts[k], &link))
            k++;
        if (k == entry->n)
            return true;
    }
    return false;
}
