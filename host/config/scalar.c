/* YAML 1.1 scalars as PyYAML resolves them, and Synapse's durations and sizes.
 *
 * The patterns are matched by hand: each match_ function consumes what one line
 * of the YAML 1.1 type repository (as PyYAML narrows it) describes. */
#include "config/scalar.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

enum { MAX_FLOAT_TEXT = 512 };

static bool is_one_of(struct gg_str text, const char *const *words)
{
    for (; *words; words++)
        if (gg_str_is(text, *words))
            return true;
    return false;
}

static size_t span(struct gg_str text, size_t at, const char *set)
{
    size_t i = at;

    while (i < text.n && text.s[i] && strchr(set, text.s[i]))
        i++;
    return i;
}

static size_t skip_sign(struct gg_str text)
{
    return text.n > 0 && (text.s[0] == '-' || text.s[0] == '+') ? 1 : 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* (:[0-5]?[0-9])+ from at; the end, or 0 if there is no such part. */
static size_t span_sixties(struct gg_str text, size_t at)
{
    size_t i = at;

    while (i + 1 < text.n && text.s[i] == ':' && is_digit(text.s[i + 1])) {
        if (i + 2 < text.n && is_digit(text.s[i + 2])) {
            if (text.s[i + 1] > '5')
                return 0;
            i += 3;
        } else {
            i += 2;
        }
    }
    return i > at ? i : 0;
}

static bool looks_int(struct gg_str text)
{
    size_t i = skip_sign(text);

    if (i >= text.n || !is_digit(text.s[i]))
        return false;
    if (text.s[i] == '0') {
        if (i + 1 == text.n)
            return true;
        if (text.s[i + 1] == 'b')
            return i + 2 < text.n && span(text, i + 2, "01_") == text.n;
        if (text.s[i + 1] == 'x')
            return i + 2 < text.n && span(text, i + 2, "0123456789abcdefABCDEF_") == text.n;
        return span(text, i + 1, "01234567_") == text.n;
    }
    i = span(text, i, "0123456789_");
    return i == text.n || span_sixties(text, i) == text.n;
}

/* ([eE][-+][0-9]+)? up to the end */
static bool ends_in_exponent(struct gg_str text, size_t i)
{
    if (i == text.n)
        return true;
    return i + 2 < text.n && (text.s[i] == 'e' || text.s[i] == 'E') && (text.s[i + 1] == '-' || text.s[i + 1] == '+') &&
           span(text, i + 2, "0123456789") == text.n;
}

static bool looks_float(struct gg_str text)
{
    static const char *const infinite[] = {".inf", ".Inf", ".INF", NULL}, *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    size_t sign = skip_sign(text), i = sign, sixties;

    if (is_one_of(gg_strn(text.s + sign, text.n - sign), infinite) || is_one_of(text, nan))
        return true;
    if (text.n > 1 && text.s[0] == '.' && is_digit(text.s[1]))
        return ends_in_exponent(text, span(text, 1, "0123456789_"));
    if (i >= text.n || !is_digit(text.s[i]))
        return false;
    i = span(text, i, "0123456789_");
    sixties = span_sixties(text, i);
    if (sixties)
        return sixties < text.n && text.s[sixties] == '.' && span(text, sixties + 1, "0123456789_") == text.n;
    return i < text.n && text.s[i] == '.' && ends_in_exponent(text, span(text, i + 1, "0123456789_"));
}

static int digit_value(char c)
{
    if (is_digit(c))
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

/* Digits of a base from at to end, underscores skipped; ':' starts the next
 * sixtieth when base is 10. False on overflow or when there is no digit. */
static bool read_digits(struct gg_str text, size_t at, unsigned base, uint64_t *out)
{
    uint64_t total = 0, part = 0;
    bool any = false;

    for (size_t i = at; i < text.n; i++) {
        if (text.s[i] == '_')
            continue;
        if (text.s[i] == ':' && base == 10) {
            if (__builtin_add_overflow(total, part, &total) || __builtin_mul_overflow(total, 60u, &total))
                return false;
            part = 0;
            continue;
        }
        int digit = digit_value(text.s[i]);
        if ((unsigned)digit >= base || __builtin_mul_overflow(part, base, &part) ||
            __builtin_add_overflow(part, (unsigned)digit, &part))
            return false;
        any = true;
    }
    return any && !__builtin_add_overflow(total, part, out);
}

bool gg_scalar_int(struct gg_str text, int64_t *out)
{
    size_t i = skip_sign(text);
    bool negative = i && text.s[0] == '-', octal;
    uint64_t value;

    while (i < text.n && text.s[i] == '_') /* only a !!int tag gets here with one */
        i++;
    octal = i + 1 < text.n && text.s[i] == '0';
    if (octal && text.s[i + 1] == 'b') {
        if (!read_digits(text, i + 2, 2, &value))
            return false;
    } else if (octal && text.s[i + 1] == 'x') {
        if (!read_digits(text, i + 2, 16, &value))
            return false;
    } else if (!read_digits(text, i, octal ? 8 : 10, &value)) {
        return false;
    }
    if (value > (uint64_t)INT64_MAX + (negative ? 1 : 0))
        return false;
    *out = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

/* One part between colons; *end is set behind it. */
static bool read_part(const char *s, const char **end, double *out)
{
    char *stop;

    if (!is_digit(*s) && *s != '.')
        return false;
    *out = strtod(s, &stop);
    *end = stop;
    return stop != s && (*stop == '\0' || *stop == ':');
}

bool gg_scalar_float(struct gg_str text, double *out)
{
    char plain[MAX_FLOAT_TEXT];
    size_t n = 0;
    double sign = 1, value = 0, part;

    if (text.n >= sizeof(plain))
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.s[i] != '_')
            plain[n++] = text.s[i];
    plain[n] = '\0';
    const char *s = plain;
    if (*s == '-' || *s == '+')
        sign = *s++ == '-' ? -1 : 1;
    if (strcasecmp(s, ".inf") == 0)
        return *out = sign * (double)INFINITY, true;
    if (strcasecmp(s, ".nan") == 0)
        return *out = (double)NAN, true;
    for (;; s++) {
        if (!read_part(s, &s, &part))
            return false;
        value = value * 60 + part;
        if (*s == '\0')
            break;
    }
    *out = sign * value;
    return true;
}

static bool same_word(struct gg_str text, const char *word)
{
    return text.n == strlen(word) && strncasecmp(text.s, word, text.n) == 0;
}

bool gg_scalar_bool(struct gg_str text, bool *out)
{
    if (same_word(text, "yes") || same_word(text, "true") || same_word(text, "on"))
        return *out = true, true;
    if (same_word(text, "no") || same_word(text, "false") || same_word(text, "off"))
        return *out = false, true;
    return false;
}

int gg_scalar_resolve(struct gg_str text, struct gg_scalar *out)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const bools[] = {"yes",   "Yes",   "YES", "no", "No", "NO",  "true", "True", "TRUE", "false",
                                        "False", "FALSE", "on",  "On", "ON", "off", "Off",  "OFF",  NULL};

    if (is_one_of(text, nulls))
        return GG_NODE_NULL;
    if (is_one_of(text, bools)) {
        gg_scalar_bool(text, &out->b);
        return GG_NODE_BOOL;
    }
    if (looks_float(text))
        return gg_scalar_float(text, &out->d) ? GG_NODE_FLOAT : -1;
    if (looks_int(text))
        return gg_scalar_int(text, &out->i) ? GG_NODE_INT : -1;
    return GG_NODE_TEXT;
}

/* Whole digits with an optional unit letter of `units`, scaled; -1 if it is none. */
static int64_t parse_scaled(const char *text, const char *units, const int64_t *scales)
{
    struct gg_str digits = gg_str(text);
    int64_t scale = 1, value;
    const char *unit = digits.n > 0 ? strchr(units, digits.s[digits.n - 1]) : NULL;

    if (unit) {
        scale = scales[unit - units];
        digits.n--;
    }
    if (digits.n == 0 || digits.n > 18 || span(digits, 0, "0123456789") != digits.n)
        return -1;
    value = strtoll(digits.s, NULL, 10);
    return __builtin_mul_overflow(value, scale, &value) ? -1 : value;
}

int64_t gg_parse_duration(const char *text)
{
    static const int64_t second = 1000, day = 86400000;
    const int64_t scales[] = {second, 60 * second, 3600 * second, day, 7 * day, 365 * day};

    return parse_scaled(text, "smhdwy", scales);
}

int64_t gg_parse_size(const char *text)
{
    static const int64_t scales[] = {1LL << 10, 1LL << 20, 1LL << 30, 1LL << 40};

    return parse_scaled(text, "KMGT", scales);
}
