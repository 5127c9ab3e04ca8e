/* expression.c: expressions of templates: names, texts, numbers, operators, filters. Descends to a bound. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>

#include "pages/template.h"

struct parse {
    struct mx_tpl *t;
    const char *p, *end;
    int depth;
    struct gg_error *err;
};

enum { NAME_MAX_BYTES = 64, EXPR_DEPTH = 24 };

struct mx_tpl_value mx_tpl_keep(struct mx_tpl *t, json_t *v)
{
    if (v != NULL)
        json_array_append_new(t->junk, v);
    return (struct mx_tpl_value){.v = v};
}

struct mx_tpl_value mx_tpl_text(struct mx_tpl *t, struct gg_str text, bool safe)
{
    struct mx_tpl_value v = mx_tpl_keep(t, json_stringn_nocheck(text.s != NULL ? text.s : "", text.n));
    v.safe = safe;
    return v;
}

bool mx_tpl_true(struct mx_tpl_value v)
{
    switch (v.v != NULL ? json_typeof(v.v) : JSON_NULL) {
    case JSON_STRING: return json_string_length(v.v) > 0;
    case JSON_INTEGER: return json_integer_value(v.v) != 0;
    case JSON_REAL: return json_real_value(v.v) != 0;
    case JSON_ARRAY: return json_array_size(v.v) > 0;
    case JSON_OBJECT: return json_object_size(v.v) > 0;
    case JSON_TRUE: return true;
    default: return false;
    }
}

void mx_tpl_print(struct gg_buf *out, struct mx_tpl_value v)
{
    if (v.v == NULL)
        return;
    switch (json_typeof(v.v)) {
    case JSON_STRING: gg_buf_add(out, json_string_value(v.v), json_string_length(v.v)); break;
    case JSON_INTEGER: gg_buf_printf(out, "%lld", (long long)json_integer_value(v.v)); break;
    case JSON_REAL: gg_buf_printf(out, "%.12g", json_real_value(v.v)); break;
    case JSON_TRUE: gg_buf_lit(out, "True"); break;
    case JSON_FALSE: gg_buf_lit(out, "False"); break;
    case JSON_NULL: gg_buf_lit(out, "None"); break;
    default: break; /* lists and objects have no text that a page would want */
    }
}

/* ---- reading ---- */

static void skip_space(struct parse *p)
{
    while (p->p < p->end && isspace((unsigned char)*p->p))
        p->p++;
}

static bool take(struct parse *p, const char *sign)
{
    size_t n = strlen(sign);
    skip_space(p);
    if ((size_t)(p->end - p->p) < n || memcmp(p->p, sign, n) != 0)
        return false;
    p->p += n;
    return true;
}

static struct gg_str peek_name(struct parse *p)
{
    skip_space(p);
    const char *q = p->p;
    if (q < p->end && (isalpha((unsigned char)*q) || *q == '_'))
        while (q < p->end && (isalnum((unsigned char)*q) || *q == '_'))
            q++;
    return gg_strn(p->p, (size_t)(q - p->p));
}

static bool take_word(struct parse *p, const char *word)
{
    if (!gg_str_is(peek_name(p), word))
        return false;
    p->p += strlen(word);
    return true;
}

static int bad(struct parse *p, const char *why)
{
    size_t n = (size_t)(p->end - p->p);
    return gg_fail(p->err, GG_E_INVALID, "%s at \"%.*s\"", why, (int)(n < 40 ? n : 40), p->p);
}

static int ternary(struct parse *p, struct mx_tpl_value *out);

static int text_literal(struct parse *p, struct mx_tpl_value *out)
{
    struct gg_buf text = GG_BUF_INIT;
    char quote = *p->p++;
    while (p->p < p->end && *p->p != quote) {
        if (*p->p == '\\' && p->p + 1 < p->end)
            p->p++;
        gg_buf_char(&text, *p->p++);
    }
    int rc = p->p < p->end ? 0 : bad(p, "a text is not closed");
    p->p += rc == 0;
    *out = mx_tpl_text(p->t, gg_buf_view(&text), false);
    gg_buf_done(&text);
    return rc;
}

