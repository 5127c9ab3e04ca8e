/* format.c: a record as text: Python's %(field)s templates, and the two JSON forms of Synapse. */
#include "log/setup.h"

#include <stdio.h>
#include <unistd.h>

enum field {
    F_LITERAL, F_ASCTIME, F_NAME, F_LINENO, F_LEVELNAME, F_LEVELNO, F_MESSAGE, F_REQUEST, F_PATHNAME, F_FILENAME,
    F_MODULE, F_PROCESS, F_MSECS, F_CREATED, F_FIBER, F_UNKNOWN,
};

static const struct {
    const char *name;
    enum field field;
} fields[] = {
    {"asctime", F_ASCTIME},   {"name", F_NAME},         {"lineno", F_LINENO},     {"levelname", F_LEVELNAME},
    {"levelno", F_LEVELNO},   {"message", F_MESSAGE},   {"request", F_REQUEST},   {"pathname", F_PATHNAME},
    {"filename", F_FILENAME}, {"module", F_MODULE},     {"process", F_PROCESS},   {"msecs", F_MSECS},
    {"created", F_CREATED},   {"threadName", F_FIBER},  {"taskName", F_FIBER},
};

struct item {
    enum field field;
    struct gg_str literal;
    bool left;   /* %-8s */
    bool zeroes; /* %03d */
    int width, precision; /* precision -1: none */
};

enum kind { TEXT, JSON, TERSE_JSON };

struct log_format {
    enum kind kind;
    struct item *items;
    size_t n_items;
    const char *datefmt;
    time_t stamp_at; /* the second that stamp shows: strftime is the dearest part of a line */
    char stamp[80];
};

static enum field field_of(struct gg_str name)
{
    for (size_t i = 0; i < GG_COUNT(fields); i++)
        if (gg_str_is(name, fields[i].name))
            return fields[i].field;
    return F_UNKNOWN;
}

static const char *read_number(const char *p, int *out)
{
    int n = 0;
    for (; *p >= '0' && *p <= '9'; p++)
        if (n < 1000)
            n = n * 10 + (*p - '0');
    *out = n;
    return p;
}

/* "(name)-8.3s" after a percent sign. NULL when it is nothing of the kind. */
static const char *read_field(const char *p, struct item *item, struct gg_str *name_out)
{
    const char *end = *p == '(' ? strchr(p, ')') : NULL;
    if (!end)
        return NULL;
    *name_out = gg_strn(p + 1, (size_t)(end - p) - 1);
    *item = (struct item){.field = field_of(*name_out), .precision = -1};
    p = end + 1;
    for (; *p && strchr("-0 +#", *p); p++) {
        item->left |= *p == '-';
        item->zeroes |= *p == '0';
    }
    p = read_number(p, &item->width);
    if (*p == '.')
        p = read_number(p + 1, &item->precision);
    return *p ? p + 1 : NULL; /* s, d or f: the field knows its own kind */
}

static void add_literal(struct log_format *format, const char *from, const char *to)
{
    if (to > from)
        format->items[format->n_items++] = (struct item){.field = F_LITERAL, .literal = gg_strn(from, (size_t)(to - from))};
}

struct log_format *log_format_text(struct gg_arena *arena, const char *fmt, const char *datefmt,
                                   void (*unknown)(void *arg, const char *field), void *arg)
{
    struct log_format *format = GG_NEW(arena, struct log_format);
    format->kind = TEXT;
    format->stamp_at = -1;
    format->datefmt = gg_arena_strdup(arena, datefmt);
    fmt = gg_arena_strdup(arena, fmt);
    format->items = GG_NEW_ARRAY(arena, struct item, strlen(fmt) + 1);
    const char *from = fmt;
    for (const char *p = fmt; *p;) {
        struct item item;
        struct gg_str name;
        const char *next = *p == '%' ? read_field(p + 1, &item, &name) : NULL;
        if (next) {
            add_literal(format, from, p);
            if (item.field == F_UNKNOWN && unknown)
                unknown(arg, gg_arena_strndup(arena, name.s, name.n));
            format->items[format->n_items++] = item;
            from = p = next;
        } else if (p[0] == '%' && p[1] == '%') {
            add_literal(format, from, p + 1);
            from = p += 2;
        } else {
            p++;
        }
    }
    add_literal(format, from, fmt + strlen(fmt));
    return format;
}

struct log_format *log_format_json(struct gg_arena *arena, bool with_time)
{
    struct log_format *format = GG_NEW(arena, struct log_format);
    format->kind = with_time ? TERSE_JSON : JSON;
    return format;
}

