/* mail.c: writing and sending mails. */
#include "accounts/mail.h"

#include <ganglion/client.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <openssl/evp.h>
#include <time.h>

static struct gg_logger logger = {"ganglion.mail"};

enum { LINE_BYTES = 57, WORD_BYTES = 45, VALUES_MAX = 12 }; /* 57 bytes are 76 characters of base64 */

static void add_base64(struct gg_buf *out, struct gg_str data, const char *before, const char *after, size_t each)
{
    unsigned char line[4 * ((LINE_BYTES + 2) / 3) + 1];
    for (size_t at = 0; at < data.n;) {
        size_t take = data.n - at < each ? data.n - at : each;
        if (at + take < data.n) /* a character stays whole: each line must be text by itself */
            while (take > 1 && ((unsigned char)data.s[at + take] & 0xc0) == 0x80)
                take--;
        int n = EVP_EncodeBlock(line, (const unsigned char *)data.s + at, (int)take);
        gg_buf_text(out, before);
        gg_buf_add(out, line, (size_t)n);
        gg_buf_text(out, after);
        at += take;
    }
}

/* A header's text: as it is where ASCII, else in encoded words (RFC 2047). */
static void add_header(struct gg_buf *out, const char *name, struct gg_str text)
{
    bool plain = true;
    for (size_t i = 0; i < text.n; i++)
        plain = plain && text.s[i] >= ' ' && text.s[i] < 127;
    gg_buf_printf(out, "%s: ", name);
    if (plain)
        gg_buf_str(out, text);
    else
        add_base64(out, text, "=?utf-8?B?", "?= ", WORD_BYTES);
    gg_buf_lit(out, "\r\n");
}

static void add_part(struct gg_buf *out, const char *boundary, const char *type, struct gg_str body)
{
    gg_buf_printf(out, "--%s\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", boundary,
                  type);
    /* Base64 across the whole part, so lines are cut anywhere. */
    unsigned char line[4 * ((LINE_BYTES + 2) / 3) + 1];
    for (size_t at = 0; at < body.n; at += LINE_BYTES) {
        size_t take = body.n - at < LINE_BYTES ? body.n - at : LINE_BYTES;
        int n = EVP_EncodeBlock(line, (const unsigned char *)body.s + at, (int)take);
        gg_buf_add(out, line, (size_t)n);
        gg_buf_lit(out, "\r\n");
    }
}