static int number_literal(struct parse *p, struct mx_tpl_value *out)
{
    char digits[32];
    size_t n = 0;
    while (p->p < p->end && n + 1 < sizeof(digits) && (isdigit((unsigned char)*p->p) || *p->p == '.'))
        digits[n++] = *p->p++;
    digits[n] = '\0';
    *out = mx_tpl_keep(p->t, memchr(digits, '.', n) != NULL ? json_real(strtod(digits, NULL)) : json_integer(atoll(digits)));
    return 0;
}

/* Markup stands in the context as {"__html__": text}. */
static struct mx_tpl_value unwrap(const json_t *v)
{
    const json_t *html = json_object_get(v, "__html__");
    return html != NULL ? (struct mx_tpl_value){html, true} : (struct mx_tpl_value){v, false};
}

static struct mx_tpl_value member(const json_t *object, struct gg_str name)
{
    char key[NAME_MAX_BYTES + 1];
    if (name.n > NAME_MAX_BYTES || memchr(name.s, '\0', name.n) != NULL)
        return (struct mx_tpl_value){NULL, false};
    memcpy(key, name.s, name.n);
    key[name.n] = '\0';
    return unwrap(json_object_get(object, key));
}

static struct mx_tpl_value lookup(struct parse *p, struct gg_str name)
{
    static const struct {
        const char *word;
        json_type type;
    } words[] = {{"true", JSON_TRUE}, {"True", JSON_TRUE}, {"false", JSON_FALSE}, {"False", JSON_FALSE}, {"none", JSON_NULL},
                 {"None", JSON_NULL}};
    for (size_t i = 0; i < GG_COUNT(words); i++)
        if (gg_str_is(name, words[i].word))
            return mx_tpl_keep(p->t, words[i].type == JSON_TRUE ? json_true()
                                     : words[i].type == JSON_FALSE ? json_false() : json_null());
    for (size_t i = p->t->n_names; i > 0; i--)
        if (gg_str_eq(p->t->names[i - 1].name, name))
            return unwrap(p->t->names[i - 1].v);
    return member(p->t->values, name);
}

static int primary(struct parse *p, struct mx_tpl_value *out)
{
    skip_space(p);
    if (p->p == p->end)
        return bad(p, "something is missing");
    if (*p->p == '"' || *p->p == '\'')
        return text_literal(p, out);
    if (isdigit((unsigned char)*p->p))
        return number_literal(p, out);
    if (take(p, "(")) {
        int rc = ternary(p, out);
        return rc != 0 || take(p, ")") ? rc : bad(p, "a bracket is not closed");
    }
    struct gg_str name = peek_name(p);
    if (name.n == 0)
        return bad(p, "not understood");
    p->p += name.n;
    *out = lookup(p, name);
    return 0;
}

/* a.b, a[b] */
static int subscript(struct parse *p, struct mx_tpl_value *v)
{
    struct mx_tpl_value key;
    int rc = ternary(p, &key);
    if (rc < 0 || !take(p, "]"))
        return rc < 0 ? rc : bad(p, "a bracket is not closed");
    if (json_is_string(key.v)) {
        *v = member(v->v, gg_strn(json_string_value(key.v), json_string_length(key.v)));
    } else {
        json_int_t i = json_integer_value(key.v), n = (json_int_t)json_array_size(v->v);
        i += i < 0 ? n : 0;
        *v = i >= 0 && i < n ? unwrap(json_array_get(v->v, (size_t)i)) : (struct mx_tpl_value){NULL, false};
    }
    return 0;
}

static int filtered(struct parse *p, struct mx_tpl_value *v)
{
    struct mx_tpl_value args[MX_TPL_ARGS];
    size_t n = 0;
    struct gg_str name = peek_name(p);
    p->p += name.n;
    if (take(p, "(") && !take(p, ")"))
        for (bool more = true; more; more = !take(p, ")")) {
            int rc = n == MX_TPL_ARGS ? bad(p, "too many arguments") : ternary(p, &args[n++]);
            if (rc < 0)
                return rc;
            if (!take(p, ",") && (skip_space(p), p->p == p->end || *p->p != ')'))
                return bad(p, "arguments are not closed");
        }
    return mx_tpl_filter(p->t, name, *v, args, n, v, p->err);
}

