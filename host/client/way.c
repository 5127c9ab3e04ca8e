/* client/way.c: which way a request to the world goes. */
#include "client/way.h"

#include "client/forward.h"
#include "main/host.h"

#include <arpa/inet.h>
#include <ganglion/buf.h>
#include <ganglion/names.h>
#include <stdio.h>
#include <stdlib.h>

enum { PROXY_PORT = 1080 }; /* of a proxy that is named without one */

struct place {
    char scheme[8], host[300]; /* an IPv6 address without its brackets */
    uint16_t port;
};

static bool copy_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
    char *text = NULL;
    bool fits = curl_url_get(url, part, &text, flags) == CURLUE_OK && snprintf(out, size, "%s", text) < (int)size;
    curl_free(text);
    return fits;
}

/* port: of a URL that names none; 0: its scheme's. False: it leads nowhere, which curl will say. */
static bool read_place(const char *text, uint16_t port, struct place *out)
{
    char number[8] = "";
    CURLU *url = curl_url();
    bool known = url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
                 copy_part(url, CURLUPART_SCHEME, 0, out->scheme, sizeof(out->scheme)) &&
                 copy_part(url, CURLUPART_HOST, 0, out->host, sizeof(out->host)) &&
                 (copy_part(url, CURLUPART_PORT, port == 0 ? CURLU_DEFAULT_PORT : 0, number, sizeof(number)) || port != 0);
    curl_url_cleanup(url);
    if (!known)
        return false;
    out->port = number[0] != '\0' ? (uint16_t)strtoul(number, NULL, 10) : port;
    if (out->host[0] == '[') {
        memmove(out->host, out->host + 1, strlen(out->host));
        out->host[strcspn(out->host, "]")] = '\0';
    }
    return true;
}

/* Host and port that are to be reached. */
static bool read_peer(const struct gg_client_request *request, struct place *out)
{
    bool known = read_place(request->url, 0, out);
    if (!known || request->connect_host == NULL)
        return known;
    if (request->connect_port != 0)
        out->port = request->connect_port;
    return snprintf(out->host, sizeof(out->host), "%s", request->connect_host) < (int)sizeof(out->host);
}

/* "+": the addresses may be forgotten later. */
static int look_up(struct gg_host *host, const struct place *place, struct gg_arena *arena, struct gg_way *way, struct gg_error *err)
{
    const char **addresses;
    size_t n;
    struct gg_buf text = GG_BUF_INIT;
    if (strchr(place->host, ':') != NULL)
        return 0;
    int rc = gg_names_addresses(host, place->host, arena, &addresses, &n, err);
    if (rc == GG_E_NOT_FOUND)
        return gg_fail(err, GG_E_UNAVAILABLE, "there is no host %s", place->host);
    if (rc != 0 || (n == 1 && strcmp(addresses[0], place->host) == 0))
        return rc;
    gg_buf_printf(&text, "+%s:%u:", place->host, place->port);
    for (size_t i = 0; i < n; i++)
        gg_buf_printf(&text, strchr(addresses[i], ':') != NULL ? "%s[%s]" : "%s%s", i > 0 ? "," : "", addresses[i]);
    way->addresses = curl_slist_append(NULL, text.data);
    gg_buf_done(&text);
    return 0;
}

/* ---- through a proxy ---- */

static bool may_reach(const struct gg_deny *deny, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return gg_deny_allows(deny, (const struct sockaddr *)&v4);
    return inet_pton(AF_INET6, address, &v6.sin6_addr) != 1 || gg_deny_allows(deny, (const struct sockaddr *)&v6);
}

/* The proxy connects, so this is the last that we see of the peer. A name whose addresses only the proxy knows passes. */
static int check_peer(struct gg_host *host, const char *name, const struct gg_deny *deny, struct gg_arena *arena, struct gg_error *err)
{
    const char **addresses = &name;
    size_t n = 1;
    struct gg_error unknown = GG_ERROR_INIT;
    if (strchr(name, ':') == NULL && gg_names_addresses(host, name, arena, &addresses, &n, &unknown) != 0)
        return unknown.code == GG_E_CANCELLED ? gg_fail(err, GG_E_CANCELLED, "cancelled") : 0;
    for (size_t i = 0; i < n; i++)
        if (may_reach(deny, addresses[i]))
            return 0;
    return gg_fail(err, GG_E_FORBIDDEN, "%s is at an address that must not be asked", name);
}

int gg_way_find(struct gg_host *host, const struct gg_client_request *request, const struct gg_deny *deny, struct gg_arena *arena,
                struct gg_way *out, struct gg_error *err)
{
    struct place peer, proxy;
    *out = (struct gg_way){0};
    if (request->unix_socket != NULL || !read_peer(request, &peer))
        return 0;
    const char *named = request->proxied ? gg_forward_proxy(host->config, peer.scheme, peer.host) : NULL;
    if (named == NULL)
        return look_up(host, &peer, arena, out, err);
    out->proxy = gg_arena_printf(arena, "%s%s", strstr(named, "://") == NULL ? "http://" : "", named);
    int rc = request->public_only ? check_peer(host, peer.host, deny, arena, err) : 0;
    return rc == 0 && read_place(out->proxy, PROXY_PORT, &proxy) ? look_up(host, &proxy, arena, out, err) : rc;
}

/* Nothing of the environment: what it says has been asked, and curl would go by it where we must not. */
void gg_way_set(const struct gg_way *way, CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_PROXY, way->proxy != NULL ? way->proxy : "");
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROXYPORT, (long)PROXY_PORT);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    if (way->addresses != NULL)
        curl_easy_setopt(easy, CURLOPT_RESOLVE, way->addresses);
}

void gg_way_done(struct gg_way *way)
{
    curl_slist_free_all(way->addresses);
    way->addresses = NULL;
}
