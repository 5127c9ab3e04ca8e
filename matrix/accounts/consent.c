/* consent.c: the terms of use as the configuration names them. */
#include "accounts/consent.h"

#include <dirent.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "pages/pages.h"

static struct gg_logger logger = {"ganglion.accounts"};

enum { PAGES_MAX = 100, PAGE_MAX = 1 << 20 };

const char *mx_consent_version(const struct gg_config *config)
{
    return gg_config_text(config, "user_consent.version");
}

const char *mx_consent_name(const struct gg_config *config)
{
    return gg_config_text(config, "user_consent.policy_name");
}

const char *mx_public_baseurl(const struct mx_server *server, struct gg_arena *arena)
{
    const char *url = gg_config_text(server->config, "public_baseurl");
    if (!url)
        return gg_arena_printf(arena, "https://%s/", server->name);
    size_t n = strlen(url);
    return n && url[n - 1] == '/' ? url : gg_arena_printf(arena, "%s/", url);
}

/* ---- the operator's pages ---- */

static void read_page(struct gg_map *pages, const char *folder, const char *file)
{
    size_t n = strlen(file);
    struct gg_buf path = GG_BUF_INIT, out = GG_BUF_INIT;
    struct gg_error err = GG_ERROR_INIT;
    if (n < 6 || strcmp(file + n - 5, ".html") != 0)
        return;
    gg_buf_printf(&path, "%s/en/%s", folder, file);
    FILE *f = fopen(path.data, "re");
    char *text = gg_xmalloc(PAGE_MAX + 1);
    size_t got = f ? fread(text, 1, PAGE_MAX, f) : 0;
    text[got] = 0;
    if (f)
        fclose(f);
    if (f && mx_page_render_text(gg_strn(text, got), true, NULL, 0, &out, &err) == 0) {
        gg_map_put(pages, gg_strn(file, n - 5), gg_xrealloc(text, got + 1));
        text = NULL;
    } else {
        gg_warn(&logger, "%s is passed over: %s", path.data, f ? err.message : "it cannot be read");
    }
    free(text);
    gg_buf_done(&path);
    gg_buf_done(&out);
}

struct gg_map *mx_consent_load(const struct gg_config *config)
{
    const char *folder = gg_config_text(config, "user_consent.template_dir");
    struct gg_buf path = GG_BUF_INIT;
    if (!folder)
        return NULL;
    gg_buf_printf(&path, "%s/en", folder);
    DIR *dir = opendir(path.data);
    struct gg_map *pages = gg_map_new(free);
    if (!dir)
        gg_warn(&logger, "user_consent.template_dir: %s cannot be read", path.data);
    for (const struct dirent *entry; dir && gg_map_count(pages) < PAGES_MAX && (entry = readdir(dir));)
        read_page(pages, folder, entry->d_name);
    if (dir)
        closedir(dir);
    gg_buf_done(&path);
    return pages;
}

const char *mx_consent_page(const struct mx_server *server, const char *name)
{
    const struct gg_map *pages = server->accounts->consent_pages;
    return pages ? gg_map_get(pages, gg_str(name)) : NULL;
}

bool mx_consent_mac(const struct gg_config *config, struct gg_str user_id, char out[65])
{
    const char *secret = gg_config_text(config, "form_secret");
    unsigned char mac[32];
    unsigned size = sizeof mac;
    if (!secret || !*secret)
        return false;
    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)user_id.s, user_id.n, mac, &size);
    for (size_t i = 0; i < sizeof mac; i++)
        snprintf(out + 2 * i, 3, "%02x", mac[i]);
    return true;
}
