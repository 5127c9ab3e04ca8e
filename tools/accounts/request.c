/* request.c: two requests: for a nonce, and with the proof that we know the secret. */
#include "request.h"

#include <curl/curl.h>
#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20, TIMEOUT_S = 60 };

struct answer {
    long status;
    char *text;
    size_t n;
};

static size_t take(char *data, size_t size, size_t n, void *arg)
{
    struct answer *a = arg;
    if (a->n + size * n > ANSWER_MAX)
        return 0;
    char *more = realloc(a->text, a->n + size * n + 1);
    if (!more)
        return 0;
    a->text = more;
    memcpy(a->text + a->n, data, size * n);
    a->n += size * n;
    a->text[a->n] = '\0';
    return size * n;
}

/* body NULL: GET. The answer's JSON (a new reference), or NULL after saying why. */
static json_t *ask(CURL *curl, const char *url, const char *body, struct answer *a)
{
    static const char *const header = "Content-Type: application/json";
    struct curl_slist *headers = curl_slist_append(NULL, header);
    curl_easy_reset(curl);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    if (body)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(headers);
    if (code != CURLE_OK) {
        fprintf(stderr, "ERROR! %s: %s\n", url, curl_easy_strerror(code));
        return NULL;
    }
    json_t *json = json_loadb(a->text ? a->text : "", a->n, 0, NULL);
    if (!json)
        fprintf(stderr, "ERROR! Received %ld without a JSON answer\n", a->status);
    return json;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int refused(const struct answer *a, const json_t *json)
{
    printf("ERROR! Received %ld\n%s\n", a->status, text_of(json, "error"));
    return 1;
}

/* HMAC-SHA1 over nonce, user, password, the admin word and the type if there is one, with NULs between, in hex. */
static void make_mac(const struct registration *r, const char *nonce, char out[41])
{
    const char *const parts[] = {nonce, r->user, r->password, r->admin ? "admin" : "notadmin", r->user_type};
    size_t count = r->user_type ? 5 : 4, n = 0;
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    for (size_t i = 0; i < count; i++)
        n += strlen(parts[i]) + 1;
    char *text = malloc(n);
    if (!text)
        abort();
    char *p = text;
    for (size_t i = 0; i < count; i++)
        p = stpcpy(p, parts[i]) + 1;
    HMAC(EVP_sha1(), r->secret, (int)strlen(r->secret), (unsigned char *)text, n - 1, mac, &size);
    for (unsigned i = 0; i < 20; i++)
        snprintf(out + 2 * i, 3, "%02x", mac[i]);
    explicit_bzero(text, n);
    free(text);
}

static int send_registration(CURL *curl, const char *url, const struct registration *r, const char *nonce)
{
    struct answer a = {0};
    char mac[41];
    make_mac(r, nonce, mac);
    json_t *body = json_pack("{ss ss ss ss sb ss?}", "nonce", nonce, "username", r->user, "password", r->password, "mac", mac,
                             "admin", (int)r->admin, "user_type", r->user_type);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!text) {
        fprintf(stderr, "ERROR! user and password must be UTF-8 text\n");
        return 1;
    }
    puts("Sending registration request...");
    json_t *json = ask(curl, url, text, &a);
    int code = 1;
    if (json && a.status == 200) {
        puts("Success!");
        code = 0;
    } else if (json && r->exists_ok && strcmp(text_of(json, "errcode"), "M_USER_IN_USE") == 0) {
        puts("User already exists. Skipping.");
        code = 0;
    } else if (json) {
        code = refused(&a, json);
    }
    explicit_bzero(text, strlen(text));
    free(text);
    free(a.text);
    json_decref(json);
    return code;
}

int request_registration(const struct registration *r)
{
    struct answer a = {0};
    size_t n = strlen(r->server);
    char *url = malloc(n + 64);
    CURL *curl = curl_easy_init();
    if (!url || !curl)
        abort();
    while (n && r->server[n - 1] == '/')
        n--;
    snprintf(url, n + 64, "%.*s/_synapse/admin/v1/register", (int)n, r->server);
    json_t *json = ask(curl, url, NULL, &a);
    const char *nonce = json ? text_of(json, "nonce") : "";
    int code = 1;
    if (json && a.status != 200)
        code = refused(&a, json);
    else if (json && nonce[0])
        code = send_registration(curl, url, r, nonce);
    json_decref(json);
    free(a.text);
    free(url);
    curl_easy_cleanup(curl);
    return code;
}
