/* The life of what outgoing requests share. */
#include "client/client.h"
#include "client/names.h"

#include <ganglion/memory.h>
#include "main/host.h"

#include <openssl/ssl.h>

struct gg_client *gg_client_of(struct gg_host *host)
{
    if (host->client == NULL) {
        struct gg_client *client = gg_xcalloc(1, sizeof(*client));
        client->host = host;
        gg_list_init(&client->pools);
        gg_list_init(&client->curl_pools);
        host->client = client;
    }
    return host->client;
}

void gg_client_stop(struct gg_host *host)
{
    struct gg_client *client = host->client;
    if (client == NULL)
        return;
    host->client = NULL;
    gg_internal_drop_all(client);
    SSL_CTX_free(client->tls);
    gg_curl_free_all(client);
    gg_names_free(client->names);
    free(client);
}
