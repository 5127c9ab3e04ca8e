/* pages/pages.h: pages and mails from templates. */
#ifndef MX_PAGES_PAGES_H
#define MX_PAGES_PAGES_H

#include <ganglion/matrix/server.h>
#include <jansson.h>

struct mx_page_file {
    const char *name, *text;
};
/* templates/, made into C by cmake/EmbedFiles.cmake; ends with an entry without a name. */
extern const struct mx_page_file mx_page_files[];

struct mx_page_value {
    const char *name;
    struct gg_str text; /* n 0: empty, and false */
};

/* Renders a template into out. escape: as HTML. 0, or GG_E_INVALID with the place and reason: broken, or more of Jinja2
 * than is known here. A name without a value is empty. Pure. */
GG_CHECKED int mx_page_render_text(struct gg_str source, bool escape, const struct mx_page_value *values, size_t n,
                                   struct gg_buf *out, struct gg_error *err);

/* What a template may ask for beyond its values. */
struct mx_page_env {
    const char *(*find)(void *self, struct gg_str name); /* another template's text, or NULL; NULL: there are no others */
    void *self;
    const char *public_baseurl; /* ends with /; NULL: not known */
    bool check;                 /* nobody will see this: look into included templates that would not be shown, too */
};
/* The same with values of any shape: {"__html__": text} is markup already. */
GG_CHECKED int mx_page_render_tree(const struct mx_page_env *env, struct gg_str source, bool escape, const json_t *values,
                                   struct gg_buf *out, struct gg_error *err);
/* The values as an object. */
json_t *mx_page_values(const struct mx_page_value *values, size_t n);

/* The templates of a process: ours, or the operator's where there is one that can be rendered. */
struct mx_pages;
struct mx_pages *mx_pages_load(const struct gg_config *config);
void mx_pages_free(struct mx_pages *pages); /* NULL is fine */
/* Renders the template called name (which exists: a bug otherwise). */
void mx_page_render(const struct mx_pages *pages, const char *name, const struct mx_page_value *values, size_t n,
                    struct gg_buf *out);
/* The same with values of any shape (mx_page_render_tree). GG_E_INVALID: an operator's template cannot show them. */
GG_CHECKED int mx_page_render_values(const struct mx_pages *pages, const char *name, const json_t *values,
                                     struct gg_buf *out, struct gg_error *err);

/* Answers with a page that no other site may frame and no cache keeps. */
int mx_page_reply(struct gg_request *rq, const struct mx_pages *pages, int status, const char *name,
                  const struct mx_page_value *values, size_t n);

/* The same with values of any shape. */
int mx_page_reply_values(struct gg_request *rq, const struct mx_pages *pages, int status, const char *name, const json_t *values);

/* A field of an application/x-www-form-urlencoded body, decoded, in the arena; s NULL: absent, or no UTF-8. Pure. */
struct gg_str mx_form_get(struct gg_str body, const char *key, struct gg_arena *arena);

/* A text of the configuration with its %(name)s filled in (a name without a value is empty, %% is %), in the arena. Pure. */
char *mx_page_fill_in(const char *text, const struct mx_page_value *values, size_t n, struct gg_arena *arena);

#endif
