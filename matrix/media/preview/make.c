/* make.c: one preview, from the link to the rows: the page, who describes it better (oEmbed), its picture. */
#include <ganglion/log.h>
#include <stdio.h>
#include <time.h>

#include "media/file.h"
#include "media/preview/charset.h"
#include "media/preview/link.h"
#include "media/preview/preview.h"
#include "media/paths.h"
#include "media/thumbnails.h"
#include "media/upload.h"
#include "storage/media/url_cache.h"

static struct gg_logger logger = {"ganglion.media.preview"};

#define HOUR_MS INT64_C(3600000)
enum { KEY_MAX = 50, VALUE_MAX = 1000 }; /* of what is told, characters */
/* JSON takes many times its size in memory, and no description is long. */
#define OEMBED_MAX ((size_t)1 << 20)

/* Pictures are kept for two days: no preview may outlive its own. */
#define MOST_MS (24 * HOUR_MS)

/* Bytes of an address that the database can find again: an entry of its index holds no more. What is longer is made anew. */
enum { INDEXED_MAX = 2500 };

struct making {
    struct mx_previews *previews;
    struct gg_arena *arena;
    struct gg_str user_id;
    const char *url;
    json_t *og;
    char *author;
    int64_t holds_ms;
};

static bool is_type(const struct mx_fetched *fetched, const char *beginning)
{
    return strncasecmp(fetched->type, beginning, strlen(beginning)) == 0;
}

static bool is_page(const struct mx_fetched *fetched)
{
    return is_type(fetched, "text/html") || is_type(fetched, "application/xhtml");
}

/* ---- keeping what came ---- */

/* Synapse's form: the day, so that the clean-up finds the folders of a day together. */
static const char *new_id(struct gg_arena *arena)
{
    enum { LETTERS = 16 };
    char day[16], letters[LETTERS + 1];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(day, sizeof(day), "%Y-%m-%d", &utc);
    gg_random_text(letters, LETTERS, GG_LETTERS);
    return gg_arena_printf(arena, "%s_%s", day, letters);
}

/* Takes the file over. */
static int keep(struct making *m, const char *url, const struct mx_fetched *fetched, struct mx_media_row *row,
                struct gg_error *err)
{
    struct mx_upload upload = {.user_id = m->user_id, .type = gg_str(fetched->type), .name = fetched->name,
                               .url_cache = gg_str(url), .id = gg_str(new_id(m->arena))};
    int rc = mx_upload_store(mx_media_of(m->previews->server), &upload, fetched->file, m->arena, row, err);
    if (rc == 0 && row->quarantined_by.s != NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Not found");
    return rc;
}

/* Where it lies now; NULL: nowhere, which does not happen to ids of ours. */
static const char *path_of(struct making *m, const struct mx_media_row *row)
{
    struct gg_buf path = GG_BUF_INIT;
    const char *found = mx_media_path(mx_media_of(m->previews->server)->root, row, NULL, &path)
                            ? gg_arena_strdup(m->arena, path.data)
                            : NULL;
    gg_buf_done(&path);
    return found;
}

/* ---- pictures ---- */

struct inspecting { /* on a thread */
    const struct mx_media *media;
    const char *path;
    struct mx_image_info info;
    int status;
};

static void inspect(void *arg)
{
    struct inspecting *i = arg;
    char why[200];
    i->status = i->media->images->inspect(i->path, i->media->max_pixels, &i->info, why, sizeof(why));
}

static void tell_size(struct making *m, const struct mx_media_row *row)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_media *media = mx_media_of(m->previews->server);
    struct inspecting i = {.media = media, .path = path_of(m, row)};
    if (i.path == NULL || mx_picture_run(media, inspect, &i, &err) != 0 || i.status != 0)
        return;
    json_object_set_new(m->og, "og:image:width", json_integer(i.info.width));
    json_object_set_new(m->og, "og:image:height", json_integer(i.info.height));
}

static void tell_picture(struct making *m, const struct mx_media_row *row, const struct mx_fetched *fetched)
{
    const char *mxc = gg_arena_printf(m->arena, "mxc://%s/%.*s", m->previews->server->name, GG_FMT(row->id));
    json_object_set_new(m->og, "og:image", json_string(mxc));
    json_object_set_new(m->og, "og:image:type", json_string(fetched->type));
    json_object_set_new(m->og, "matrix:image:size", json_integer(row->length));
    tell_size(m, row);
}

