/* pages.c: which template stands for a name, and answering with one. */
#include "pages/pages.h"

#include <ctype.h>
#include <ganglion/config.h>
#include <ganglion/http.h>
#include <ganglion/log.h>
#include <ganglion/map.h>
#include <ganglion/memory.h>
#include <stdio.h>

static struct gg_logger logger = {"ganglion.pages"};

enum { FILE_MAX_BYTES = 1 << 20 };

struct mx_pages {
    struct gg_map *files;    /* name -> text, NUL-terminated */
    const char *folders[3];  /* of the operator, the first one counts; NULL: none. Borrowed from the configuration */
    char *public_baseurl;    /* ends with / */
    json_t *globals;         /* what every template knows */
};

/* Files that the configuration may name otherwise. */
static const struct {
    const char *file, *key;
} named[] = {{"notif_mail.html", "email.notif_template_html"},
             {"notif_mail.txt", "email.notif_template_text"},
             {"registration.html", "email.registration_template_html"},
             {"registration.txt", "email.registration_template_text"},
             {"registration_success.html", "email.registration_template_success_html"},
             {"registration_failure.html", "email.registration_template_failure_html"},
             {"add_threepid.html", "email.add_threepid_template_html"},
             {"add_threepid.txt", "email.add_threepid_template_text"},
             {"add_threepid_success.html", "email.add_threepid_template_success_html"},
             {"add_threepid_failure.html", "email.add_threepid_template_failure_html"},
             {"password_reset.html", "email.password_reset_template_html"},
             {"password_reset.txt", "email.password_reset_template_text"},
             {"password_reset_success.html", "email.password_reset_template_success_html"},
             {"password_reset_failure.html", "email.password_reset_template_failure_html"},
             {"notice_expiry.html", "email.expiry_template_html"},
             {"notice_expiry.txt", "email.expiry_template_text"},
             {"account_renewed.html", "account_validity.account_renewed_html_path"},
             {"invalid_token.html", "account_validity.invalid_token_html_path"},
             {"already_in_use.html", "email.already_in_use_template_html"}};

static const char *file_name(const struct gg_config *config, const char *name)
{
    for (size_t i = 0; i < GG_COUNT(named); i++)
        if (strcmp(named[i].file, name) == 0 && gg_config_text(config, named[i].key) != NULL)
            return gg_config_text(config, named[i].key);
    return name;
}

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

static char *read_custom(const struct mx_pages *pages, const char *name)
{
    char *text = NULL;
    for (size_t i = 0; text == NULL && i < GG_COUNT(pages->folders); i++)
        if (pages->folders[i] != NULL)
            text = read_file(pages->folders[i], name);
    return text;
}

static const char *find(void *self, struct gg_str name)
{
    const struct mx_pages *pages = self;
    const char *text = gg_map_get(pages->files, name);
    return text != NULL ? text : built_in(name);
}

/* A name that leads nowhere but into the folder. */
static bool is_plain(struct gg_str name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.s[i]) && strchr("._-", name.s[i]) == NULL)
            return false;
    return name.n > 0 && name.n < 200 && name.s[0] != '.';
}

/* At the start: what a template of the operator includes may be a file that only they know. */
static const char *find_or_read(void *self, struct gg_str name)
{
    struct mx_pages *pages = self;
    const char *known = find(pages, name);
    char file[201];
    if (known != NULL || !is_plain(name))
        return known;
    snprintf(file, sizeof(file), "%.*s", GG_FMT(name));
    char *text = read_custom(pages, file);
    if (text != NULL)
        gg_map_put(pages->files, name, text);
    return text;
}

static bool is_html(const char *name)
{
    size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".html") == 0;
}

static bool renders(struct mx_pages *pages, const char *name, const char *text)
{
    const struct mx_page_env env = {.find = find_or_read, .self = pages, .public_baseurl = pages->public_baseurl, .check = true};
    struct gg_buf out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    int status = mx_page_render_tree(&env, gg_str(text), is_html(name), pages->globals, &out, &err);
    gg_buf_done(&out);
    if (status)
        gg_warn(&logger, "template %s is passed over, the built-in one is used: %s", name, err.message);
    return !status;
}

