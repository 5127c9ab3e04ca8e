/* matrix/media/range.c: Range and entity tags of requests. */
#include "media/range.h"

#include <strings.h>

/* Digits, at least one; -1: none, or more than any file has. */
static int64_t number(const char **at)
{
    int64_t value = -1;
    for (; **at >= '0' && **at <= '9'; (*at)++) {
        if (value > (INT64_MAX - 9) / 10)
            return -1;
        value = (value < 0 ? 0 : value) * 10 + (**at - '0');
    }
    return value;
}

static const char *skip(const char *at)
{
    return at + strspn(at, " \t");
}

enum mx_range mx_range_read(const char *header, int64_t length, int64_t *from, int64_t *n)
{
    *from = 0;
    *n = length;
    if (header == NULL || strncasecmp(header, "bytes=", 6) != 0)
        return MX_RANGE_WHOLE;
    const char *at = skip(header + 6);
    bool suffix = *at == '-', open;
    int64_t first = suffix ? 0 : number(&at);
    if (first < 0 || *at != '-')
        return MX_RANGE_WHOLE;
    at++;
    open = *at < '0' || *at > '9';
    int64_t last = open ? -1 : number(&at);
    if (*skip(at) != '\0' || (!open && last < 0) || (suffix && open))
        return MX_RANGE_WHOLE;
    if (suffix) { /* the last bytes */
        first = last < length ? length - last : 0;
        last = last > 0 ? length - 1 : -1;
    } else if (open || last >= length) {
        last = length - 1;
    } else if (last < first) {
        return MX_RANGE_WHOLE;
    }
    if (first >= length || last < first)
        return MX_RANGE_NONE;
    *from = first;
    *n = last - first + 1;
    return MX_RANGE_PART;
}

bool mx_etag_listed(const char *header, const char *tag)
{
    size_t n = strlen(tag);
    for (const char *at = header; at != NULL && *at != '\0'; at += *at == ',') {
        at = skip(at);
        at += strncmp(at, "W/", 2) == 0 ? 2 : 0;
        at += *at == '"';
        size_t have = strcspn(at, "\", \t");
        if ((have == n && memcmp(at, tag, n) == 0) || (have == 1 && *at == '*'))
            return true;
        at += strcspn(at, ",");
    }
    return false;
}
