/* oembed.c: which sites speak oEmbed, and their answers (https://oembed.com, section 2.3). */
#include "media/preview/oembed.h"

#include <ctype.h>
#include <ganglion/buf.h>
#include <ganglion/memory.h>

#include "media/preview/link.h"

/* ---- who ---- */

struct mx_oembed {
    struct scheme {
        char *pattern, *endpoint;
    } *schemes;
    size_t n, cap;
};

/* What is asked so without any configuration, as in Synapse. */
static const struct {
    const char *pattern, *endpoint;
} usual[] = {
    {"https://x.com/*", "https://publish.x.com/oembed"},
    {"https://x.com/*/status/*", "https://publish.x.com/oembed"},
    {"https://*.x.com/*/status/*", "https://publish.x.com/oembed"},
    {"https://youtube.com/shorts/*", "https://www.youtube.com/oembed"},
    {"https://*.youtube.com/shorts/*", "https://www.youtube.com/oembed"},
};

static void add_scheme(struct mx_oembed *oembed, const char *pattern, const char *endpoint)
{
    if (oembed->n == oembed->cap) {
        oembed->cap = oembed->cap * 2 + 16;
        oembed->schemes = gg_xrealloc(oembed->schemes, oembed->cap * sizeof(*oembed->schemes));
    }
    oembed->schemes[oembed->n++] =
        (struct scheme){gg_xstrndup(pattern, strlen(pattern)), gg_xstrndup(endpoint, strlen(endpoint))};
}

static bool speaks_json(const json_t *endpoint)
{
    const json_t *formats = json_object_get(endpoint, "formats");
    bool found = formats == NULL;
    for (size_t i = 0; i < json_array_size(formats) && !found; i++) {
        const char *format = json_string_value(json_array_get(formats, i));
        found = format != NULL && strcmp(format, "json") == 0;
    }
    return found;
}

/* A scheme may have stars in its host and its path, no others. */
static bool is_pattern(const char *text)
{
    struct mx_link link = mx_link_split(gg_str(text));
    return mx_link_is_web(&link, gg_str(text)) && memchr(link.scheme.s, '*', link.scheme.n) == NULL;
}

static int read_endpoint(struct mx_oembed *oembed, const char *file, const json_t *endpoint, struct gg_error *err)
{
    const char *url = json_string_value(json_object_get(endpoint, "url"));
    const json_t *schemes = json_object_get(endpoint, "schemes");
    if (url == NULL)
        return gg_fail(err, GG_E_INVALID, "oembed: %s: an endpoint has no url", file);
    if (!speaks_json(endpoint))
        return 0;
    for (size_t i = 0; i < json_array_size(schemes); i++) {
        const char *pattern = json_string_value(json_array_get(schemes, i));
        if (pattern == NULL || !is_pattern(pattern))
            return gg_fail(err, GG_E_INVALID, "oembed: %s: a scheme of %s is no http(s) address", file, url);
        add_scheme(oembed, pattern, url);
    }
    return 0;
}

static int read_provider(struct mx_oembed *oembed, const char *file, const json_t *provider, struct gg_error *err)
{
    const json_t *endpoints = json_object_get(provider, "endpoints");
    int rc = json_is_array(endpoints) ? 0 : gg_fail(err, GG_E_INVALID, "oembed: %s: a provider has no endpoints", file);
    for (size_t i = 0; i < json_array_size(endpoints) && rc == 0; i++)
        rc = read_endpoint(oembed, file, json_array_get(endpoints, i), err);
    return rc;
}

static int read_file(struct mx_oembed *oembed, const char *file, struct gg_error *err)
{
    json_error_t wrong;
    json_t *providers = json_load_file(file, 0, &wrong);
    if (providers == NULL)
        return gg_fail(err, GG_E_INVALID, "oembed: %s: %s", file, wrong.text);
    int rc = json_is_array(providers) ? 0 : gg_fail(err, GG_E_INVALID, "oembed: %s: a list is expected", file);
    for (size_t i = 0; i < json_array_size(providers) && rc == 0; i++)
        rc = read_provider(oembed, file, json_array_get(providers, i), err);
    json_decref(providers);
    return rc;
}

static int read_files(struct mx_oembed *oembed, const struct gg_node *files, struct gg_error *err)
{
    int rc = 0;
    if (gg_node_kind(files) != GG_NODE_LIST)
        return gg_fail(err, GG_E_INVALID, "%s: oembed.additional_providers must be a list of files", gg_node_where(files));
    for (size_t i = 0; i < gg_node_count(files) && rc == 0; i++) {
        const char *file = gg_node_text(gg_node_at(files, i, NULL));
        rc = file != NULL ? read_file(oembed, file, err)
                          : gg_fail(err, GG_E_INVALID, "%s: oembed.additional_providers must be a list of files",
                                    gg_node_where(files));
    }
    return rc;
}

int mx_oembed_new(const struct gg_node *node, struct mx_oembed **out, struct gg_error *err)
{
    struct mx_oembed *oembed = gg_xcalloc(1, sizeof(*oembed));
    const struct gg_node *off = node != NULL ? gg_node_get(node, "disable_default_providers") : NULL;
    const struct gg_node *files = node != NULL ? gg_node_get(node, "additional_providers") : NULL;
    for (size_t i = 0; i < GG_COUNT(usual) && !(off != NULL && gg_node_bool(off)); i++)
        add_scheme(oembed, usual[i].pattern, usual[i].endpoint);
    int rc = files != NULL ? read_files(oembed, files, err) : 0;
    if (rc != 0) {
        mx_oembed_free(oembed);
        oembed = NULL;
    }
    *out = oembed;
    return rc;
}

