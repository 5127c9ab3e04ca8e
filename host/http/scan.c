/* The framing of requests, looked over before the parser library sees it.
 *
 * Debian builds libhttp-parser in its lenient mode: a bare carriage return or line
 * feed ends a line, headers may be folded, and what stands between chunks is not
 * compared with CR LF. All of that is refused here. */
#include "http/conn.h"

#include <string.h>

enum { VERSION_BYTES = 8 }; /* "HTTP/1.1" */

/* ---- the lines of the head ---- */

/* Keeps the last bytes of the request line, which may come in pieces. */
static void keep_tail(char *tail, const char *data, size_t n)
{
    if (n >= VERSION_BYTES) {
        memcpy(tail, data + n - VERSION_BYTES, VERSION_BYTES);
        return;
    }
    memmove(tail, tail + n, VERSION_BYTES - n);
    memcpy(tail + VERSION_BYTES - n, data, n);
}

static bool is_version(const char *tail)
{
    return memcmp(tail, "HTTP/", 5) == 0 && tail[6] == '.';
}

/* One piece of a line, up to its LF or the end of the bytes. */
static bool check_piece(struct gg_http_conn *conn, const char *p, size_t n, bool whole)
{
    if (conn->scan.after_cr && (n > 0 || !whole)) /* the CR of the piece before was not followed by LF */
        return false;
    const char *cr = memchr(p, '\r', n);
    if (cr != NULL && cr != p + n - 1)
        return false;
    if (whole && cr == NULL && !conn->scan.after_cr)
        return false;
    size_t text = cr != NULL ? n - 1 : n;
    if (!conn->scan.later)
        keep_tail(conn->scan.tail, p, text);
    conn->scan.line += (uint32_t)text;
    conn->scan.after_cr = cr != NULL && !whole;
    return true;
}

ssize_t gg_scan_head(struct gg_http_conn *conn, const char *data, size_t n)
{
    const char *p = data, *end = data + n;
    while (p < end && !conn->scan.ended) {
        conn->scan.begun = true;
        if (conn->scan.after_lf && (*p == ' ' || *p == '\t'))
            return -1; /* a folded header */
        conn->scan.after_lf = false;
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (!check_piece(conn, p, (size_t)((lf != NULL ? lf : end) - p), lf != NULL))
            return -1;
        if (lf == NULL)
            return (ssize_t)n;
        if (!conn->scan.later && !is_version(conn->scan.tail))
            return -1;
        conn->scan.ended = conn->scan.line == 0;
        conn->scan.line = 0;
        conn->scan.later = conn->scan.after_lf = true;
        p = lf + 1;
    }
    return p - data;
}

/* ---- chunks ---- */

enum { CHUNK_SIZE, CHUNK_EXTENSION, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_CR, CHUNK_LF, CHUNK_TRAILER, CHUNK_END };

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool size_char(struct gg_http_conn *conn, char c)
{
    int digit = hex(c);
    if (digit >= 0) {
        conn->scan.left = conn->scan.left * 16 + (uint64_t)digit;
        return ++conn->scan.line <= 15;
    }
    conn->scan.chunk = c == '\r' ? CHUNK_SIZE_LF : CHUNK_EXTENSION;
    return conn->scan.line > 0 && (c == '\r' || c == ';' || c == ' ' || c == '\t');
}

static void begin_trailer(struct gg_http_conn *conn)
{
    memset(&conn->scan, 0, sizeof(conn->scan));
    conn->scan.begun = conn->scan.later = true;
    conn->scan.chunk = CHUNK_TRAILER;
}

static bool framing_char(struct gg_http_conn *conn, char c)
{
    switch (conn->scan.chunk) {
    case CHUNK_SIZE:
        return size_char(conn, c);
    case CHUNK_EXTENSION:
        if (c == '\r')
            conn->scan.chunk = CHUNK_SIZE_LF;
        return c != '\n';
    case CHUNK_SIZE_LF:
        if (conn->scan.left == 0)
            begin_trailer(conn);
        else
            conn->scan.chunk = CHUNK_DATA;
        return c == '\n';
    case CHUNK_CR:
        conn->scan.chunk = CHUNK_LF;
        return c == '\r';
    default: /* CHUNK_LF */
        conn->scan.chunk = CHUNK_SIZE;
        conn->scan.line = 0;
        return c == '\n';
    }
}

bool gg_scan_chunks(struct gg_http_conn *conn, const char *data, size_t n)
{
    for (size_t at = 0; at < n && conn->scan.chunk != CHUNK_END;) {
        if (conn->scan.chunk == CHUNK_DATA) {
            uint64_t take = conn->scan.left < n - at ? conn->scan.left : n - at;
            conn->scan.left -= take;
            at += (size_t)take;
            if (conn->scan.left == 0)
                conn->scan.chunk = CHUNK_CR;
        } else if (conn->scan.chunk == CHUNK_TRAILER) {
            ssize_t took = gg_scan_head(conn, data + at, n - at);
            if (took < 0)
                return false;
            at += (size_t)took;
            if (conn->scan.ended)
                conn->scan.chunk = CHUNK_END;
        } else if (!framing_char(conn, data[at++])) {
            return false;
        }
    }
    return true;
}
