/* page.c: reads HTML with libxml2, event by event: a tree of a hostile page would take many times its size. */
#include "page.h"

#include <ctype.h>
#include <libxml/HTMLparser.h>
#include <stdlib.h>
#include <time.h>

#include "summary.h"

enum { DEPTH = 256, CHUNK = 16384, START_TAG = 65536, SECONDS = 3, MOST_TAGS = 50 };
enum { HIDDEN = 1, HEADING = 2 }; /* flags of an element */

struct element {
    unsigned char flags;
};

struct reader {
    htmlParserCtxtPtr parser;
    struct element open[DEPTH];
    size_t depth, hidden; /* open elements; those among them whose text is not shown */
    struct page_plain text; /* of the text node that is being read */
    struct page_summary summary;
    json_t *og, *twitter;
    unsigned headings;    /* kinds that were seen */
    char *title, *picture, *large_picture, *any_picture, *icon, *description, *film, *oembed;
    double area;          /* of large_picture */
};

static const char *attribute(const xmlChar **list, const char *name)
{
    for (size_t i = 0; list != NULL && list[i] != NULL; i += 2)
        if (strcmp((const char *)list[i], name) == 0)
            return list[i + 1] != NULL ? (const char *)list[i + 1] : "";
    return NULL;
}

static void keep_first(char **slot, const char *value)
{
    if (*slot == NULL && value != NULL)
        *slot = strdup(value);
}

/* ---- meta ---- */

/* Twitter's words for what Open Graph has none for are left out. */
static void add_twitter(json_t *twitter, const char *name, const char *content)
{
    char key[80];
    if (strcmp(name, "twitter:card") == 0 || strcmp(name, "twitter:creator") == 0)
        return;
    if (strcmp(name, "twitter:site") == 0)
        json_object_set_new(twitter, "og:site_name", json_string(content));
    else if (snprintf(key, sizeof(key), "og%s", name + strlen("twitter")) < (int)sizeof(key))
        json_object_set_new(twitter, key, json_string(content));
}

static void on_meta(struct reader *r, const xmlChar **list)
{
    const char *content = attribute(list, "content"), *property = attribute(list, "property"),
               *name = attribute(list, "name"), *item = attribute(list, "itemprop");
    if (content == NULL || *content == '\0')
        return;
    if (property != NULL && strncmp(property, "og:", 3) == 0 && json_object_size(r->og) <= MOST_TAGS)
        json_object_set_new(r->og, property, json_string(content));
    if (name != NULL && strncmp(name, "twitter:", 8) == 0 && json_object_size(r->twitter) <= MOST_TAGS)
        add_twitter(r->twitter, name, content);
    if (name != NULL && strcasecmp(name, "description") == 0)
        keep_first(&r->description, content);
    if (item != NULL && strcasecmp(item, "image") == 0)
        keep_first(&r->picture, content);
}

/* ---- links, pictures, films ---- */

/* Is word one of the words of list? */
static bool has_word(const char *list, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = list; (at = strstr(at, word)) != NULL; at += n)
        if ((at == list || isspace((unsigned char)at[-1])) && (at[n] == '\0' || isspace((unsigned char)at[n])))
            return true;
    return false;
}

static void on_link(struct reader *r, const xmlChar **list)
{
    const char *rel = attribute(list, "rel"), *href = attribute(list, "href"), *type = attribute(list, "type");
    if (rel == NULL || href == NULL)
        return;
    if (strstr(rel, "icon") != NULL)
        keep_first(&r->icon, href);
    if (type != NULL && strcmp(type, "application/json+oembed") == 0 && has_word(rel, "alternate"))
        keep_first(&r->oembed, href);
}

/* A plain decimal number ("12", "12.5"), or 0: "100%" is none. */
static double pixels(const char *text)
{
    double value = 0, unit = 1;
    bool fraction = false;
    for (; text != NULL && *text != '\0'; text++) {
        if (*text == '.' && !fraction)
            fraction = true;
        else if (!isdigit((unsigned char)*text))
            return 0;
        else if (fraction)
            value += (*text - '0') * (unit /= 10);
        else
            value = value * 10 + (*text - '0');
    }
    return value;
}

static void on_picture(struct reader *r, const xmlChar **list)
{
    const char *src = attribute(list, "src");
    double width = pixels(attribute(list, "width")), height = pixels(attribute(list, "height"));
    if (src == NULL)
        return;
    keep_first(&r->any_picture, src);
    if (width <= 10 || height <= 10 || width * height <= r->area)
        return;
    r->area = width * height;
    free(r->large_picture);
    r->large_picture = strdup(src);
}

