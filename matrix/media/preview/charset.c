/* charset.c: the encoding of a page, and its text as UTF-8. */
#include "media/preview/charset.h"

#include <ctype.h>
#include <errno.h>
#include <iconv.h>
#include <stdlib.h>

/* Labels of the Encoding standard (section 4.2) and what iconv calls them. iconv is given no other names: some of its converters are
 * no match for hostile text. */
static const struct label {
    const char *label, *name;
} labels[] = {
    {"utf-8", "UTF-8"},           {"utf8", "UTF-8"},           {"utf-16", "UTF-16LE"},       {"utf-16le", "UTF-16LE"},
    {"utf-16be", "UTF-16BE"},     {"ascii", "CP1252"},         {"us-ascii", "CP1252"},       {"latin1", "CP1252"},
    {"iso-8859-1", "CP1252"},     {"iso8859-1", "CP1252"},     {"windows-1252", "CP1252"},   {"cp1252", "CP1252"},
    {"windows-1250", "CP1250"},   {"cp1250", "CP1250"},        {"windows-1251", "CP1251"},   {"cp1251", "CP1251"},
    {"windows-1253", "CP1253"},   {"windows-1254", "CP1254"},  {"iso-8859-9", "CP1254"},     {"windows-1255", "CP1255"},
    {"windows-1256", "CP1256"},   {"windows-1257", "CP1257"},  {"windows-1258", "CP1258"},   {"windows-874", "CP874"},
    {"tis-620", "CP874"},         {"iso-8859-11", "CP874"},    {"iso-8859-2", "ISO-8859-2"}, {"latin2", "ISO-8859-2"},
    {"iso-8859-3", "ISO-8859-3"}, {"iso-8859-4", "ISO-8859-4"}, {"iso-8859-5", "ISO-8859-5"}, {"iso-8859-6", "ISO-8859-6"},
    {"iso-8859-7", "ISO-8859-7"}, {"iso-8859-8", "ISO-8859-8"}, {"iso-8859-10", "ISO-8859-10"},
    {"iso-8859-13", "ISO-8859-13"}, {"iso-8859-14", "ISO-8859-14"}, {"iso-8859-15", "ISO-8859-15"},
    {"iso-8859-16", "ISO-8859-16"}, {"koi8-r", "KOI8-R"},      {"koi8-u", "KOI8-U"},         {"ibm866", "CP866"},
    {"cp866", "CP866"},           {"macintosh", "MACINTOSH"},  {"gbk", "GB18030"},           {"gb2312", "GB18030"},
    {"gb18030", "GB18030"},       {"x-gbk", "GB18030"},        {"big5", "BIG5-HKSCS"},       {"big5-hkscs", "BIG5-HKSCS"},
    {"euc-jp", "EUC-JP"},         {"shift_jis", "CP932"},      {"shift-jis", "CP932"},       {"sjis", "CP932"},
    {"x-sjis", "CP932"},          {"windows-31j", "CP932"},    {"iso-2022-jp", "ISO-2022-JP"}, {"euc-kr", "CP949"},
    {"ks_c_5601-1987", "CP949"},  {"windows-949", "CP949"},
};

static const char *name_of(struct gg_str label)
{
    for (size_t i = 0; i < GG_COUNT(labels); i++)
        if (strlen(labels[i].label) == label.n && strncasecmp(labels[i].label, label.s, label.n) == 0)
            return labels[i].name;
    return NULL;
}

/* ---- what is said of the encoding ---- */

static const char *find(struct gg_str text, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= text.n; i++)
        if (strncasecmp(text.s + i, word, n) == 0)
            return text.s + i;
    return NULL;
}

/* word = "name" somewhere in text, with or without quotes. */
static const char *named_after(struct gg_str text, const char *word)
{
    const char *end = text.s + text.n, *at = find(text, word);
    if (at == NULL)
        return NULL;
    at += strlen(word);
    while (at < end && isspace((unsigned char)*at))
        at++;
    if (at == end || *at++ != '=')
        return NULL;
    while (at < end && (isspace((unsigned char)*at) || *at == '"' || *at == '\''))
        at++;
    const char *start = at;
    while (at < end && (isalnum((unsigned char)*at) || *at == '-' || *at == '_'))
        at++;
    return name_of(gg_strn(start, (size_t)(at - start)));
}

/* The bytes themselves say that they are no UTF-16. */
static const char *as_ascii(const char *name)
{
    return name != NULL && strncmp(name, "UTF-16", 6) == 0 ? "UTF-8" : name;
}

