/* matrix/media/stores.c: further folders: copies out, and back. */
#include "media/stores.h"

#include "media/disk.h"
#include "media/file.h"
#include "media/paths.h"

#include <errno.h>
#include <fcntl.h>
#include <ganglion/config.h>
#include <ganglion/log.h>
#include <ganglion/memory.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct gg_logger logger = {"ganglion.media"};

enum { MOST_STORES = 16, MOST_COPIES = 256 };

/* ---- the configuration ---- */

/* What operators call the one that copies to a folder. */
static const char *const folders[] = {"file_system", "synapse.rest.media.v1.storage_provider",
                                      "synapse.rest.media.v1.storage_provider.FileStorageProviderBackend",
                                      "synapse.media.storage_provider.FileStorageProviderBackend"};

static bool is_folder(const char *module)
{
    for (size_t i = 0; i < GG_COUNT(folders); i++)
        if (strcmp(folders[i], module) == 0)
            return true;
    return false;
}

static const char *text_of(const struct gg_node *map, const char *key)
{
    const struct gg_node *node = map != NULL && gg_node_kind(map) == GG_NODE_MAP ? gg_node_get(map, key) : NULL;
    return node != NULL ? gg_node_text(node) : NULL;
}

static bool flag_of(const struct gg_node *map, const char *key)
{
    const struct gg_node *node = gg_node_get(map, key);
    return node != NULL && gg_node_kind(node) == GG_NODE_BOOL && gg_node_bool(node);
}

static int read_one(const struct gg_node *each, struct mx_media_store *out, struct gg_error *err)
{
    const char *module = text_of(each, "module");
    if (module == NULL)
        return gg_fail(err, GG_E_INVALID, "%s: one of media_storage_providers has a module", gg_node_where(each));
    if (!is_folder(module))
        return gg_fail(err, GG_E_INVALID, "%s: there is no store of media called %s; there is file_system", gg_node_where(each),
                       module);
    const char *root = text_of(gg_node_get(each, "config"), "directory");
    if (root == NULL || *root == '\0')
        return gg_fail(err, GG_E_INVALID, "%s: the store file_system has a config with a directory", gg_node_where(each));
    *out = (struct mx_media_store){.root = root, .local = flag_of(each, "store_local"), .remote = flag_of(each, "store_remote"),
                                   .wait = flag_of(each, "store_synchronous")};
    return 0;
}

int mx_media_stores_read(struct mx_media *media, struct gg_error *err)
{
    const struct gg_config *config = media->server->config;
    const struct gg_node *list = gg_config_node(config, "media_storage_providers");
    const char *old = gg_config_text(config, "backup_media_store_path");
    size_t n = list != NULL ? gg_node_count(list) : 0;
    if (n > MOST_STORES)
        return gg_fail(err, GG_E_INVALID, "%s: there may be %d media_storage_providers", gg_node_where(list), MOST_STORES);
    if (n > 0 && old != NULL)
        return gg_fail(err, GG_E_INVALID, "%s: backup_media_store_path and media_storage_providers exclude each other",
                       gg_node_where(list));
    media->stores = GG_NEW_ARRAY(media->arena, struct mx_media_store, n + 1);
    if (old != NULL)
        media->stores[media->n_stores++] = (struct mx_media_store){
            .root = old, .local = true, .remote = true, .wait = gg_config_bool(config, "synchronous_backup_media_store")};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = read_one(gg_node_at(list, i, NULL), &media->stores[media->n_stores++], err);
    return rc;
}

int mx_media_stores_make(struct mx_media *media, struct gg_error *err)
{
    char inside[MX_DISK_PATH];
    for (size_t i = 0; i < media->n_stores; i++) {
        int n = snprintf(inside, sizeof(inside), "%s/x", media->stores[i].root);
        int error = n < (int)sizeof(inside) ? mx_disk_make_folders(inside) : ENAMETOOLONG;
        if (error != 0)
            return gg_fail(err, GG_E_IO, "the folder %s of media_storage_providers cannot be made: %s", media->stores[i].root,
                           strerror(error));
    }
    return 0;
}

/* ---- out ---- */

struct copy {
    struct mx_media *media;
    char *from, *unfinished, *to;
    int error;
};

static void copy_now(void *arg) /* on a thread */
{
    struct copy *copy = arg;
    copy->error = mx_disk_copy(copy->from, copy->unfinished, copy->to);
}

static void free_copy(struct copy *copy)
{
    free(copy->from);
    free(copy->unfinished);
    free(copy->to);
    free(copy);
}

static char *path_in(const char *root, const struct mx_media_row *row, const struct mx_thumbnail_row *thumbnail)
{
    struct gg_buf path = GG_BUF_INIT;
    size_t n;
    if (mx_media_path(root, row, thumbnail, &path))
        return gg_buf_steal(&path, &n);
    gg_buf_done(&path);
    return NULL;
}

/* NULL: its ids lead nowhere. */
static struct copy *new_copy(struct mx_media *media, const char *from_root, const char *to_root, const struct mx_media_row *row,
                             const struct mx_thumbnail_row *thumbnail)
{
    struct copy *copy = gg_xcalloc(1, sizeof(*copy));
    char unfinished[MX_DISK_PATH];
    mx_media_scratch_name(to_root, unfinished);
    *copy = (struct copy){.media = media, .from = path_in(from_root, row, thumbnail), .to = path_in(to_root, row, thumbnail),
                          .unfinished = gg_xstrndup(unfinished, strlen(unfinished))};
    if (copy->from != NULL && copy->to != NULL)
        return copy;
    free_copy(copy);
    return NULL;
}