static int postfix(struct parse *p, struct mx_tpl_value *out)
{
    int rc = primary(p, out);
    while (rc == 0) {
        if (take(p, ".")) {
            struct gg_str name = peek_name(p);
            p->p += name.n;
            *out = member(out->v, name);
            rc = name.n > 0 ? 0 : bad(p, "a name is missing");
        } else if (take(p, "[")) {
            rc = subscript(p, out);
        } else if (take(p, "|")) {
            rc = filtered(p, out);
        } else {
            skip_space(p);
            return p->p < p->end && *p->p == '(' ? bad(p, "calls are not known") : 0;
        }
    }
    return rc;
}

/* ---- operators, from those that bind most ---- */

static double number(struct mx_tpl_value v)
{
    return json_number_value(v.v);
}

static int arithmetic(struct parse *p, char op, struct mx_tpl_value a, struct mx_tpl_value b, struct mx_tpl_value *out)
{
    if (op == '%' && json_is_string(a.v)) {
        *out = mx_tpl_format(p->t, gg_strn(json_string_value(a.v), json_string_length(a.v)), &b, 1);
        return 0;
    }
    if (op == '~' || (op == '+' && (json_is_string(a.v) || json_is_string(b.v)))) {
        struct gg_buf text = GG_BUF_INIT;
        mx_tpl_print(&text, a);
        mx_tpl_print(&text, b);
        *out = mx_tpl_text(p->t, gg_buf_view(&text), a.safe && b.safe);
        gg_buf_done(&text);
        return 0;
    }
    bool whole = !json_is_real(a.v) && !json_is_real(b.v);
    double x = number(a), y = number(b), r = 0;
    if (op == '/' || op == '%')
        r = y == 0 ? 0 : op == '/' ? x / y : x - y * floor(x / y);
    else
        r = op == '*' ? x * y : op == '+' ? x + y : x - y;
    whole = whole && op != '/' && fabs(r) < 9e15;
    *out = mx_tpl_keep(p->t, whole ? json_integer((json_int_t)r) : json_real(isfinite(r) ? r : 0));
    return 0;
}

static char take_sign(struct parse *p, const char *signs)
{
    skip_space(p);
    if (p->p == p->end || strchr(signs, *p->p) == NULL || *p->p == '\0')
        return '\0';
    return *p->p++;
}

static int unary(struct parse *p, struct mx_tpl_value *out)
{
    bool minus = take(p, "-");
    int rc = postfix(p, out);
    if (rc == 0 && minus)
        *out = mx_tpl_keep(p->t, json_is_real(out->v) ? json_real(-number(*out)) : json_integer(-json_integer_value(out->v)));
    return rc;
}

static int product(struct parse *p, struct mx_tpl_value *out)
{
    int rc = unary(p, out);
    for (char op; rc == 0 && (op = take_sign(p, "*/%")) != '\0';) {
        struct mx_tpl_value right;
        if ((rc = unary(p, &right)) == 0)
            rc = arithmetic(p, op, *out, right, out);
    }
    return rc;
}

static int sum(struct parse *p, struct mx_tpl_value *out)
{
    int rc = product(p, out);
    for (char op; rc == 0 && (op = take_sign(p, "+-~")) != '\0';) {
        struct mx_tpl_value right;
        if ((rc = product(p, &right)) == 0)
            rc = arithmetic(p, op, *out, right, out);
    }
    return rc;
}

static bool same(struct mx_tpl_value a, struct mx_tpl_value b)
{
    if (json_is_number(a.v) && json_is_number(b.v))
        return number(a) == number(b);
    if (a.v == NULL || b.v == NULL)
        return a.v == b.v;
    return json_equal((json_t *)a.v, (json_t *)b.v) == 1;
}

static bool holds(struct mx_tpl_value list, struct mx_tpl_value item)
{
    if (json_is_string(list.v))
        return json_is_string(item.v) && memmem(json_string_value(list.v), json_string_length(list.v),
                                                json_string_value(item.v), json_string_length(item.v)) != NULL;
    if (json_is_object(list.v))
        return json_is_string(item.v) && json_object_get(list.v, json_string_value(item.v)) != NULL;
    for (size_t i = 0; i < json_array_size(list.v); i++)
        if (same(unwrap(json_array_get(list.v, i)), item))
            return true;
    return false;
}