void mx_oembed_free(struct mx_oembed *oembed)
{
    if (oembed == NULL)
        return;
    for (size_t i = 0; i < oembed->n; i++) {
        free(oembed->schemes[i].pattern);
        free(oembed->schemes[i].endpoint);
    }
    free(oembed->schemes);
    free(oembed);
}

/* ---- does a pattern fit? ---- */

static bool is_label(char c)
{
    return isalnum((unsigned char)c) || c == '-' || c == '_';
}

/* A star stands for one or more characters: of one label in a host, any in what follows it. Linear but for the stars, each of which
 * goes back to itself alone. */
static bool fits(struct gg_str pattern, struct gg_str text, bool host)
{
    size_t p = 0, t = 0, star = SIZE_MAX, from = 0;
    while (t < text.n) {
        if (p < pattern.n && pattern.s[p] == '*') {
            star = p++;
            from = t;
            if (host && !is_label(text.s[t]))
                return false;
            t++; /* one at least */
        } else if (p < pattern.n && pattern.s[p] == text.s[t]) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++from;
            if (t >= text.n || (host && !is_label(text.s[t])))
                return false;
            t++;
        } else
            return false;
    }
    return p == pattern.n;
}

static bool scheme_fits(const char *pattern, const char *url)
{
    struct mx_link p = mx_link_split(gg_str(pattern)), u = mx_link_split(gg_str(url));
    if (!gg_str_eq(p.scheme, u.scheme) || p.authority.s == NULL || u.authority.s == NULL ||
        !fits(p.authority, u.authority, true))
        return false;
    const char *path = p.authority.s + p.authority.n, *rest = u.authority.s + u.authority.n;
    return fits(gg_str(path), gg_str(rest), false);
}

/* "{format}" of an endpoint is json; the rest is what the specification asks with. */
static const char *build_url(const char *endpoint, const char *url, struct gg_arena *arena)
{
    static const char format[] = "{format}";
    struct gg_buf out = GG_BUF_INIT;
    const char *at = strstr(endpoint, format);
    if (at != NULL)
        gg_buf_printf(&out, "%.*sjson%s", (int)(at - endpoint), endpoint, at + sizeof(format) - 1);
    else
        gg_buf_text(&out, endpoint);
    gg_buf_text(&out, strchr(out.data, '?') != NULL ? "&url=" : "?url=");
    gg_buf_urlencode(&out, gg_str(url));
    gg_buf_lit(&out, "&format=json");
    const char *text = gg_arena_strdup(arena, out.data);
    gg_buf_done(&out);
    return text;
}

const char *mx_oembed_url(const struct mx_oembed *oembed, const char *url, struct gg_arena *arena)
{
    for (size_t i = 0; i < oembed->n; i++)
        if (scheme_fits(oembed->schemes[i].pattern, url))
            return build_url(oembed->schemes[i].endpoint, url, arena);
    return NULL;
}

/* ---- the answer ---- */

static void copy_text(json_t *og, const char *key, const json_t *answer, const char *member)
{
    json_t *value = json_object_get(answer, member);
    if (json_is_string(value))
        json_object_set(og, key, value);
}

static bool is_first_version(const json_t *answer)
{
    const json_t *version = json_object_get(answer, "version");
    if (json_is_string(version))
        return strcmp(json_string_value(version), "1.0") == 0;
    return version == NULL || json_number_value(version) == 1.0;
}

static void of_rich(const struct mx_pages *pages, const json_t *answer, json_t *og)
{
    const json_t *html = json_object_get(answer, "html");
    if (json_is_string(html))
        pages->fragment(gg_strn(json_string_value(html), json_string_length(html)), og);
}

static void of_video(const struct mx_pages *pages, const json_t *answer, json_t *og)
{
    json_object_set_new(og, "og:type", json_string("video.other"));
    of_rich(pages, answer, og);
}

static void of_photo(const struct mx_pages *pages, const json_t *answer, json_t *og)
{
    copy_text(og, "og:image", answer, "url");
}

static void of_link(const struct mx_pages *pages, const json_t *answer, json_t *og)
{
    json_object_set_new(og, "og:type", json_string("website"));
}

static const struct {
    const char *type;
    void (*read)(const struct mx_pages *pages, const json_t *answer, json_t *og);
} types[] = {{"rich", of_rich}, {"video", of_video}, {"photo", of_photo}, {"link", of_link}};

/* Seconds, also as a text. */
static int64_t read_age(const json_t *age)
{
    double seconds = json_is_string(age) ? strtod(json_string_value(age), NULL) : json_is_number(age) ? json_number_value(age) : -1;
    return seconds >= 0 && seconds < 1e9 ? (int64_t)seconds * 1000 : -1;
}

void mx_oembed_read(const struct mx_pages *pages, const char *url, struct gg_str body, struct mx_oembed_answer *out)
{
    json_t *answer = json_loadb(body.s, body.n, 0, NULL);
    *out = (struct mx_oembed_answer){.og = json_object(), .cache_ms = -1};
    if (json_is_object(answer) && is_first_version(answer)) {
        const char *type = json_string_value(json_object_get(answer, "type"));
        const char *author = json_string_value(json_object_get(answer, "author_name"));
        json_object_set_new(out->og, "og:url", json_string(url));
        copy_text(out->og, "og:title", answer, "title");
        copy_text(out->og, "og:site_name", answer, "provider_name");
        copy_text(out->og, "og:image", answer, "thumbnail_url");
        for (size_t i = 0; i < GG_COUNT(types) && type != NULL; i++)
            if (strcmp(type, types[i].type) == 0)
                types[i].read(pages, answer, out->og);
        out->author = author != NULL ? strdup(author) : NULL;
        out->cache_ms = read_age(json_object_get(answer, "cache_age"));
    }
    json_decref(answer);
}
