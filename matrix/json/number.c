/* number.c: numbers as Python's json module prints what it has read. */
#include "tree.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { INT_DIGITS_MAX = 4300 }; /* sys.int_info.default_max_str_digits: more digits and Python refuses */

bool mx_json_is_float(struct gg_str number)
{
    return memchr(number.s, '.', number.n) || memchr(number.s, 'e', number.n) || memchr(number.s, 'E', number.n);
}

/* Numbers of foreign texts may be long; what strtod needs must end in NUL. */
static double read_double(struct gg_str text)
{
    char small[64], *copy = text.n < sizeof(small) ? small : malloc(text.n + 1);
    double v;
    if (!copy)
        abort();
    memcpy(copy, text.s, text.n);
    copy[text.n] = '\0';
    v = strtod(copy, NULL);
    if (copy != small)
        free(copy);
    return v;
}

struct decimal {
    char digits[20]; /* without a point, no zeros at the end */
    int n;
    int exponent; /* value = 0.digits * 10^exponent */
};

static double decimal_value(const struct decimal *d)
{
    char text[40];
    snprintf(text, sizeof(text), "0.%.*se%d", d->n, d->digits, d->exponent);
    return strtod(text, NULL);
}

static struct decimal rounded(double v, int digits)
{
    char text[40];
    struct decimal d = {.n = digits};
    snprintf(text, sizeof(text), "%.*e", digits - 1, v); /* d.ddde+xx */
    d.digits[0] = text[0];
    memcpy(d.digits + 1, text + 2, (size_t)(digits - 1));
    d.exponent = 1 + (int)strtol(text + (digits > 1 ? digits + 2 : 2), NULL, 10);
    return d;
}

/* The next greater decimal of as many digits. */
static struct decimal above(struct decimal d)
{
    int i = d.n - 1;
    while (i >= 0 && d.digits[i] == '9')
        d.digits[i--] = '0';
    if (i >= 0) {
        d.digits[i]++;
    } else {
        d.digits[0] = '1';
        d.exponent++;
    }
    return d;
}

/* The shortest decimal that reads back as v (> 0, finite); of those the nearest to v. */
static struct decimal shortest(double v)
{
    struct decimal d;
    int scale;
    bool power_of_two = frexp(v, &scale) == 0.5; /* then the gap above is twice the gap below */
    for (int digits = v < 2.3e-308 ? 1 : 15; digits < 17; digits++) {
        d = rounded(v, digits);
        if (decimal_value(&d) == v)
            goto found;
        if (power_of_two) {
            d = above(d);
            if (decimal_value(&d) == v)
                goto found;
        }
    }
    d = rounded(v, 17);
found:
    while (d.n > 1 && d.digits[d.n - 1] == '0')
        d.n--;
    return d;
}

static void write_fixed(struct gg_buf *out, const struct decimal *d)
{
    static const char zeros[] = "00000000000000000000";
    if (d->exponent <= 0) {
        gg_buf_printf(out, "0.%.*s%.*s", -d->exponent, zeros, d->n, d->digits);
    } else if (d->n <= d->exponent) {
        gg_buf_printf(out, "%.*s%.*s.0", d->n, d->digits, d->exponent - d->n, zeros);
    } else {
        gg_buf_printf(out, "%.*s.%.*s", d->exponent, d->digits, d->n - d->exponent, d->digits + d->exponent);
    }
}

/* repr() of a Python float: exponents from 16 digits on and below 1e-4. */
static void write_double(struct gg_buf *out, double v)
{
    struct decimal d;
    if (signbit(v))
        gg_buf_char(out, '-');
    v = fabs(v);
    if (v == 0) {
        gg_buf_lit(out, "0.0");
        return;
    }
    d = shortest(v);
    if (d.exponent > -4 && d.exponent <= 16) {
        write_fixed(out, &d);
        return;
    }
    gg_buf_char(out, d.digits[0]);
    if (d.n > 1)
        gg_buf_printf(out, ".%.*s", d.n - 1, d.digits + 1);
    gg_buf_printf(out, "e%c%02d", d.exponent > 0 ? '+' : '-', abs(d.exponent - 1));
}

void mx_json_number(struct gg_buf *out, struct gg_str text)
{
    double v;
    if (text.n == 2 && text.s[0] == '-' && text.s[1] == '0') {
        gg_buf_char(out, '0');
    } else if (!mx_json_is_float(text)) {
        gg_buf_str(out, text);
    } else if (isinf(v = read_double(text))) {
        gg_buf_str(out, text); /* what canonicaljson refuses: see mx_json_canonical_check */
    } else {
        write_double(out, v);
    }
}

const char *mx_json_number_wrong(struct gg_str number)
{
    if (mx_json_is_float(number))
        return isinf(read_double(number)) ? "a number beyond what a double holds" : NULL;
    return number.n - (number.s[0] == '-') > INT_DIGITS_MAX ? "an integer of more than 4300 digits" : NULL;
}