/* The picture that the page names becomes ours, so that its readers need not ask its server for it. Without it there is a preview all
 * the same. */
static void fetch_picture(struct making *m, const char *base)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_fetched fetched;
    struct mx_media_row row;
    const char *named = json_string_value(json_object_get(m->og, "og:image"));
    if (named == NULL)
        return;
    const char *url = mx_link_resolve(gg_str(base), gg_str(named), m->arena);
    int rc = mx_preview_fetch(m->previews, url, true, m->arena, &fetched, &err);
    if (rc == 0 && !is_type(&fetched, "image/")) {
        mx_media_file_drop(fetched.file);
        rc = gg_fail(&err, GG_E_PROTOCOL, "it is no picture");
    }
    if (rc == 0)
        rc = keep(m, url, &fetched, &row, &err);
    if (rc == 0)
        tell_picture(m, &row, &fetched);
    else {
        gg_info(&logger, "the picture of %.200s: %s", m->url, err.message);
        json_object_del(m->og, "og:image");
    }
}

static void of_picture(struct making *m, const struct mx_fetched *fetched, const struct mx_media_row *row)
{
    json_object_set_new(m->og, "og:description",
                        fetched->name.s != NULL ? json_stringn(fetched->name.s, fetched->name.n) : json_null());
    tell_picture(m, row, fetched);
}

/* ---- pages ---- */

struct reading { /* on a thread */
    const struct mx_pages *pages;
    const char *url; /* of an oEmbed answer */
    const char *path;
    size_t max;
    const char *type;
    struct mx_page page;
    struct mx_oembed_answer answer;
};

static char *read_file(const struct reading *r, size_t *n_out)
{
    FILE *f = r->path != NULL ? fopen(r->path, "rbe") : NULL;
    char *body = f != NULL ? malloc(r->max) : NULL;
    *n_out = body != NULL ? fread(body, 1, r->max, f) : 0;
    if (f != NULL)
        fclose(f);
    return body;
}

static void read_page(void *arg)
{
    struct reading *r = arg;
    size_t n_body, n = 0;
    char *body = read_file(r, &n_body);
    char *text = body != NULL ? mx_page_to_utf8(gg_strn(body, n_body), r->type, &n) : NULL;
    free(body);
    if (text != NULL)
        r->pages->read(gg_strn(text, n), &r->page);
    free(text);
}

static void read_oembed(void *arg)
{
    struct reading *r = arg;
    size_t n;
    char *body = read_file(r, &n);
    mx_oembed_read(r->pages, r->url, gg_strn(body != NULL ? body : "", n), &r->answer);
    free(body);
}

static int on_a_thread(struct making *m, void (*read)(void *arg), struct reading *r, struct gg_error *err)
{
    struct gg_mutex *reading = &m->previews->reading;
    int rc = gg_mutex_lock(reading, GG_FOREVER);
    if (rc == 0) {
        rc = gg_offload(read, r);
        gg_mutex_unlock(reading);
    }
    return rc == 0 ? 0 : gg_fail(err, rc, "no thread to read the answer");
}

static int take_oembed(struct making *m, const struct mx_media_row *row, struct gg_error *err)
{
    struct reading r = {.pages = m->previews->pages, .url = m->url, .path = path_of(m, row), .max = OEMBED_MAX};
    int rc = on_a_thread(m, read_oembed, &r, err);
    if (rc != 0)
        return rc;
    json_object_update(m->og, r.answer.og);
    json_decref(r.answer.og);
    free(m->author);
    m->author = r.answer.author;
    if (r.answer.cache_ms >= 0)
        m->holds_ms = r.answer.cache_ms < MOST_MS ? r.answer.cache_ms : MOST_MS;
    return 0;
}

/* What a page says of itself holds where its own description (oEmbed) cannot be had. */
static void ask_oembed(struct making *m, const char *base, const char *named)
{
    struct gg_error err = GG_ERROR_INIT;
    struct mx_fetched fetched;
    struct mx_media_row row;
    const char *url = mx_link_resolve(gg_str(base), gg_str(named), m->arena);
    int rc = mx_preview_fetch(m->previews, url, false, m->arena, &fetched, &err);
    if (rc == 0)
        rc = keep(m, url, &fetched, &row, &err);
    if (rc == 0)
        rc = is_type(&fetched, "application/json") ? take_oembed(m, &row, &err) : gg_fail(&err, GG_E_PROTOCOL, "no JSON");
    if (rc != 0)
        gg_info(&logger, "oEmbed of %.200s: %s", m->url, err.message);
}