static void on_film(struct reader *r, const xmlChar **list)
{
    keep_first(&r->film, attribute(list, "src"));
}

/* ---- elements ---- */

static const struct tag {
    const char *name;
    unsigned char flags;
    void (*begin)(struct reader *r, const xmlChar **list);
} tags[] = {
    {"meta", HIDDEN, on_meta}, {"link", HIDDEN, on_link}, {"img", HIDDEN, on_picture}, {"video", HIDDEN, on_film},
    {"embed", HIDDEN, on_film}, {"title", HIDDEN | HEADING, NULL}, {"h1", HEADING, NULL}, {"h2", HEADING, NULL},
    {"h3", HEADING, NULL}, {"head", HIDDEN, NULL}, {"header", HIDDEN, NULL}, {"nav", HIDDEN, NULL},
    {"aside", HIDDEN, NULL}, {"footer", HIDDEN, NULL}, {"script", HIDDEN, NULL}, {"noscript", HIDDEN, NULL},
    {"style", HIDDEN, NULL}, {"svg", HIDDEN, NULL}, {"iframe", HIDDEN, NULL}, {"canvas", HIDDEN, NULL},
    {"picture", HIDDEN, NULL}, {"template", HIDDEN, NULL},
};

/* A text node has ended. */
static void end_text(struct reader *r)
{
    struct gg_str text = gg_buf_view(&r->text.text);
    bool heading = r->depth > 0 && r->depth <= DEPTH && (r->open[r->depth - 1].flags & HEADING) != 0;
    if (text.n > 0 && heading && r->title == NULL)
        r->title = strdup(text.s);
    if (r->hidden == 0)
        page_summary_add(&r->summary, text);
    page_plain_clear(&r->text);
}

static const struct tag *tag_of(const char *name)
{
    for (size_t i = 0; i < GG_COUNT(tags); i++)
        if (strcmp(tags[i].name, name) == 0)
            return &tags[i];
    return NULL;
}

static void on_start(void *arg, const xmlChar *name, const xmlChar **list)
{
    struct reader *r = arg;
    const struct tag *tag = tag_of((const char *)name);
    end_text(r);
    if (r->depth >= DEPTH) {
        xmlStopParser(r->parser);
        return;
    }
    struct element *element = &r->open[r->depth++];
    element->flags = tag != NULL ? tag->flags : 0;
    if ((element->flags & HEADING) != 0) { /* the first of its kind alone */
        unsigned kind = 1u << (unsigned)(tag - tags);
        if ((r->headings & kind) != 0)
            element->flags &= (unsigned char)~HEADING;
        r->headings |= kind;
    }
    r->hidden += (element->flags & HIDDEN) != 0;
    if (tag != NULL && tag->begin != NULL)
        tag->begin(r, list);
}

static void on_end(void *arg, const xmlChar *name)
{
    struct reader *r = arg;
    end_text(r);
    if (r->depth > 0)
        r->hidden -= (r->open[--r->depth].flags & HIDDEN) != 0;
}

static void on_text(void *arg, const xmlChar *text, int n)
{
    struct reader *r = arg;
    page_plain_add(&r->text, gg_strn((const char *)text, (size_t)n));
}

static void on_comment(void *arg, const xmlChar *text)
{
    end_text(arg);
}

/* ---- the parser ---- */

static int64_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* libxml2 compares each attribute of a tag with all before it, so that one huge tag takes minutes. */
static bool is_huge_tag(const struct _xmlParserInput *input)
{
    return input != NULL && input->end - input->cur > START_TAG && input->cur[0] == '<' && isalpha(input->cur[1]);
}

/* An end tag that comes first would end the document: it has begun before. */
static void feed(htmlParserCtxtPtr parser, struct gg_str html)
{
    static const char start[] = "<html>";
    int64_t until = now_s() + SECONDS;
    htmlParseChunk(parser, start, sizeof(start) - 1, 0);
    for (size_t at = 0; at < html.n && !parser->disableSAX && now_s() <= until && !is_huge_tag(parser->input);) {
        size_t n = html.n - at < CHUNK ? html.n - at : CHUNK;
        htmlParseChunk(parser, html.s + at, (int)n, 0);
        at += n;
    }
    if (is_huge_tag(parser->input))
        xmlStopParser(parser);
    htmlParseChunk(parser, NULL, 0, 1);
}

