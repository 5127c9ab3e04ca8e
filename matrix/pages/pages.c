/* pages.c: which template stands for a name, and answering with one. */
#include "pages/pages.h"

#include <ganglion/config.h>
#include <ganglion/http.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdio.h>

static struct gg_logger logger = {"ganglion.pages"};

enum { FILE_MAX_BYTES = 1 << 20 };

struct mx_pages {
    struct gg_map *files; /* name -> text, NUL-terminated */
};

static const char *built_in(struct gg_str name)
{
    for (const struct mx_page_file *f = mx_page_files; f->name; f++)
        if (gg_str_is(name, f->name))
            return f->text;
    return NULL;
}

/* The whole file; NULL: there is none, or it is too large. */
static char *read_file(const char *folder, const char *name)
{
    struct gg_buf path = GG_BUF_INIT;
    gg_buf_printf(&path, "%s/%s", folder, name);
    FILE *file = fopen(path.data, "re");
    gg_buf_done(&path);
    if (!file)
        return NULL;
    char *text = gg_xmalloc(FILE_MAX_BYTES + 1);
    size_t n = fread(text, 1, FILE_MAX_BYTES + 1, file);
    fclose(file);
    if (n > FILE_MAX_BYTES) {
        free(text);
        return NULL;
    }
    text[n] = 0;
    return gg_xrealloc(text, n + 1);
}

/* Puts the files that a template names in their places; one level deep, so nothing can name itself. */
static char *include(const struct mx_pages *pages, const char *text)
{
    static const char open[] = "{% include \"", close[] = "\" %}";
    struct gg_buf out = GG_BUF_INIT;
    for (const char *mark; (mark = strstr(text, open));) {
        const char *name = mark + sizeof open - 1, *end = strstr(name, close);
        if (!end)
            break;
        struct gg_str key = gg_strn(name, (size_t)(end - name));
        const char *custom = gg_map_get(pages->files, key), *part = custom ? custom : built_in(key);
        gg_buf_add(&out, text, (size_t)(mark - text));
        gg_buf_text(&out, part ? part : "");
        text = end + sizeof close - 1;
    }
    gg_buf_text(&out, text);
    return gg_buf_steal(&out, NULL);
}

static bool is_html(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".html") == 0;
}

static bool renders(const char *name, const char *text)
{
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    int status = mx_page_render_text(gg_str(text), is_html(name), NULL, 0, &out, &err);
    gg_buf_done(&out);
    if (status)
        gg_warn(&logger, "template %s is passed over, the built-in one is used: %s", name, err.message);
    return !status;
}

struct mx_pages *mx_pages_load(const struct gg_config *config)
{
    struct mx_pages *pages = gg_xcalloc(1, sizeof(*pages));
    const char *folder = gg_config_text(config, "templates.custom_template_directory");
    pages->files = gg_map_new(free);
    for (const struct mx_page_file *f = mx_page_files; f->name; f++) {
        char *custom = folder ? read_file(folder, f->name) : NULL;
        char *whole = custom ? include(pages, custom) : NULL;
        free(custom);
        if (whole && !renders(f->name, whole)) {
            free(whole);
            whole = NULL;
        }
        gg_map_put(pages->files, gg_str(f->name), whole ? whole : include(pages, f->text));
    }
    return pages;
}

void mx_pages_free(struct mx_pages *pages)
{
    if (!pages)
        return;
    gg_map_free(pages->files);
    free(pages);
}

void mx_page_render(const struct mx_pages *pages, const char *name, const struct mx_page_value *values, size_t n,
                    struct gg_buf *out)
{
    const char *text = gg_map_get(pages->files, gg_str(name));
    struct gg_error err = GG_ERROR_INIT;
    if (!text || mx_page_render_text(gg_str(text), is_html(name), values, n, out, &err))
        gg_panic(__FILE__, __LINE__, "template %s: %s", name, text ? err.message : "there is none");
}

int mx_page_reply(struct gg_request *rq, const struct mx_pages *pages, int status, const char *name,
                  const struct mx_page_value *values, size_t n)
{
    struct gg_buf out = GG_BUF_INIT;
    mx_page_render(pages, name, values, n, &out);
    gg_reply_header(rq, "Cache-Control", "no-cache, no-store, must-revalidate");
    gg_reply_header(rq, "X-Frame-Options", "DENY");
    gg_reply_header(rq, "Content-Security-Policy", "frame-ancestors 'none';");
    int result = gg_reply_text(rq, status, "text/html; charset=utf-8", gg_buf_view(&out));
    gg_buf_done(&out);
    return result;
}
