/* matrix/media/part.c: the part's life, and what the configuration says of media (facts config 10). */
#include "media/file.h"
#include "media/stores.h"

#include <ganglion/config.h>
#include <ganglion/memory.h>
#include <ganglion/topology.h>
#include <stdlib.h>

enum { MAX_ADDRESSES = 20000, SEEN_MS = 60000, SWEEP_MS = 3600000, MOST_SIDE = 10000, MOST_SIZES = 30 };

void mx_media_new_id(char out[MX_MEDIA_ID_SIZE])
{
    gg_random_text(out, MX_MEDIA_ID_SIZE - 1, GG_LETTERS);
}

/* ---- the configuration ---- */

static const char *text_of(const struct gg_node *map, const char *key)
{
    const struct gg_node *node = gg_node_get(map, key);
    return node != NULL ? gg_node_text(node) : NULL;
}

static int64_t number_of(const struct gg_node *map, const char *key, int64_t (*parse)(const char *text))
{
    const struct gg_node *node = gg_node_get(map, key);
    if (node == NULL)
        return -1;
    if (gg_node_kind(node) == GG_NODE_INT)
        return gg_node_int(node);
    return parse != NULL && gg_node_text(node) != NULL ? parse(gg_node_text(node)) : -1;
}

static int read_sizes(struct mx_media *media, struct gg_error *err)
{
    const struct gg_node *list = gg_config_node(media->server->config, "thumbnail_sizes");
    media->n_sizes = list != NULL ? gg_node_count(list) : 0;
    if (media->n_sizes > MOST_SIZES)
        return gg_fail(err, GG_E_INVALID, "%s: there may be %d sizes of thumbnails", gg_node_where(list), MOST_SIZES);
    media->sizes = GG_NEW_ARRAY(media->arena, struct mx_media_size, media->n_sizes + 1);
    for (size_t i = 0; i < media->n_sizes; i++) {
        const struct gg_node *each = gg_node_at(list, i, NULL);
        bool map = gg_node_kind(each) == GG_NODE_MAP;
        const char *method = map ? text_of(each, "method") : NULL;
        int64_t width = map ? number_of(each, "width", NULL) : -1, height = map ? number_of(each, "height", NULL) : -1;
        bool known = method != NULL && (strcmp(method, "crop") == 0 || strcmp(method, "scale") == 0);
        if (!known || width < 1 || height < 1 || width > MOST_SIDE || height > MOST_SIDE)
            return gg_fail(err, GG_E_INVALID, "%s: a thumbnail size has a width and a height of 1 to %d, and a method that is "
                                              "crop or scale", gg_node_where(each), MOST_SIDE);
        media->sizes[i] = (struct mx_media_size){(int32_t)width, (int32_t)height, method[0] == 'c'};
    }
    return 0;
}

static int longer_first(const void *a, const void *b)
{
    int64_t x = ((const struct mx_media_limit *)a)->period_ms, y = ((const struct mx_media_limit *)b)->period_ms;
    return x < y ? 1 : x > y ? -1 : 0;
}

static int read_limits(struct mx_media *media, struct gg_error *err)
{
    const struct gg_node *list = gg_config_node(media->server->config, "media_upload_limits");
    media->n_limits = list != NULL ? gg_node_count(list) : 0;
    media->limits = GG_NEW_ARRAY(media->arena, struct mx_media_limit, media->n_limits + 1);
    for (size_t i = 0; i < media->n_limits; i++) {
        const struct gg_node *each = gg_node_at(list, i, NULL), *upgrade;
        struct mx_media_limit *limit = &media->limits[i];
        bool map = gg_node_kind(each) == GG_NODE_MAP;
        limit->period_ms = map ? number_of(each, "time_period", gg_parse_duration) : -1;
        limit->max_bytes = map ? number_of(each, "max_size", gg_parse_size) : -1;
        if (limit->period_ms < 0 || limit->max_bytes < 0)
            return gg_fail(err, GG_E_INVALID, "%s: a limit of uploads has a time_period and a max_size", gg_node_where(each));
        limit->info_uri = text_of(each, "info_uri");
        upgrade = gg_node_get(each, "can_upgrade");
        limit->can_upgrade = upgrade != NULL && gg_node_kind(upgrade) == GG_NODE_BOOL && gg_node_bool(upgrade);
    }
    qsort(media->limits, media->n_limits, sizeof(*media->limits), longer_first);
    return 0;
}