/* Day and month in English whatever the locale of the process. */
static void add_date(struct gg_buf *out, int64_t now_ms)
{
    static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"},
                      months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    gg_buf_printf(out, "Date: %s, %02d %s %d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                  tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

void mx_mail_write(struct gg_buf *out, const char *server_name, const char *from, struct gg_str to, const char *subject,
                   const char *headers, struct gg_str text, struct gg_str html, int64_t now_ms)
{
    char boundary[33], id[25];
    gg_random_text(boundary, 32, GG_LETTERS);
    gg_random_text(id, 24, GG_LETTERS);
    add_header(out, "Subject", gg_str(subject));
    gg_buf_printf(out, "From: %s\r\nTo: <%.*s>\r\n", from, GG_FMT(to));
    add_date(out, now_ms);
    gg_buf_printf(out, "Message-ID: <%s@%s>\r\nMIME-Version: 1.0\r\nAuto-Submitted: auto-generated\r\n", id,
                  server_name);
    gg_buf_text(out, headers != NULL ? headers : "");
    gg_buf_printf(out, "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n", boundary);
    add_part(out, boundary, "text/plain", text);
    add_part(out, boundary, "text/html", html);
    gg_buf_printf(out, "--%s--\r\n", boundary);
}

const char *mx_mail_address(const char *from, struct gg_arena *arena)
{
    const char *open = strrchr(from, '<'), *close = open ? strchr(open, '>') : NULL;
    return close ? gg_arena_strndup(arena, open + 1, (size_t)(close - open - 1)) : from;
}

const char *mx_mail_fill_in(const char *text, const struct mx_page_value *values, size_t n, struct gg_arena *arena)
{
    char *filled = mx_page_fill_in(text, values, n, arena);
    for (char *c = filled; *c; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    return filled;
}

static uint32_t security_of(const struct gg_config *config)
{
    if (gg_config_bool(config, "email.force_tls"))
        return GG_MAIL_TLS_ALWAYS;
    if (gg_config_bool(config, "email.require_transport_security"))
        return GG_MAIL_TLS_STARTTLS;
    return gg_config_bool(config, "email.enable_tls") ? GG_MAIL_TLS_TRY : GG_MAIL_TLS_NEVER;
}

static int send(struct mx_server *server, const char *from, struct gg_str to, struct gg_str mail, struct gg_arena *arena,
                struct gg_error *err)
{
    const struct gg_config *config = server->config;
    const struct gg_mail envelope = {.host = gg_config_text(config, "email.smtp_host"),
                                     .port = (uint16_t)gg_config_int(config, "email.smtp_port"),
                                     .tls = security_of(config),
                                     .tls_name = gg_config_text(config, "email.tlsname"),
                                     .user = gg_config_text(config, "email.smtp_user"),
                                     .password = gg_config_text(config, "email.smtp_pass"),
                                     .helo = server->name,
                                     .from = mx_mail_address(from, arena),
                                     .to = gg_arena_strndup(arena, to.s, to.n),
                                     .text = mail};
    return gg_client_mail(server->host, &envelope, err);
}

int mx_mail_send_values(struct mx_server *server, const char *name, const char *subject, const char *headers,
                        struct gg_str to, json_t *values, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    struct gg_buf text = GG_BUF_INIT, html = GG_BUF_INIT, mail = GG_BUF_INIT;
    const char *own = json_string_value(json_object_get(values, "app_name"));
    const char *app = own != NULL ? own : gg_config_text(server->config, "email.app_name");
    const struct mx_page_value general[] = {
        {"app_name", gg_str(app)}, {"app", gg_str(app)}, {"server_name", gg_str(server->name)}, {"title", gg_str(app)}};
    const char *from = mx_mail_fill_in(gg_config_text(server->config, "email.notif_from"), general, GG_COUNT(general), arena);
    json_t *all = mx_page_values(general, GG_COUNT(general));
    json_object_update(all, values);
    int rc = mx_page_render_values(server->accounts->pages, gg_arena_printf(arena, "%s.txt", name), all, &text, err);
    if (rc == 0)
        rc = mx_page_render_values(server->accounts->pages, gg_arena_printf(arena, "%s.html", name), all, &html, err);
    json_decref(all);
    if (rc == 0) {
        mx_mail_write(&mail, server->name, from, to, subject, headers, gg_buf_view(&text), gg_buf_view(&html), gg_wall_ms());
        rc = send(server, from, to, gg_buf_view(&mail), arena, err);
    }
    gg_buf_done(&text);
    gg_buf_done(&html);
    gg_buf_done(&mail);
    gg_arena_free(arena);
    return rc;
}

int mx_mail_send(struct mx_server *server, const char *name, const char *subject_key, struct gg_str to,
                 const struct mx_page_value *values, size_t n, struct gg_error *err)
{
    struct gg_arena *arena = gg_arena_new();
    const char *app = gg_config_text(server->config, "email.app_name");
    struct mx_page_value all[VALUES_MAX] = {{"app", gg_str(app)}, {"server_name", gg_str(server->name)}};
    size_t used = 2;
    for (size_t i = 0; i < n && used < VALUES_MAX; i++)
        all[used++] = values[i];
    const char *subject = mx_mail_fill_in(gg_config_text(server->config, subject_key), all, used, arena);
    json_t *tree = mx_page_values(all, used);
    int status = mx_mail_send_values(server, name, subject, NULL, to, tree, err);
    json_decref(tree);
    gg_arena_free(arena);
    if (!status || status == GG_E_CANCELLED)
        return status;
    gg_warn(&logger, "a mail was not sent: %s", err->message);
    return gg_refuse(err, 500, "M_UNKNOWN", "An error was encountered when sending the email");
}
