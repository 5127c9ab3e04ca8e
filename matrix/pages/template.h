/* pages/template.h: one rendering of a template, as its parts share it; private to the folder. */
#ifndef MX_PAGES_TEMPLATE_H
#define MX_PAGES_TEMPLATE_H

#include "pages/pages.h"

/* A value of an expression. v NULL: undefined. Borrowed from the context, or from the rendering's junk. */
struct mx_tpl_value {
    const json_t *v;
    bool safe; /* markup already: not to be escaped again */
};

enum { MX_TPL_DEPTH = 24, MX_TPL_NAMES = 64, MX_TPL_BLOCKS = 16, MX_TPL_STEPS = 200000, MX_TPL_BYTES = 8 << 20 };

struct mx_tpl_name { /* of a loop, or set */
    struct gg_str name;
    const json_t *v;
};
struct mx_tpl_block { /* what a template puts in the place of its parent's block */
    struct gg_str name, body;
    bool escape;
};

struct mx_tpl {
    const struct mx_page_env *env;
    const json_t *values;
    json_t *junk; /* keeps what expressions make until the end */
    struct mx_tpl_name names[MX_TPL_NAMES];
    struct mx_tpl_block blocks[MX_TPL_BLOCKS];
    size_t n_names, n_blocks, steps;
    int depth;
    struct gg_buf *out;
};

/* Keeps v for the rendering, and borrows it. */
struct mx_tpl_value mx_tpl_keep(struct mx_tpl *t, json_t *v);
struct mx_tpl_value mx_tpl_text(struct mx_tpl *t, struct gg_str text, bool safe);
bool mx_tpl_true(struct mx_tpl_value v);
/* The value as text; nothing for what is undefined. */
void mx_tpl_print(struct gg_buf *out, struct mx_tpl_value v);
void mx_tpl_escape(struct gg_buf *out, struct gg_str text);

/* expression.c: evaluates what stands at *p, as far as it goes; *p is left behind it. GG_E_INVALID with the reason. */
GG_CHECKED int mx_tpl_eval(struct mx_tpl *t, const char **p, const char *end, struct mx_tpl_value *out, struct gg_error *err);

enum { MX_TPL_ARGS = 6 };
/* filters.c: value|name(args). GG_E_INVALID: no such filter, or not for such a value. */
GG_CHECKED int mx_tpl_filter(struct mx_tpl *t, struct gg_str name, struct mx_tpl_value in, const struct mx_tpl_value *args,
                             size_t n, struct mx_tpl_value *out, struct gg_error *err);
/* Python's "%s %d %.1f" with as many values as there are. */
struct mx_tpl_value mx_tpl_format(struct mx_tpl *t, struct gg_str text, const struct mx_tpl_value *args, size_t n);

#endif