static int run_copy(struct copy *copy, struct gg_error *err)
{
    int rc = gg_offload(copy_now, copy);
    if (rc < 0)
        return gg_fail(err, rc, "no thread copies %s", copy->from);
    return copy->error == 0 ? 0 : gg_fail(err, GG_E_IO, "%s could not be copied to %s: %s", copy->from, copy->to,
                                          strerror(copy->error));
}

/* A process that stops still copies what it has begun. */
static void copy_later(void *arg)
{
    struct copy *copy = arg;
    struct gg_error err = GG_ERROR_INIT;
    gg_shield_begin();
    if (run_copy(copy, &err) != 0)
        gg_err(&logger, "%s", err.message);
    gg_shield_end();
    copy->media->copies--;
    free_copy(copy);
}

static int add_to(struct mx_media *media, const struct mx_media_store *store, const struct mx_media_row *row,
                  const struct mx_thumbnail_row *thumbnail, struct gg_error *err)
{
    struct copy *copy = new_copy(media, media->root, store->root, row, thumbnail);
    if (copy == NULL)
        return gg_refuse(err, 404, "M_NOT_FOUND", "Unknown media ID");
    if (!store->wait && media->copies < MOST_COPIES) {
        media->copies++;
        if (gg_spawn(media->scope, "media copy", copy_later, copy) != NULL)
            return 0;
        media->copies--;
    }
    int rc = run_copy(copy, err);
    free_copy(copy);
    if (rc == 0 || store->wait)
        return rc;
    gg_err(&logger, "%s", err->message); /* as if it had been done later */
    return 0;
}

int mx_media_stores_add(struct mx_media *media, const struct mx_media_row *row, const struct mx_thumbnail_row *thumbnail,
                        struct gg_error *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < media->n_stores && row->url_cache.s == NULL; i++)
        if (row->origin.s != NULL ? media->stores[i].remote : media->stores[i].local)
            rc = add_to(media, &media->stores[i], row, thumbnail, err);
    return rc;
}

/* ---- back ---- */

static void copy_back(void *arg) /* on a thread */
{
    struct copy *copy = arg;
    if (access(copy->to, F_OK) != 0)
        copy_now(copy);
}

static bool bring_from(struct mx_media *media, const struct mx_media_store *store, const struct mx_media_row *row)
{
    struct copy *copy = new_copy(media, store->root, media->root, row, NULL);
    if (copy == NULL)
        return false;
    bool there = gg_offload(copy_back, copy) == 0 && copy->error == 0;
    if (!there && copy->error != 0 && copy->error != ENOENT)
        gg_warn(&logger, "%s could not be copied back: %s", copy->from, strerror(copy->error));
    free_copy(copy);
    return there;
}

void mx_media_bring(struct mx_media *media, const struct mx_media_row *row)
{
    bool there = row->url_cache.s != NULL;
    for (size_t i = 0; !there && i < media->n_stores; i++)
        there = bring_from(media, &media->stores[i], row);
}

/* ---- opening ---- */

struct opening { /* on a thread: names and inodes may have to come from the disk */
    const struct mx_media *media;
    const struct mx_media_row *row;
    const struct mx_thumbnail_row *thumbnail;
    struct gg_buf path;
    int fd;
    int64_t length;
};

static void note_file(struct opening *o)
{
    struct stat st;
    if (o->fd >= 0 && (fstat(o->fd, &st) < 0 || !S_ISREG(st.st_mode))) {
        close(o->fd);
        o->fd = -1;
    }
    o->length = o->fd >= 0 ? (int64_t)st.st_size : 0;
}

static void open_path(struct opening *o)
{
    o->fd = open(o->path.data, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    note_file(o);
}

static void open_anywhere(void *arg)
{
    struct opening *o = arg;
    if (mx_media_path(o->media->root, o->row, o->thumbnail, &o->path))
        open_path(o);
    if (o->fd < 0 && o->thumbnail != NULL && mx_media_old_thumbnail_path(o->media->root, o->row, o->thumbnail, &o->path))
        open_path(o);
    for (size_t i = 0; o->fd < 0 && i < o->media->n_stores && o->row->url_cache.s == NULL; i++)
        if (mx_media_path(o->media->stores[i].root, o->row, o->thumbnail, &o->path))
            open_path(o);
}

/* What the kernel knows without asking the disk needs no thread, which costs more than all the rest of a small answer. */
static bool open_known(struct opening *o)
{
    const struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW, .resolve = RESOLVE_CACHED};
    if (!mx_media_path(o->media->root, o->row, o->thumbnail, &o->path))
        return false;
    o->fd = (int)syscall(SYS_openat2, AT_FDCWD, o->path.data, &how, sizeof(how));
    note_file(o);
    return o->fd >= 0;
}

int mx_media_open(struct mx_media *media, const struct mx_media_row *row, const struct mx_thumbnail_row *thumbnail,
                  int64_t *length_out)
{
    struct opening o = {.media = media, .row = row, .thumbnail = thumbnail, .path = GG_BUF_INIT, .fd = -1};
    if (!open_known(&o))
        mx_disk_run(open_anywhere, &o);
    gg_buf_done(&o.path);
    *length_out = o.length;
    return o.fd;
}

bool mx_media_there(struct mx_media *media, const struct mx_media_row *row)
{
    int64_t length;
    int fd = mx_media_open(media, row, NULL, &length);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}