static const char *of_meta(struct gg_str head)
{
    const char *name = NULL;
    while (name == NULL) {
        const char *tag = find(head, "<meta");
        const char *end = tag != NULL ? memchr(tag, '>', head.n - (size_t)(tag - head.s)) : NULL;
        if (end == NULL)
            return NULL;
        name = named_after(gg_strn(tag, (size_t)(end - tag)), "charset");
        head = gg_strn(end, head.n - (size_t)(end - head.s));
    }
    return as_ascii(name);
}

static const char *of_xml(struct gg_str head)
{
    const char *end = head.n > 5 && memcmp(head.s, "<?xml", 5) == 0 ? memchr(head.s, '>', head.n) : NULL;
    return end != NULL ? as_ascii(named_after(gg_strn(head.s, (size_t)(end - head.s)), "encoding")) : NULL;
}

static const char *of_mark(struct gg_str body, size_t *skip)
{
    static const struct {
        const char *bytes, *name;
    } marks[] = {{"\xef\xbb\xbf", "UTF-8"}, {"\xff\xfe", "UTF-16LE"}, {"\xfe\xff", "UTF-16BE"}};
    for (size_t i = 0; i < GG_COUNT(marks); i++) {
        *skip = strlen(marks[i].bytes);
        if (body.n >= *skip && memcmp(body.s, marks[i].bytes, *skip) == 0)
            return marks[i].name;
    }
    *skip = 0;
    return NULL;
}

/* ---- converting ---- */

struct output {
    char *data;
    size_t n, cap;
};

static bool reserve(struct output *out, size_t more)
{
    if (out->cap - out->n >= more)
        return true;
    size_t cap = out->cap * 2 > out->n + more ? out->cap * 2 : out->n + more;
    char *data = realloc(out->data, cap);
    if (data == NULL)
        return false;
    out->data = data;
    out->cap = cap;
    return true;
}

static bool replace(struct output *out)
{
    if (!reserve(out, 3))
        return false;
    memcpy(out->data + out->n, "\xef\xbf\xbd", 3);
    out->n += 3;
    return true;
}

/* One step of iconv; false: the text is not of that encoding (or there is no memory, which looks the same). */
static bool step(iconv_t converter, char **in, size_t *left, struct output *out, bool lenient)
{
    if (!reserve(out, *left + 16))
        return false;
    char *at = out->data + out->n;
    size_t room = out->cap - out->n;
    size_t rc = iconv(converter, in, left, &at, &room);
    out->n = out->cap - room;
    if (rc != (size_t)-1 || errno == E2BIG)
        return true;
    if (errno != EILSEQ && errno != EINVAL)
        return false;
    if (!lenient || !replace(out))
        return false;
    ++*in;
    --*left;
    return true;
}

static char *convert(struct gg_str body, const char *name, bool lenient, size_t *n_out)
{
    iconv_t converter = iconv_open("UTF-8", name);
    struct output out = {0};
    char *in = (char *)(uintptr_t)body.s;
    size_t left = body.n;
    bool good = converter != (iconv_t)-1;
    while (good && left > 0)
        good = step(converter, &in, &left, &out, lenient);
    if (good)
        good = reserve(&out, 1);
    if (converter != (iconv_t)-1)
        iconv_close(converter);
    if (!good) {
        free(out.data);
        return NULL;
    }
    for (size_t i = 0; i < out.n; i++)
        if (out.data[i] == '\0')
            out.data[i] = ' ';
    out.data[out.n] = '\0';
    *n_out = out.n;
    return out.data;
}

char *mx_page_to_utf8(struct gg_str body, const char *content_type, size_t *n_out)
{
    size_t skip;
    const char *marked = of_mark(body, &skip);
    body = gg_strn(body.s + skip, body.n - skip);
    struct gg_str head = gg_strn(body.s, body.n < 1024 ? body.n : 1024);
    const char *const names[] = {marked, of_meta(head), of_xml(head),
                                 content_type != NULL ? named_after(gg_str(content_type), "charset") : NULL, "UTF-8", "CP1252"};
    for (size_t i = 0; i < GG_COUNT(names); i++) {
        char *text = names[i] != NULL ? convert(body, names[i], false, n_out) : NULL;
        if (text != NULL)
            return text;
    }
    return convert(body, "UTF-8", true, n_out);
}