static char *base_url(const struct gg_config *config)
{
    const char *url = gg_config_text(config, "public_baseurl"), *server = gg_config_text(config, "server_name");
    struct gg_buf out = GG_BUF_INIT;
    if (url != NULL)
        gg_buf_printf(&out, "%s%s", url, *url != '\0' && url[strlen(url) - 1] == '/' ? "" : "/");
    else
        gg_buf_printf(&out, "https://%s/", server != NULL ? server : "");
    return gg_buf_steal(&out, NULL);
}

struct mx_pages *mx_pages_load(const struct gg_config *config)
{
    struct mx_pages *pages = gg_xcalloc(1, sizeof(*pages));
    pages->folders[0] = gg_config_text(config, "templates.custom_template_directory");
    pages->folders[1] = gg_config_text(config, "email.template_dir");
    pages->folders[2] = gg_config_text(config, "account_validity.template_dir");
    pages->public_baseurl = base_url(config);
    pages->globals = json_pack("{s:s?, s:s?}", "server_name", gg_config_text(config, "server_name"), "app_name",
                               gg_config_text(config, "email.app_name"));
    pages->files = gg_map_new(free);
    for (const struct mx_page_file *f = mx_page_files; f->name; f++) { /* parts come before what includes them */
        char *custom = read_custom(pages, file_name(config, f->name));
        if (custom && !renders(pages, f->name, custom)) {
            free(custom);
            custom = NULL;
        }
        if (!custom)
            (void)renders(pages, f->name, f->text); /* ours may include a part that only the operator has */
        gg_map_put(pages->files, gg_str(f->name), custom ? custom : gg_xstrndup(f->text, strlen(f->text)));
    }
    return pages;
}

void mx_pages_free(struct mx_pages *pages)
{
    if (!pages)
        return;
    gg_map_free(pages->files);
    json_decref(pages->globals);
    free(pages->public_baseurl);
    free(pages);
}

int mx_page_render_values(const struct mx_pages *pages, const char *name, const json_t *values, struct gg_buf *out,
                          struct gg_error *err)
{
    const char *text = gg_map_get(pages->files, gg_str(name));
    const struct mx_page_env env = {.find = find, .self = (void *)pages, .public_baseurl = pages->public_baseurl};
    if (text == NULL)
        return gg_fail(err, GG_E_NOT_FOUND, "there is no template %s", name);
    return mx_page_render_tree(&env, gg_str(text), is_html(name), values, out, err);
}

static void render(const struct mx_pages *pages, const char *name, const json_t *values, struct gg_buf *out)
{
    struct gg_error err = GG_ERROR_INIT;
    json_t *all = json_copy((json_t *)values);
    json_object_update_missing(all, pages->globals);
    int rc = mx_page_render_values(pages, name, all, out, &err);
    json_decref(all);
    if (rc < 0) { /* it could be rendered at the start: values alone hardly change that */
        gg_err(&logger, "template %s: %s", name, err.message);
        gg_buf_clear(out);
    }
}

void mx_page_render(const struct mx_pages *pages, const char *name, const struct mx_page_value *values, size_t n,
                    struct gg_buf *out)
{
    json_t *all = mx_page_values(values, n);
    render(pages, name, all, out);
    json_decref(all);
}

int mx_page_reply_values(struct gg_request *rq, const struct mx_pages *pages, int status, const char *name, const json_t *values)
{
    struct gg_buf out = GG_BUF_INIT;
    render(pages, name, values, &out);
    gg_reply_header(rq, "Cache-Control", "no-cache, no-store, must-revalidate");
    gg_reply_header(rq, "X-Frame-Options", "DENY");
    gg_reply_header(rq, "Content-Security-Policy", "frame-ancestors 'none';");
    int result = gg_reply_text(rq, status, "text/html; charset=utf-8", gg_buf_view(&out));
    gg_buf_done(&out);
    return result;
}

int mx_page_reply(struct gg_request *rq, const struct mx_pages *pages, int status, const char *name,
                  const struct mx_page_value *values, size_t n)
{
    json_t *all = mx_page_values(values, n);
    int result = mx_page_reply_values(rq, pages, status, name, all);
    json_decref(all);
    return result;
}
