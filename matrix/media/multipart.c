/* matrix/media/multipart.c: a machine of four states that looks at each byte once. */
#include "media/multipart.h"

#include <stdio.h>
#include <strings.h>

enum { BODY, AFTER, HEADERS, END };
enum { MAX_BOUNDARY = 70, FILE_PART = 1 };

/* ---- the boundary ---- */

static bool boundary_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

static const char *skip_spaces(const char *at)
{
    return at + strspn(at, " \t");
}

/* The value of the parameter boundary, plain or quoted; its length, 0: none. */
static size_t find_boundary(const char *type, const char **out)
{
    static const char name[] = "boundary=";
    for (const char *at = strchr(type, ';'); at != NULL; at = strchr(at, ';')) {
        at = skip_spaces(at + 1);
        if (strncasecmp(at, name, strlen(name)) != 0)
            continue;
        at += strlen(name);
        bool quoted = *at == '"';
        *out = at + quoted;
        return strcspn(*out, quoted ? "\"" : "; \t");
    }
    return 0;
}

bool mx_multipart_begin(struct mx_multipart *m, const char *content_type, bool (*piece)(void *, const void *, size_t),
                        void *arg)
{
    static const char mixed[] = "multipart/mixed";
    const char *boundary = "";
    size_t n = find_boundary(content_type, &boundary);
    memset(m, 0, sizeof(*m));
    if (strncasecmp(content_type, mixed, strlen(mixed)) != 0 || n == 0 || n > MAX_BOUNDARY || boundary[n - 1] == ' ')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!boundary_char(boundary[i]))
            return false;
    m->n_delimiter = (size_t)snprintf(m->delimiter, sizeof(m->delimiter), "\r\n--%.*s", (int)n, boundary);
    m->matched = 2; /* the first one needs no line before it */
    m->part = -1;
    m->piece = piece;
    m->arg = arg;
    return true;
}

/* ---- a part's headers ---- */

static void take_header(struct mx_multipart *m, const char *line, size_t n)
{
    const struct {
        const char *name;
        char *out;
    } wanted[] = {{"Content-Type:", m->type}, {"Content-Disposition:", m->disposition}, {"Location:", m->location}};
    for (size_t i = 0; i < GG_COUNT(wanted); i++) {
        size_t name = strlen(wanted[i].name);
        if (n < name || strncasecmp(line, wanted[i].name, name) != 0)
            continue;
        while (name < n && (line[name] == ' ' || line[name] == '\t'))
            name++;
        if (n - name < MX_MULTIPART_VALUE) {
            memcpy(wanted[i].out, line + name, n - name);
            wanted[i].out[n - name] = '\0';
        }
    }
}

static void read_headers(struct mx_multipart *m)
{
    for (size_t at = 0; at + 1 < m->n_headers;) {
        const char *end = memchr(m->headers + at, '\r', m->n_headers - at);
        size_t n = end != NULL ? (size_t)(end - m->headers) - at : m->n_headers - at;
        take_header(m, m->headers + at, n);
        at += n + 2;
    }
}

static bool headers_byte(struct mx_multipart *m, char c)
{
    if (m->n_headers == MX_MULTIPART_HEADERS)
        return false;
    m->headers[m->n_headers++] = c;
    bool none = m->n_headers == 2 && memcmp(m->headers, "\r\n", 2) == 0;
    if (!none && (m->n_headers < 4 || memcmp(m->headers + m->n_headers - 4, "\r\n\r\n", 4) != 0))
        return true;
    if (m->part == FILE_PART)
        read_headers(m);
    m->state = BODY;
    m->matched = 0;
    return true;
}

/* ---- between parts ---- */

static bool after_byte(struct mx_multipart *m, char c)
{
    if (m->n_after == 0 && (c == ' ' || c == '\t'))
        return true;
    m->after[m->n_after++] = c;
    if (m->n_after < 2)
        return c == '-' || c == '\r';
    if (memcmp(m->after, "--", 2) == 0) {
        m->done = m->part >= FILE_PART;
        m->state = END;
        return m->done;
    }
    m->state = HEADERS;
    m->n_headers = 0;
    m->part++;
    return memcmp(m->after, "\r\n", 2) == 0;
}

/* ---- bodies ---- */

static bool emit(struct mx_multipart *m, const char *data, size_t n)
{
    if (n == 0)
        return true;
    if (m->part == FILE_PART)
        return m->piece(m->arg, data, n);
    m->json += n; /* and what stands before the first part and after the second */
    return m->json <= MX_MULTIPART_JSON;
}

/* As far as no delimiter has begun; then byte by byte. Returns how many were looked at, 0: bad. */
static size_t body_bytes(struct mx_multipart *m, const char *data, size_t n)
{
    if (m->matched == 0) {
        const char *cr = memchr(data, '\r', n);
        size_t plain = cr != NULL ? (size_t)(cr - data) : n;
        if (plain > 0)
            return emit(m, data, plain) ? plain : 0;
    }
    if (*data == m->delimiter[m->matched]) {
        if (++m->matched == m->n_delimiter) {
            m->state = AFTER;
            m->n_after = 0;
        }
        return 1;
    }
    /* What looked like a delimiter was none. A CR stands only at its beginning, so that nothing else has begun in it. The
     * one before the first part was given its line: that is not to be told. */
    size_t seen = m->matched;
    m->matched = 0;
    if (!emit(m, m->delimiter, seen))
        return 0;
    if (*data == '\r') {
        m->matched = 1;
        return 1;
    }
    return emit(m, data, 1) ? 1 : 0;
}

bool mx_multipart_feed(struct mx_multipart *m, const char *data, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t used = 1;
        if (m->state == BODY)
            used = body_bytes(m, data + at, n - at);
        else if (m->state == END)
            return true;
        else if (!(m->state == AFTER ? after_byte(m, data[at]) : headers_byte(m, data[at])))
            return false;
        if (used == 0)
            return false;
        at += used;
    }
    return true;
}