static bool before(struct mx_tpl_value a, struct mx_tpl_value b)
{
    return json_is_string(a.v) && json_is_string(b.v) ? strcmp(json_string_value(a.v), json_string_value(b.v)) < 0
                                                      : number(a) < number(b);
}

/* "is defined", "is not none" and such. */
static int test(struct parse *p, struct mx_tpl_value *out)
{
    bool negated = take_word(p, "not"), yes;
    if (take_word(p, "defined"))
        yes = out->v != NULL;
    else if (take_word(p, "undefined"))
        yes = out->v == NULL;
    else if (take_word(p, "none"))
        yes = json_is_null(out->v);
    else if (take_word(p, "string"))
        yes = json_is_string(out->v);
    else
        return bad(p, "the test is not known");
    *out = mx_tpl_keep(p->t, json_boolean(yes != negated));
    return 0;
}

static int comparison(struct parse *p, struct mx_tpl_value *out)
{
    enum { NONE, EQ, NE, LE, GE, LT, GT, IN, NOT_IN } op;
    struct mx_tpl_value right;
    int rc = sum(p, out);
    if (rc < 0)
        return rc;
    if (take_word(p, "is"))
        return test(p, out);
    op = take(p, "==") ? EQ : take(p, "!=") ? NE : take(p, "<=") ? LE : take(p, ">=") ? GE : take(p, "<") ? LT
         : take(p, ">") ? GT : take_word(p, "in") ? IN : NONE;
    if (op == NONE) {
        const char *was = p->p;
        if (take_word(p, "not") && take_word(p, "in"))
            op = NOT_IN;
        else
            p->p = was;
    }
    if (op == NONE || (rc = sum(p, &right)) < 0)
        return rc;
    bool yes = op == EQ ? same(*out, right) : op == NE ? !same(*out, right) : op == LT ? before(*out, right)
               : op == GT ? before(right, *out) : op == LE ? !before(right, *out) : op == GE ? !before(*out, right)
               : holds(right, *out) == (op == IN);
    *out = mx_tpl_keep(p->t, json_boolean(yes));
    return 0;
}

static int negation(struct parse *p, struct mx_tpl_value *out)
{
    bool negated = false, any = false;
    while (take_word(p, "not")) {
        negated = !negated;
        any = true;
    }
    int rc = comparison(p, out);
    if (rc == 0 && any)
        *out = mx_tpl_keep(p->t, json_boolean(mx_tpl_true(*out) != negated));
    return rc;
}

static int conjunction(struct parse *p, struct mx_tpl_value *out)
{
    int rc = negation(p, out);
    while (rc == 0 && take_word(p, "and")) {
        struct mx_tpl_value right;
        rc = negation(p, &right);
        *out = rc == 0 && mx_tpl_true(*out) ? right : *out;
    }
    return rc;
}

static int disjunction(struct parse *p, struct mx_tpl_value *out)
{
    int rc = conjunction(p, out);
    while (rc == 0 && take_word(p, "or")) {
        struct mx_tpl_value right;
        rc = conjunction(p, &right);
        *out = rc == 0 && !mx_tpl_true(*out) ? right : *out;
    }
    return rc;
}

/* "a if b else c" */
static int ternary(struct parse *p, struct mx_tpl_value *out)
{
    struct mx_tpl_value condition, other = {NULL, false};
    if (p->depth == EXPR_DEPTH)
        return bad(p, "brackets nest too deep");
    p->depth++;
    int rc = disjunction(p, out);
    if (rc == 0 && take_word(p, "if")) {
        rc = disjunction(p, &condition);
        if (rc == 0 && take_word(p, "else"))
            rc = ternary(p, &other);
        if (rc == 0 && !mx_tpl_true(condition))
            *out = other;
    }
    p->depth--;
    return rc;
}

int mx_tpl_eval(struct mx_tpl *t, const char **at, const char *end, struct mx_tpl_value *out, struct gg_error *err)
{
    struct parse p = {.t = t, .p = *at, .end = end, .err = err};
    *out = (struct mx_tpl_value){NULL, false};
    int rc = ++t->steps > MX_TPL_STEPS ? gg_fail(err, GG_E_LIMIT, "the template goes on without end") : ternary(&p, out);
    skip_space(&p);
    *at = p.p;
    return rc;
}
