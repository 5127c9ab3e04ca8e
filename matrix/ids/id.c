/* id.c: identifier grammars (specification, appendix "Identifier Grammar"). */
#include <ganglion/matrix/id.h>

#include "json/text.h"

static const struct gg_str none = {NULL, 0};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return ((unsigned char)c | 0x20) >= 'a' && ((unsigned char)c | 0x20) <= 'z';
}

static bool all_of(struct gg_str s, bool (*fits)(char))
{
    for (size_t i = 0; i < s.n; i++)
        if (!fits(s.s[i]))
            return false;
    return s.n > 0;
}

static bool dns_char(char c)
{
    return is_digit(c) || is_alpha(c) || c == '-' || c == '.';
}

static bool ipv6_char(char c)
{
    return is_digit(c) || (((unsigned char)c | 0x20) >= 'a' && ((unsigned char)c | 0x20) <= 'f') || c == ':' ||
           c == '.';
}

static bool user_char(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c && strchr("._=-/+", c));
}

static bool base64url_char(char c)
{
    return is_digit(c) || is_alpha(c) || c == '-' || c == '_';
}

static bool port_valid(struct gg_str s)
{
    return s.n >= 2 && s.n <= 6 && s.s[0] == ':' && all_of(gg_strn(s.s + 1, s.n - 1), is_digit);
}

bool mx_server_name_valid(struct gg_str s)
{
    const char *mark;
    size_t host;
    if (s.n == 0)
        return false;
    if (s.s[0] == '[') {
        if (!(mark = memchr(s.s, ']', s.n)))
            return false;
        host = (size_t)(mark - s.s) - 1;
        return host >= 2 && host <= 45 && all_of(gg_strn(s.s + 1, host), ipv6_char) &&
               (mark + 1 == s.s + s.n || port_valid(gg_strn(mark + 1, s.n - host - 2)));
    }
    mark = memchr(s.s, ':', s.n);
    host = mark ? (size_t)(mark - s.s) : s.n;
    return host >= 1 && host <= 255 && all_of(gg_strn(s.s, host), dns_char) &&
           (!mark || port_valid(gg_strn(mark, s.n - host)));
}

struct gg_str mx_id_localpart(struct gg_str id)
{
    const char *colon;
    if (id.n < 1)
        return none;
    colon = memchr(id.s, ':', id.n);
    return gg_strn(id.s + 1, colon ? (size_t)(colon - id.s) - (colon > id.s) : id.n - 1);
}

struct gg_str mx_id_domain(struct gg_str id)
{
    const char *colon = id.n ? memchr(id.s, ':', id.n) : NULL;
    return colon ? gg_strn(colon + 1, (size_t)(id.s + id.n - colon) - 1) : none;
}

/* "<sigil>local:domain" within 255 bytes, such as a row can hold. */
static bool with_domain(struct gg_str s, char sigil)
{
    struct gg_str domain = mx_id_domain(s);
    return s.n <= MX_ID_MAX && s.n > 1 && s.s[0] == sigil && domain.s && mx_server_name_valid(domain) &&
           mx_storable(s).s != NULL;
}

/* "<sigil><43 signs of base64>": a SHA-256. */
static bool hash_id(struct gg_str s, char sigil)
{
    return s.n == 44 && s.s[0] == sigil && all_of(gg_strn(s.s + 1, 43), base64url_char);
}

bool mx_user_id_valid(struct gg_str s)
{
    return with_domain(s, '@');
}

bool mx_localpart_strict(struct gg_str localpart)
{
    return all_of(localpart, user_char);
}

bool mx_user_id_strict(struct gg_str s)
{
    return with_domain(s, '@') && mx_localpart_strict(mx_id_localpart(s));
}

bool mx_room_id_valid(struct gg_str s)
{
    return with_domain(s, '!') || hash_id(s, '!');
}

bool mx_room_alias_valid(struct gg_str s)
{
    return with_domain(s, '#');
}

bool mx_event_id_valid(struct gg_str s)
{
    /* the hash of version 3 rooms is in standard base64, with '+' and '/' */
    return s.n > 1 && s.n <= MX_ID_MAX && s.s[0] == '$' && mx_storable(s).s != NULL &&
           (!memchr(s.s, ':', s.n) || with_domain(s, '$'));
}
