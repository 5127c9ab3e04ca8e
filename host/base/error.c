/* error.c: fills and prints struct gg_error. */
#include <ganglion/buf.h>
#include <ganglion/error.h>

#include <stdarg.h>
#include <stdio.h>

struct status_row {
    int code;
    const char *name;
    int http;
    const char *errcode;
};

static const struct status_row statuses[] = {
    {GG_OK, "OK", 200, "M_UNKNOWN"},
    {GG_E_NOMEM, "NOMEM", 500, "M_UNKNOWN"},
    {GG_E_INVALID, "INVALID", 400, "M_INVALID_PARAM"},
    {GG_E_NOT_FOUND, "NOT_FOUND", 404, "M_NOT_FOUND"},
    {GG_E_FORBIDDEN, "FORBIDDEN", 403, "M_FORBIDDEN"},
    {GG_E_CONFLICT, "CONFLICT", 409, "M_UNKNOWN"},
    {GG_E_TIMEOUT, "TIMEOUT", 503, "M_UNKNOWN"},
    {GG_E_CANCELLED, "CANCELLED", 503, "M_UNKNOWN"},
    {GG_E_CLOSED, "CLOSED", 503, "M_UNKNOWN"},
    {GG_E_UNAVAILABLE, "UNAVAILABLE", 503, "M_UNKNOWN"},
    {GG_E_IO, "IO", 500, "M_UNKNOWN"},
    {GG_E_PROTOCOL, "PROTOCOL", 502, "M_UNKNOWN"},
    {GG_E_LIMIT, "LIMIT", 413, "M_TOO_LARGE"},
    {GG_E_IN_DOUBT, "IN_DOUBT", 503, "M_UNKNOWN"},
    {GG_E_INTERNAL, "INTERNAL", 500, "M_UNKNOWN"},
};

static const struct status_row *row_of(int code)
{
    for (size_t i = 0; i < GG_COUNT(statuses); i++)
        if (statuses[i].code == code)
            return &statuses[i];
    return &statuses[GG_COUNT(statuses) - 1];
}

const char *gg_status_name(int code)
{
    const struct status_row *row = row_of(code);
    return row->code == code ? row->name : "?";
}

/* A copy that cuts at a whole UTF-8 character, since the text may go to a client. */
static void cut_utf8(char *text, size_t size, int wanted)
{
    if (wanted < 0 || (size_t)wanted < size)
        return;
    size_t n = size - 1;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)text[n - 1] >= 0xc0)
        n--;
    text[n] = '\0';
}

static GG_PRINTF(4, 0) void set_text(struct gg_error *err, const char *file, int line, const char *fmt, va_list ap)
{
    err->extra[0] = '\0';
    err->file = file;
    err->line = line;
    cut_utf8(err->message, sizeof(err->message), vsnprintf(err->message, sizeof(err->message), fmt, ap));
}

int gg_error_set(struct gg_error *err, int code, const char *file, int line, const char *fmt, ...)
{
    const struct status_row *row = row_of(code);
    err->code = code;
    err->http_status = row->http;
    err->inward = true;
    snprintf(err->errcode, sizeof(err->errcode), "%s", row->errcode);
    va_list ap;
    va_start(ap, fmt);
    set_text(err, file, line, fmt, ap);
    va_end(ap);
    return code;
}

static int code_of_http(int status)
{
    switch (status) {
    case 401:
    case 403:
        return GG_E_FORBIDDEN;
    case 404:
        return GG_E_NOT_FOUND;
    case 409:
        return GG_E_CONFLICT;
    case 413:
    case 429:
        return GG_E_LIMIT;
    case 502:
    case 503:
    case 504:
        return GG_E_UNAVAILABLE;
    default:
        return status >= 400 && status < 500 ? GG_E_INVALID : GG_E_INTERNAL;
    }
}

int gg_error_refuse(struct gg_error *err, int http_status, const char *errcode, const char *file, int line,
                    const char *fmt, ...)
{
    err->code = code_of_http(http_status);
    err->http_status = http_status;
    err->inward = false;
    snprintf(err->errcode, sizeof(err->errcode), "%s", errcode);
    va_list ap;
    va_start(ap, fmt);
    set_text(err, file, line, fmt, ap);
    va_end(ap);
    return err->code;
}

void gg_error_extra(struct gg_error *err, const char *key, const char *json)
{
    struct gg_buf b = GG_BUF_INIT;
    if (err->extra[0])
        gg_buf_char(&b, ',');
    gg_buf_json_string(&b, gg_str(key));
    gg_buf_char(&b, ':');
    gg_buf_text(&b, json);
    size_t used = strlen(err->extra);
    if (used + b.n < sizeof(err->extra))
        memcpy(err->extra + used, b.data, b.n + 1);
    gg_buf_done(&b);
}

void gg_error_prefix(struct gg_error *err, const char *fmt, ...)
{
    char old[sizeof(err->message)];
    memcpy(old, err->message, sizeof(old));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->message, sizeof(err->message), fmt, ap);
    va_end(ap);
    cut_utf8(err->message, sizeof(err->message), n);
    if (n < 0 || (size_t)n >= sizeof(err->message))
        return;
    size_t room = sizeof(err->message) - (size_t)n;
    cut_utf8(err->message + n, room, snprintf(err->message + n, room, ": %s", old));
}

/* Messages of at most 399 bytes grow sixfold at worst when all of them are control
 * characters; that would not fit, so they become spaces here. */
static void add_message(struct gg_buf *b, const char *message)
{
    char plain[sizeof(((struct gg_error *)0)->message)];
    size_t n = 0;
    for (; message[n]; n++)
        plain[n] = (unsigned char)message[n] < 0x20 ? ' ' : message[n];
    gg_buf_json_string(b, gg_strn(plain, n));
}

/* What went wrong inside (SQL, paths, names of hosts) is logged; a client is told no more than that it did. */
static const char *message_for_client(const struct gg_error *err)
{
    if (!err->inward || err->http_status < 500)
        return err->message;
    return err->http_status == 503 ? "Service unavailable" : "Internal server error";
}

size_t gg_error_json(const struct gg_error *err, char *out, size_t size)
{
    struct gg_buf b = GG_BUF_INIT;
    gg_buf_lit(&b, "{\"errcode\":");
    gg_buf_json_string(&b, gg_str(err->errcode[0] ? err->errcode : "M_UNKNOWN"));
    gg_buf_lit(&b, ",\"error\":");
    add_message(&b, message_for_client(err));
    if (err->extra[0]) {
        gg_buf_char(&b, ',');
        gg_buf_text(&b, err->extra);
    }
    gg_buf_char(&b, '}');
    if (size == 0 || b.n >= size) {
        gg_buf_done(&b);
        return size ? (size_t)snprintf(out, size, "%.*s", (int)size - 1, "{}") : 0;
    }
    size_t n = b.n;
    memcpy(out, b.data, n + 1);
    gg_buf_done(&b);
    return n;
}