static void read_prevented(struct mx_media *media)
{
    size_t n;
    const char *const *names = gg_config_texts(media->server->config, "prevent_media_downloads_from", &n);
    for (size_t i = 0; i < n; i++)
        gg_map_put(media->prevented, gg_str(names[i]), NULL);
}

static int read_config(struct mx_media *media, struct gg_error *err)
{
    const struct gg_config *config = media->server->config;
    media->root = gg_config_text(config, "media_store_path");
    media->max_upload = gg_config_int(config, "max_upload_size");
    media->max_upload = media->max_upload < INT32_MAX ? media->max_upload : INT32_MAX; /* the column's */
    media->max_pixels = gg_config_int(config, "max_image_pixels");
    media->unused_ms = gg_config_int(config, "unused_expiration_time");
    media->max_pending = gg_config_int(config, "max_pending_media_uploads");
    media->authenticated = gg_config_bool(config, "enable_authenticated_media");
    media->dynamic = gg_config_bool(config, "dynamic_thumbnails");
    media->remote_rate = (struct mx_rate){.per_second = (double)gg_config_int(config, "remote_media_download_per_second"),
                                          .burst = (double)gg_config_int(config, "remote_media_download_burst_count")};
    read_prevented(media);
    int rc = read_sizes(media, err);
    if (rc == 0)
        rc = read_limits(media, err);
    return rc == 0 ? mx_media_stores_read(media, err) : rc;
}

/* ---- life ---- */

static void free_part(struct mx_server *server)
{
    struct mx_media *media = mx_media_of(server);
    if (media == NULL)
        return;
    gg_map_free(media->prevented);
    gg_map_free(media->fetches);
    gg_map_free(media->seen);
    mx_buckets_free(media->addresses);
    gg_arena_free(media->arena);
    free(media);
    server->media = NULL;
}

static int make(struct mx_server *server, struct gg_error *err)
{
    struct mx_media *media = gg_xcalloc(1, sizeof(*media));
    server->media = media;
    media->server = server;
    media->arena = gg_arena_new();
    media->prevented = gg_map_new(NULL);
    media->fetches = gg_map_new(NULL);
    media->seen = gg_map_new(free);
    media->addresses = mx_buckets_new(MAX_ADDRESSES);
    gg_cond_init(&media->scaled);
    int rc = read_config(media, err);
    if (rc != 0)
        free_part(server);
    return rc;
}

static int check(const struct mx_server *server, struct gg_error *err)
{
    struct mx_server copy = {.config = server->config, .name = server->name};
    int rc = make(&copy, err);
    if (rc == 0)
        free_part(&copy);
    return rc;
}

static void sweep(void *media)
{
    mx_media_sweep_scratch(media);
}

static int start(struct mx_server *server, struct gg_error *err)
{
    struct mx_media *media = mx_media_of(server);
    media->scope = gg_scope_new(gg_host_scope(server->host), "media");
    if (media->sweeps) /* what an ended process left, also where processes end often */
        (void)gg_spawn(media->scope, "media sweep", sweep, media);
    return 0;
}

static void stop(struct mx_server *server)
{
    struct mx_media *media = mx_media_of(server);
    if (media->scope == NULL)
        return;
    gg_scope_end(media->scope);
    media->scope = NULL;
    mx_media_write_seen(media);
}

const struct mx_part mx_part_media = {.name = "media", .make = make, .start = start, .stop = stop, .free = free_part, .check = check};

int mx_media_load(struct gg_host *host, const struct mx_images *images, void **self_out, struct gg_error *err)
{
    struct mx_server *server;
    int rc = mx_server_attach(host, &server, err);
    if (rc != 0)
        return rc;
    *self_out = server;
    struct mx_media *media = mx_media_of(server);
    media->images = images;
    gg_host_every(host, "media_seen", SEEN_MS, false, mx_media_write_seen, media);
    media->sweeps = gg_topology_has_duty(server->config, "media_background", NULL);
    if (media->sweeps)
        gg_host_every(host, "media_unfinished", SWEEP_MS, false, sweep, media);
    return mx_media_stores_make(media, err);
}