static int of_page(struct making *m, const struct mx_fetched *fetched, const struct mx_media_row *row, bool asked_oembed,
                   struct gg_error *err)
{
    struct reading r = {.pages = m->previews->pages, .path = path_of(m, row), .max = m->previews->max_bytes, .type = fetched->type};
    int rc = on_a_thread(m, read_page, &r, err);
    if (rc != 0)
        return rc;
    json_object_update(m->og, r.page.og);
    json_decref(r.page.og);
    if (r.page.oembed != NULL && !asked_oembed)
        ask_oembed(m, fetched->url, r.page.oembed);
    free(r.page.oembed);
    fetch_picture(m, fetched->url);
    return 0;
}

/* ---- all of it ---- */

static void drop_long(json_t *og)
{
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe (og, next, key, value) {
        const char *text = json_string_value(value);
        size_t n = 0;
        for (const char *c = text; c != NULL && *c != '\0'; c++)
            n += ((unsigned char)*c & 0xc0) != 0x80;
        if (strlen(key) > KEY_MAX || n > VALUE_MAX)
            json_object_del(og, key);
    }
}

static int describe(struct making *m, const struct mx_fetched *fetched, const struct mx_media_row *row, bool asked_oembed,
                    struct gg_error *err)
{
    int rc = 0;
    if (is_type(fetched, "image/"))
        of_picture(m, fetched, row);
    else if (is_page(fetched))
        rc = of_page(m, fetched, row, asked_oembed, err);
    else if (asked_oembed && (rc = take_oembed(m, row, err)) == 0)
        fetch_picture(m, fetched->url);
    const char *title = json_string_value(json_object_get(m->og, "og:title"));
    if (m->author != NULL && (title == NULL || *title == '\0'))
        json_object_set_new(m->og, "og:title", json_string(m->author));
    drop_long(m->og);
    return rc;
}

static int write_down(struct making *m, const struct mx_fetched *fetched, const struct mx_media_row *row, struct gg_str *og_out,
                      struct gg_error *err)
{
    char *text = json_dumps(m->og, JSON_COMPACT);
    if (text == NULL)
        return gg_fail(err, GG_E_INTERNAL, "the preview is no JSON");
    *og_out = gg_str(gg_arena_strdup(m->arena, text));
    free(text);
    if (strlen(m->url) > INDEXED_MAX)
        return 0;
    return mx_url_cache_add(m->previews->server,
                            &(struct mx_url_cache_row){.url = gg_str(m->url), .etag = fetched->etag, .og = *og_out,
                                                       .media_id = row->id, .response_code = fetched->status,
                                                       .expires_ts = row->created_ts + m->holds_ms,
                                                       .download_ts = row->created_ts},
                            err);
}

int mx_preview_make(struct mx_previews *previews, const char *url, struct gg_str user_id, struct gg_arena *arena,
                    struct gg_str *og_out, struct gg_error *err)
{
    struct making m = {.previews = previews, .arena = arena, .user_id = user_id, .url = url, .holds_ms = HOUR_MS};
    struct mx_fetched fetched;
    struct mx_media_row row;
    const char *oembed = mx_oembed_url(previews->oembed, url, arena);
    /* The link itself may not be one that is blocked, whoever describes it. */
    if (mx_blocked_has(previews->blocked, gg_str(url)))
        return gg_refuse(err, 403, "M_UNKNOWN", "URL blocked by url pattern blocklist entry");
    m.og = json_object();
    const char *asked = oembed != NULL ? oembed : url;
    int rc = mx_preview_fetch(previews, asked, false, arena, &fetched, err);
    if (rc == 0)
        rc = keep(&m, asked, &fetched, &row, err);
    if (rc == 0)
        rc = describe(&m, &fetched, &row, oembed != NULL, err);
    if (rc == 0)
        rc = write_down(&m, &fetched, &row, og_out, err);
    json_decref(m.og);
    free(m.author);
    return rc;
}
