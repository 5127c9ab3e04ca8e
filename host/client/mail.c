/* Mail that goes out: SMTP by libcurl. */
#include "client/curl.h"

#include <ganglion/buf.h>
#include <string.h>

enum { CONNECT_MS = 10000, TOTAL_MS = 60000 };

struct upload {
    struct gg_str rest;
};

static size_t on_read(char *out, size_t size, size_t n, void *arg)
{
    struct upload *upload = arg;
    size_t room = size * n, take = upload->rest.n < room ? upload->rest.n : room;
    memcpy(out, upload->rest.s, take);
    upload->rest.s += take;
    upload->rest.n -= take;
    return take;
}

static size_t drop(char *data, size_t size, size_t n, void *arg)
{
    return size * n;
}

static void set_security(CURL *easy, const struct gg_mail *mail)
{
    static const long levels[] = {[GG_MAIL_TLS_TRY] = CURLUSESSL_TRY,
                                  [GG_MAIL_TLS_NEVER] = CURLUSESSL_NONE,
                                  [GG_MAIL_TLS_STARTTLS] = CURLUSESSL_ALL,
                                  [GG_MAIL_TLS_ALWAYS] = CURLUSESSL_ALL};
    curl_easy_setopt(easy, CURLOPT_USE_SSL, levels[mail->tls]);
    if (mail->user == NULL)
        return;
    curl_easy_setopt(easy, CURLOPT_USERNAME, mail->user);
    curl_easy_setopt(easy, CURLOPT_PASSWORD, mail->password != NULL ? mail->password : "");
}

/* host is where we connect to; the URL names whose certificate it must be. */
static struct curl_slist *connect_to(const struct gg_mail *mail)
{
    struct gg_buf to = GG_BUF_INIT;
    if (mail->tls_name == NULL)
        return NULL;
    gg_buf_printf(&to, "::%s:", mail->host);
    struct curl_slist *list = curl_slist_append(NULL, to.data);
    gg_buf_done(&to);
    return list;
}

static void set_options(CURL *easy, const struct gg_mail *mail, const char *url, struct curl_slist *to,
                        struct upload *upload)
{
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)TOTAL_MS);
    curl_easy_setopt(easy, CURLOPT_MAIL_FROM, mail->from);
    curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, to);
    curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(easy, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(easy, CURLOPT_READDATA, upload);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, drop);
    set_security(easy, mail);
}

static int status_of(CURLcode result)
{
    switch (result) {
    case CURLE_OK:
        return 0;
    case CURLE_OPERATION_TIMEDOUT:
        return GG_E_TIMEOUT;
    case CURLE_LOGIN_DENIED:
    case CURLE_SEND_ERROR: /* what curl says when a sender or recipient is not taken */
        return GG_E_FORBIDDEN;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
        return GG_E_CLOSED;
    default:
        return GG_E_UNAVAILABLE;
    }
}

/* Where an address ends nothing else may begin: no command can be smuggled in. */
static bool plain(const char *address)
{
    return address[0] != '\0' && address[strcspn(address, "\r\n<>")] == '\0';
}

int gg_client_mail(struct gg_host *host, const struct gg_mail *mail, struct gg_error *err)
{
    struct gg_curl_call call = {0};
    struct upload upload = {mail->text};
    struct gg_buf url = GG_BUF_INIT;
    bool tls = mail->tls == GG_MAIL_TLS_ALWAYS;
    if (!plain(mail->from) || !plain(mail->to))
        return gg_fail(err, GG_E_INVALID, "a mail address holds a control character");
    gg_buf_printf(&url, "%s://%s:%u/", tls ? "smtps" : "smtp", mail->tls_name != NULL ? mail->tls_name : mail->host,
                  mail->port != 0 ? mail->port : tls ? 465u : 25u);
    gg_buf_urlencode(&url, gg_str(mail->helo));
    struct curl_slist *to = curl_slist_append(NULL, mail->to), *where = connect_to(mail);
    gg_curl_begin(host, NULL, false, &call);
    set_options(call.easy, mail, url.data, to, &upload);
    curl_easy_setopt(call.easy, CURLOPT_CONNECT_TO, where);
    int rc = gg_curl_wait(&call, err);
    gg_curl_end(&call);
    curl_slist_free_all(to);
    curl_slist_free_all(where);
    gg_buf_done(&url);
    if (!call.done)
        return err->code != 0 ? rc : gg_fail(err, rc, "mail server %s did not answer in time", mail->host);
    rc = status_of(call.result);
    return rc == 0 ? 0 : gg_fail(err, rc, "mail server %s: %s", mail->host, curl_easy_strerror(call.result));
}
