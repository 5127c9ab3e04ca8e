/* matrix/media/names.c: content types and names of files in headers, told and read. Pure. */
#include "media/serve.h"

#include <ganglion/buf.h>
#include <strings.h>

/* What a browser shows without running anything of it. No SVG: it can hold scripts. */
static const char *const inlined[] = {
    "text/css", "text/plain", "text/csv", "application/json", "application/ld+json", "image/jpeg", "image/gif", "image/png",
    "image/apng", "image/webp", "image/avif", "video/mp4", "video/webm", "video/ogg", "video/quicktime", "audio/mp4",
    "audio/webm", "audio/aac", "audio/mpeg", "audio/ogg", "audio/wave", "audio/wav", "audio/x-wav", "audio/x-pn-wav",
    "audio/flac", "audio/x-flac",
};
/* Text that is UTF-8 when nothing else is said. */
static const char *const texts[] = {
    "text/css", "text/csv", "text/html", "text/calendar", "text/plain", "text/javascript", "application/json",
    "application/ld+json", "application/rtf", "image/svg+xml", "text/xml",
};

static bool listed(const char *const *list, size_t n, struct gg_str type)
{
    for (size_t i = 0; i < n; i++)
        if (type.n == strlen(list[i]) && strncasecmp(type.s, list[i], type.n) == 0)
            return true;
    return false;
}

struct gg_str mx_media_type_plain(struct gg_str type)
{
    for (size_t i = 0; i < type.n; i++)
        if ((unsigned char)type.s[i] < ' ' || (unsigned char)type.s[i] >= 0x7f)
            return GG_STR("application/octet-stream");
    return type.n > 0 ? type : GG_STR("application/octet-stream");
}

const char *mx_media_type_header(struct gg_str type, struct gg_arena *arena)
{
    type = mx_media_type_plain(type);
    return gg_arena_printf(arena, "%.*s%s", GG_FMT(type), listed(texts, GG_COUNT(texts), type) ? "; charset=UTF-8" : "");
}

/* A word of ASCII without separators (RFC 2616, 2.2). */
static bool is_token(struct gg_str s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c) != NULL)
            return false;
    }
    return true;
}

/* As RFC 5987 quotes; '/' stays, as it does with Synapse. */
static void add_quoted(struct gg_buf *out, struct gg_str name)
{
    for (size_t i = 0; i < name.n; i++) {
        if (name.s[i] == '/')
            gg_buf_char(out, '/');
        else
            gg_buf_urlencode(out, gg_strn(name.s + i, 1));
    }
}

const char *mx_media_disposition(struct gg_str type, struct gg_str name, struct gg_arena *arena)
{
    const char *end = type.n > 0 ? memchr(type.s, ';', type.n) : NULL;
    struct gg_str bare = gg_strn(type.s, end != NULL ? (size_t)(end - type.s) : type.n);
    struct gg_buf out = GG_BUF_INIT;
    gg_buf_text(&out, listed(inlined, GG_COUNT(inlined), bare) ? "inline" : "attachment");
    if (name.n > 0 && is_token(name)) {
        gg_buf_printf(&out, "; filename=%.*s", GG_FMT(name));
    } else if (name.n > 0) {
        gg_buf_lit(&out, "; filename*=utf-8''");
        add_quoted(&out, name);
    }
    const char *text = gg_arena_strndup(arena, out.data, out.n);
    gg_buf_done(&out);
    return text;
}

/* ---- reading ---- */

static struct gg_str trim(struct gg_str s)
{
    while (s.n > 0 && (s.s[0] == ' ' || s.s[0] == '\t'))
        s = gg_strn(s.s + 1, s.n - 1);
    while (s.n > 0 && (s.s[s.n - 1] == ' ' || s.s[s.n - 1] == '\t'))
        s.n--;
    return s;
}

/* Up to the next ';' that is in no quotes; what follows is left in *rest. */
static struct gg_str next_part(struct gg_str *rest)
{
    bool quoted = false;
    size_t n = 0;
    for (; n < rest->n && (quoted || rest->s[n] != ';'); n++) {
        if (rest->s[n] == '"')
            quoted = !quoted;
        else if (rest->s[n] == '\\' && quoted && n + 1 < rest->n)
            n++;
    }
    struct gg_str part = gg_strn(rest->s, n);
    *rest = n < rest->n ? gg_strn(rest->s + n + 1, rest->n - n - 1) : gg_strn(rest->s + n, 0);
    return trim(part);
}

static struct gg_str unquote(struct gg_str s, struct gg_arena *arena)
{
    if (s.n < 2 || s.s[0] != '"' || s.s[s.n - 1] != '"')
        return s;
    char *out = gg_arena_alloc(arena, s.n);
    size_t n = 0;
    for (size_t i = 1; i + 1 < s.n; i++) {
        if (s.s[i] == '\\' && i + 2 < s.n)
            i++;
        out[n++] = s.s[i];
    }
    return gg_strn(out, n);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_utf8(struct gg_str s)
{
    for (size_t i = 0; i < s.n;) {
        unsigned char c = (unsigned char)s.s[i];
        size_t more = c < 0x80 ? 0 : c >= 0xc2 && c < 0xe0 ? 1 : c >= 0xe0 && c < 0xf0 ? 2 : c >= 0xf0 && c < 0xf5 ? 3 : 9;
        if (more == 9 || i + more >= s.n || c == 0)
            return false;
        for (size_t k = 1; k <= more; k++)
            if (((unsigned char)s.s[i + k] & 0xc0) != 0x80)
                return false;
        unsigned char second = more > 0 ? (unsigned char)s.s[i + 1] : 0;
        if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) || (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f))
            return false;
        i += more + 1;
    }
    return true;
}

static struct gg_str percent(struct gg_str s, struct gg_arena *arena)
{
    char *out = gg_arena_alloc(arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        int high = s.s[i] == '%' && i + 2 < s.n ? hex(s.s[i + 1]) : -1, low = high >= 0 ? hex(s.s[i + 2]) : -1;
        if (low >= 0)
            i += 2;
        out[n++] = (char)(low >= 0 ? high << 4 | low : s.s[i]);
    }
    return gg_strn(out, n);
}

struct gg_str mx_media_name_of(struct gg_str disposition, struct gg_arena *arena)
{
    static const char extended[] = "filename*=", plain[] = "filename=", charset[] = "utf-8''";
    struct gg_str found = {0}, rest = disposition;
    (void)next_part(&rest); /* inline, attachment */
    while (rest.n > 0) {
        struct gg_str part = next_part(&rest);
        if (part.n > strlen(extended) && strncasecmp(part.s, extended, strlen(extended)) == 0) {
            struct gg_str value = unquote(gg_strn(part.s + strlen(extended), part.n - strlen(extended)), arena);
            bool utf8 = value.n > strlen(charset) && strncasecmp(value.s, charset, strlen(charset)) == 0;
            struct gg_str name = utf8 ? percent(gg_strn(value.s + strlen(charset), value.n - strlen(charset)), arena) : (struct gg_str){0};
            if (name.n > 0 && is_utf8(name))
                return name;
        } else if (part.n > strlen(plain) && strncasecmp(part.s, plain, strlen(plain)) == 0) {
            found = unquote(gg_strn(part.s + strlen(plain), part.n - strlen(plain)), arena);
        }
    }
    for (size_t i = 0; i < found.n; i++)
        if ((unsigned char)found.s[i] >= 0x80 || found.s[i] == '\0')
            return (struct gg_str){0};
    return found.n > 0 ? found : (struct gg_str){0};
}