static bool parse(struct reader *r, struct gg_str html)
{
    htmlSAXHandler events = {.startElement = on_start, .endElement = on_end, .characters = on_text, .cdataBlock = on_text,
                             .ignorableWhitespace = on_text, .comment = on_comment, .initialized = 1};
    r->parser = htmlCreatePushParserCtxt(&events, r, NULL, 0, NULL, XML_CHAR_ENCODING_UTF8);
    if (r->parser == NULL)
        return false;
    htmlCtxtUseOptions(r->parser, HTML_PARSE_RECOVER | HTML_PARSE_NOERROR | HTML_PARSE_NOWARNING | HTML_PARSE_NONET |
                                      HTML_PARSE_IGNORE_ENC | HTML_PARSE_NODEFDTD);
    feed(r->parser, html);
    end_text(r);
    xmlFreeDoc(r->parser->myDoc);
    htmlFreeParserCtxt(r->parser);
    return true;
}

static void release(struct reader *r)
{
    char *const texts[] = {r->title, r->picture, r->large_picture, r->any_picture, r->icon, r->description, r->film, r->oembed};
    for (size_t i = 0; i < GG_COUNT(texts); i++)
        free(texts[i]);
    gg_buf_done(&r->text.text);
    gg_buf_done(&r->summary.text);
    json_decref(r->og);
    json_decref(r->twitter);
    free(r);
}

static struct reader *new_reader(void)
{
    struct reader *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return NULL;
    r->text = (struct page_plain)PAGE_PLAIN_INIT;
    r->summary = (struct page_summary)PAGE_SUMMARY_INIT;
    r->og = json_object();
    r->twitter = json_object();
    return r;
}

/* ---- what was found ---- */

static bool is_blank(struct gg_str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!isspace((unsigned char)s.s[i]))
            return false;
    return true;
}

static void set_text(json_t *og, const char *key, const char *value)
{
    json_object_set_new(og, key, value != NULL && *value != '\0' ? json_string(value) : json_null());
}

static char *summarize(const char *text)
{
    struct page_plain plain = PAGE_PLAIN_INIT;
    struct page_summary summary = PAGE_SUMMARY_INIT;
    page_plain_add(&plain, gg_str(text));
    page_summary_add(&summary, gg_buf_view(&plain.text));
    gg_buf_done(&plain.text);
    return page_summary_take(&summary);
}

static void describe(struct reader *r)
{
    const char *own = json_string_value(json_object_get(r->og, "og:description"));
    char *text = own != NULL || r->description == NULL
                     ? (own != NULL ? summarize(own) : page_summary_take(&r->summary))
                     : strdup(r->description);
    set_text(r->og, "og:description", text);
    free(text);
}

/* Somebody who writes more than fifty of them wants something else than a preview. */
static void drop_spam(json_t *tags_found)
{
    if (json_object_size(tags_found) > MOST_TAGS)
        json_object_clear(tags_found);
}

static void conclude(struct reader *r)
{
    const char *const pictures[] = {r->picture, r->large_picture, r->any_picture, r->icon};
    drop_spam(r->og);
    drop_spam(r->twitter);
    json_object_update_missing(r->og, r->twitter);
    if (json_object_get(r->og, "og:title") == NULL)
        set_text(r->og, "og:title", r->title);
    for (size_t i = 0; i < GG_COUNT(pictures) && json_object_get(r->og, "og:image") == NULL; i++)
        if (pictures[i] != NULL && *pictures[i] != '\0')
            json_object_set_new(r->og, "og:image", json_string(pictures[i]));
    describe(r);
}

static void read_page(struct gg_str html, struct mx_page *out)
{
    struct reader *r = is_blank(html) ? NULL : new_reader();
    *out = (struct mx_page){0};
    if (r == NULL)
        return;
    if (parse(r, html)) {
        conclude(r);
        out->og = json_incref(r->og);
        out->oembed = r->oembed;
        r->oembed = NULL;
    }
    release(r);
}

static void read_fragment(struct gg_str html, json_t *og)
{
    struct reader *r = is_blank(html) ? NULL : new_reader();
    if (r == NULL)
        return;
    if (parse(r, html)) {
        char *text = page_summary_take(&r->summary);
        if (r->any_picture != NULL && json_object_get(og, "og:image") == NULL)
            set_text(og, "og:image", r->any_picture);
        if (r->film != NULL)
            set_text(og, "og:video", r->film);
        if (*text != '\0')
            set_text(og, "og:description", text);
        free(text);
    }
    release(r);
}

const struct mx_pages page_reader = {read_page, read_fragment};