static void add_stamp(struct log_format *format, const struct log_record *record, struct gg_buf *out)
{
    if (record->at.tv_sec != format->stamp_at) {
        struct tm tm;
        localtime_r(&record->at.tv_sec, &tm);
        if (strftime(format->stamp, sizeof(format->stamp), "%Y-%m-%d %H:%M:%S", &tm) == 0)
            format->stamp[0] = '\0';
        if (format->datefmt) {
/* The template is the operator's own. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            if (strftime(format->stamp, sizeof(format->stamp), format->datefmt, &tm) == 0)
                format->stamp[0] = '\0';
#pragma GCC diagnostic pop
        }
        format->stamp_at = record->at.tv_sec;
    }
    gg_buf_text(out, format->stamp);
    if (!format->datefmt)
        gg_buf_printf(out, ",%03d", (int)(record->at.tv_nsec / 1000000));
}

/* One record is one line and a terminal obeys nothing in it: control characters become escapes. */
static void add_plain(struct gg_buf *out, struct gg_str s)
{
    size_t from = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.s[i];
        if ((c >= 0x20 && c != 0x7f) || c == '\t')
            continue;
        gg_buf_add(out, s.s + from, i - from);
        if (c == '\n')
            gg_buf_lit(out, "\\n");
        else
            gg_buf_printf(out, "\\x%02x", c);
        from = i + 1;
    }
    gg_buf_add(out, s.s + from, s.n - from);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void add_value(struct log_format *format, enum field field, const struct log_record *r, struct gg_buf *out)
{
    const char *base = base_name(r->file);
    switch (field) {
    case F_ASCTIME:
        add_stamp(format, r, out);
        break;
    case F_NAME:
        gg_buf_text(out, r->logger);
        break;
    case F_LINENO:
        gg_buf_i64(out, r->line);
        break;
    case F_LEVELNAME:
        gg_buf_text(out, log_level_name(r->level));
        break;
    case F_LEVELNO:
        gg_buf_i64(out, r->level);
        break;
    case F_MESSAGE:
        add_plain(out, r->message);
        break;
    case F_REQUEST:
        add_plain(out, gg_str(r->request ? r->request : "-"));
        break;
    case F_PATHNAME:
        gg_buf_text(out, r->file);
        break;
    case F_FILENAME:
        gg_buf_text(out, base);
        break;
    case F_MODULE:
        gg_buf_add(out, base, strcspn(base, "."));
        break;
    case F_PROCESS:
        gg_buf_i64(out, getpid());
        break;
    case F_MSECS:
        gg_buf_i64(out, r->at.tv_nsec / 1000000);
        break;
    case F_CREATED:
        gg_buf_printf(out, "%lld.%06d", (long long)r->at.tv_sec, (int)(r->at.tv_nsec / 1000));
        break;
    case F_FIBER:
        add_plain(out, gg_str(r->fiber ? r->fiber : "loop"));
        break;
    default:
        gg_buf_char(out, '-');
    }
}

/* Widths count bytes, not characters: they are used on names and numbers. */
static void pad(struct gg_buf *out, size_t from, const struct item *item)
{
    size_t n = out->n - from, width = (size_t)item->width;
    if (n >= width)
        return;
    size_t fill = width - n;
    gg_buf_reserve(out, fill);
    char *text = out->data + from;
    if (!item->left)
        memmove(text + fill, text, n);
    memset(item->left ? text + n : text, item->zeroes && !item->left ? '0' : ' ', fill);
    out->n += fill;
    out->data[out->n] = '\0';
}

static void write_text(struct log_format *format, const struct log_record *record, struct gg_buf *out)
{
    for (size_t i = 0; i < format->n_items; i++) {
        const struct item *item = &format->items[i];
        size_t from = out->n;
        if (item->field == F_LITERAL) {
            gg_buf_str(out, item->literal);
            continue;
        }
        add_value(format, item->field, record, out);
        if (item->precision >= 0 && item->field != F_CREATED && out->n - from > (size_t)item->precision) {
            out->n = from + (size_t)item->precision;
            out->data[out->n] = '\0';
        }
        pad(out, from, item);
    }
}

static void write_json(const struct log_format *format, const struct log_record *record, struct gg_buf *out)
{
    gg_buf_lit(out, "{\"log\":");
    gg_buf_json_string(out, record->message);
    gg_buf_lit(out, ",\"namespace\":");
    gg_buf_json_string(out, gg_str(record->logger));
    gg_buf_lit(out, ",\"level\":");
    gg_buf_json_string(out, gg_str(log_level_name(record->level)));
    if (format->kind == TERSE_JSON)
        gg_buf_printf(out, ",\"time\":%lld.%02d", (long long)record->at.tv_sec, (int)(record->at.tv_nsec / 10000000));
    if (record->request) {
        gg_buf_lit(out, ",\"request\":");
        gg_buf_json_string(out, gg_str(record->request));
    }
    gg_buf_char(out, '}');
}

void log_format_write(struct log_format *format, const struct log_record *record, struct gg_buf *out)
{
    if (format->kind == TEXT)
        write_text(format, record, out);
    else
        write_json(format, record, out);
    gg_buf_char(out, '\n');
}
