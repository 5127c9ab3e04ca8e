/* client/forward.c: which requests go through which forward proxy. */
#include "client/forward.h"

#include <ganglion/client.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* Lower case comes first, as wget and curl have it, too. */
static const char *from_environment(const char *name)
{
    char upper[32];
    size_t n = 0;
    for (; name[n] != '\0' && n + 1 < sizeof(upper); n++)
        upper[n] = (char)toupper((unsigned char)name[n]);
    upper[n] = '\0';
    const char *lower = getenv(name);
    return lower != NULL ? lower : getenv(upper);
}

/* A null that is written means none, whatever the environment says. */
static const char *proxy_of(const struct gg_config *config, const char *key)
{
    const struct gg_node *node = gg_config_node(config, key);
    const char *proxy = node != NULL ? gg_node_text(node) : from_environment(key);
    return proxy != NULL && *proxy != '\0' ? proxy : NULL;
}

bool gg_client_has_proxy(const struct gg_config *config)
{
    return proxy_of(config, "http_proxy") != NULL || proxy_of(config, "https_proxy") != NULL;
}

bool gg_forward_matches(struct gg_str entry, const char *host)
{
    size_t n = strlen(host);
    while (entry.n > 0 && isspace((unsigned char)entry.s[0]))
        entry = gg_strn(entry.s + 1, entry.n - 1);
    while (entry.n > 0 && isspace((unsigned char)entry.s[entry.n - 1]))
        entry.n--;
    while (entry.n > 0 && entry.s[0] == '.')
        entry = gg_strn(entry.s + 1, entry.n - 1);
    if (entry.n == 0 || entry.n > n || strncasecmp(host + n - entry.n, entry.s, entry.n) != 0)
        return false;
    return entry.n == n || host[n - entry.n - 1] == '.';
}

static bool in_list(const char *const *list, size_t n, const char *host)
{
    bool found = n == 1 && strcmp(list[0], "*") == 0;
    for (size_t i = 0; i < n && !found; i++)
        found = gg_forward_matches(gg_str(list[i]), host);
    return found;
}

static bool in_text(const char *text, const char *host)
{
    bool found = strcmp(text, "*") == 0;
    while (!found && *text != '\0') {
        size_t n = strcspn(text, ",");
        found = gg_forward_matches(gg_strn(text, n), host);
        text += n + (text[n] == ',');
    }
    return found;
}

static bool goes_directly(const struct gg_config *config, const char *host)
{
    size_t n;
    const char *const *list = gg_config_texts(config, "no_proxy_hosts", &n);
    const char *text = gg_config_node(config, "no_proxy_hosts") == NULL ? from_environment("no_proxy") : NULL;
    return text != NULL ? in_text(text, host) : in_list(list, n, host);
}

const char *gg_forward_proxy(const struct gg_config *config, const char *scheme, const char *host)
{
    const char *proxy = proxy_of(config, strcasecmp(scheme, "https") == 0 ? "https_proxy" : "http_proxy");
    return proxy != NULL && !goes_directly(config, host) ? proxy : NULL;
}

bool gg_forward_valid(const char *proxy)
{
    const char *mark = strstr(proxy, "://");
    size_t scheme = mark != NULL ? (size_t)(mark - proxy) : 0;
    if (mark != NULL && !(scheme == 4 && strncasecmp(proxy, "http", 4) == 0) && !(scheme == 5 && strncasecmp(proxy, "https", 5) == 0))
        return false;
    const char *authority = mark != NULL ? mark + 3 : proxy, *at = strrchr(authority, '@');
    const char *host = at != NULL ? at + 1 : authority;
    return *host != '\0' && strchr("/:?#", *host) == NULL;
}
