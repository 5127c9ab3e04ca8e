/* pictures.c: libvips, kept on a short lead: four decoders that are named one by one, bounds on pixels and on time, no
 * cache, one thread for each picture. The library is started when the first picture comes. */
#include "decoder.h"

#include "pictures/chunks.h"

#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <vips/vips.h>

enum {
    HEAD = 16,              /* bytes that tell the kind */
    MOST_SECONDS = 30,      /* of one picture */
    QUALITY = 80,
    PNG_EFFORT = 6,
    MOST_FRAMES = 500,
    MOST_TASKS = 64,
    OWN_PAGES = 512 << 10,  /* bytes; larger blocks go back to the system when they are freed */
    MOVING_PART = 2,        /* all frames together, which lie in memory at once, may have this part of the pixels of one */
};

/* ---- kinds ---- */

struct kind {
    const char *name;
    const char *magic;
    size_t at, n;           /* where, and how many bytes of it */
    const char *loader;     /* libvips' operation */
    bool moves, shrinks;    /* it can hold frames; it can be decoded smaller, for less */
    bool chunked;           /* it is read through chunks.h */
};

static const struct kind kinds[] = {
    {"JPEG", "\xff\xd8\xff", 0, 3, "jpegload", false, true, false},
    {"PNG", "\x89PNG\r\n\x1a\n", 0, 8, "pngload_source", false, false, true},
    {"GIF", "GIF8", 0, 4, "gifload", true, false, false},
    {"WebP", "WEBP", 8, 4, "webpload", true, false, false},
};

static const struct kind *kind_of(const char *path)
{
    char head[HEAD] = {0};
    FILE *file = fopen(path, "rbe");
    size_t n = file != NULL ? fread(head, 1, sizeof(head), file) : 0;
    if (file != NULL)
        fclose(file);
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (kinds[i].at + kinds[i].n <= n && memcmp(head + kinds[i].at, kinds[i].magic, kinds[i].n) == 0)
            return &kinds[i];
    return NULL;
}

/* ---- the library ---- */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool started;

static void start_library(void)
{
    g_setenv("VIPS_DISC_THRESHOLD", "32m", FALSE);
    g_setenv("VIPS_WARNING", "0", FALSE); /* what is wrong with somebody's picture fills no log */
    started = VIPS_INIT("ganglion") == 0;
    if (!started)
        return;
    vips_concurrency_set(1);
    vips_cache_set_max(0);
    vips_block_untrusted_set(TRUE);
    mallopt(M_MMAP_THRESHOLD, OWN_PAGES); /* else malloc learns from large pictures to keep what they took */
}

static int failed(char *why, size_t size, const char *what)
{
    const char *said = started ? vips_error_buffer() : "";
    snprintf(why, size, "%s%s%.*s", what, *said != '\0' ? ": " : "", (int)strcspn(said, "\n"), said);
    if (started)
        vips_error_clear();
    return GG_E_INVALID;
}

static int begin(char *why, size_t size)
{
    pthread_once(&once, start_library);
    if (!started)
        return failed(why, size, "libvips does not start");
    vips_error_clear();
    return 0;
}

/* ---- time ---- */

static int64_t seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static void on_progress(VipsImage *image, VipsProgress *progress, void *until)
{
    if (seconds() > *(const int64_t *)until)
        vips_image_set_kill(image, TRUE);
}

/* until: must live as long as the picture is worked on. */
static void bound_time(VipsImage *image, int64_t *until)
{
    *until = seconds() + MOST_SECONDS;
    vips_image_set_progress(image, TRUE);
    g_signal_connect(image, "eval", G_CALLBACK(on_progress), until);
}

/* ---- reading ---- */

static gint64 on_read(VipsSourceCustom *source, void *out, gint64 n, void *chunks)
{
    return n > 0 ? (gint64)chunks_read(chunks, out, (size_t)n) : 0;
}

static void close_chunks(void *chunks)
{
    chunks_close(chunks);
}

static VipsImage *open_chunked(const struct kind *kind, const char *path)
{
    struct chunks *chunks = chunks_open(path);
    VipsImage *image = NULL;
    if (chunks == NULL)
        return NULL;
    VipsSourceCustom *source = vips_source_custom_new();
    g_object_set_data_full(G_OBJECT(source), "chunks", chunks, close_chunks);
    g_signal_connect(source, "read", G_CALLBACK(on_read), chunks);
    int rc = vips_call(kind->loader, source, &image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL);
    g_object_unref(source); /* the picture has it as long as it needs it */
    return rc == 0 ? image : NULL;
}

static VipsImage *open_picture(const struct kind *kind, const char *path, int frames, int shrink)
{
    VipsImage *image = NULL;
    int rc;
    if (kind->chunked)
        return open_chunked(kind, path);
    if (kind->shrinks)
        rc = vips_call(kind->loader, path, &image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, "shrink",
                       shrink, NULL);
    else
        rc = vips_call(kind->loader, path, &image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, "n", frames,
                       NULL);
    return rc == 0 ? image : NULL;
}

static int frames_of(VipsImage *image)
{
    int frames = 1;
    if (vips_image_get_typeof(image, VIPS_META_N_PAGES) != 0 && vips_image_get_int(image, VIPS_META_N_PAGES, &frames) != 0)
        frames = 1;
    return frames > 0 ? frames : 1;
}

static bool lies_on_its_side(VipsImage *image)
{
    return vips_image_get_orientation(image) >= 5;
}

/* Is anything of it seen through? All of it has to be decoded for that. */
static bool sees_through(VipsImage *image)
{
    VipsImage *alpha = NULL;
    double least = 0;
    int64_t until;
    if (!vips_image_hasalpha(image))
        return false;
    bound_time(image, &until);
    bool known = vips_extract_band(image, &alpha, image->Bands - 1, NULL) == 0 && vips_min(alpha, &least, NULL) == 0;
    double most = image->BandFmt == VIPS_FORMAT_USHORT ? 65535 : 255;
    VIPS_UNREF(alpha);
    return !known || least < most;
}

static bool too_large(VipsImage *image, int64_t max_pixels)
{
    return (int64_t)image->Xsize * image->Ysize >= max_pixels;
}

static int inspect(const char *path, int64_t max_pixels, struct mx_image_info *out, char *why, size_t size)
{
    const struct kind *kind = kind_of(path);
    int rc = begin(why, size);
    if (rc != 0 || kind == NULL)
        return rc != 0 ? rc : failed(why, size, "no picture of a kind that is decoded");
    VipsImage *image = open_picture(kind, path, 1, 1);
    if (image == NULL)
        return failed(why, size, kind->name);
    bool turned = lies_on_its_side(image);
    out->width = turned ? image->Ysize : image->Xsize;
    out->height = turned ? image->Xsize : image->Ysize;
    out->frames = kind->moves ? frames_of(image) : 1;
    if (too_large(image, max_pixels)) {
        snprintf(why, size, "%d x %d pixels are too many", out->width, out->height);
        rc = GG_E_LIMIT;
    } else {
        out->alpha = kind->loader[0] == 'w' && sees_through(image); /* for the others nobody needs to know */
    }
    g_object_unref(image);
    vips_error_clear();
    vips_thread_shutdown();
    return rc;
}

/* ---- scaling ---- */

/* What is left of a picture is still at least so many times as large as wanted, where it is made smaller in two steps. */
enum { SPARE = 2 };

/* How much smaller a JPEG may be decoded for the largest that is wanted. */
static int shrink_for(const struct kind *kind, VipsImage *image, const struct mx_image_task *tasks, size_t n)
{
    bool turned = lies_on_its_side(image);
    int shrink = kind->shrinks ? 8 : 1;
    for (size_t i = 0; i < n; i++) {
        int width = turned ? tasks[i].height : tasks[i].width, height = turned ? tasks[i].width : tasks[i].height;
        while (shrink > 1 && (image->Xsize / shrink < SPARE * width || image->Ysize / shrink < SPARE * height))
            shrink /= 2;
    }
    return shrink;
}

static int scale(VipsImage *in, VipsImage **out, const struct mx_image_task *task)
{
    if (task->crop)
        return vips_thumbnail_image(in, out, task->width, "height", task->height, "size", VIPS_SIZE_BOTH, "crop",
                                    VIPS_INTERESTING_CENTRE, NULL);
    return vips_thumbnail_image(in, out, task->width, "height", task->height, "size", VIPS_SIZE_FORCE, NULL);
}

/* Every frame by itself: scaled together they would run into each other at their edges. */
static int scale_frames(VipsImage *in, VipsImage **out, const struct mx_image_task *task)
{
    int height = vips_image_get_page_height(in), n = height > 0 ? in->Ysize / height : 1;
    VipsImage *whole = NULL, *frames[MOST_FRAMES] = {NULL};
    int rc = n >= 1 && n <= MOST_FRAMES && (whole = vips_image_copy_memory(in)) != NULL ? 0 : -1;
    for (int i = 0; rc == 0 && i < n; i++) {
        VipsImage *frame = NULL;
        rc = vips_crop(whole, &frame, 0, i * height, in->Xsize, height, NULL);
        if (rc == 0) {
            vips_image_set_int(frame, VIPS_META_PAGE_HEIGHT, height);
            rc = scale(frame, &frames[i], task);
        }
        VIPS_UNREF(frame);
    }
    if (rc == 0)
        rc = vips_arrayjoin(frames, out, n, "across", 1, NULL);
    for (int i = 0; i < n && i < MOST_FRAMES; i++)
        VIPS_UNREF(frames[i]);
    VIPS_UNREF(whole);
    return rc;
}

/* ---- writing ---- */

static int save_moving(VipsImage *image, VipsImage *source, const struct mx_image_task *task)
{
    int *delays, n, loop;
    VipsImage *tagged = NULL;
    if (vips_copy(image, &tagged, NULL) != 0)
        return -1;
    vips_image_set_int(tagged, VIPS_META_PAGE_HEIGHT, task->height);
    if (vips_image_get_typeof(source, "delay") != 0 && vips_image_get_array_int(source, "delay", &delays, &n) == 0)
        vips_image_set_array_int(tagged, "delay", delays, n);
    if (vips_image_get_typeof(source, "loop") != 0 && vips_image_get_int(source, "loop", &loop) == 0)
        vips_image_set_int(tagged, "loop", loop);
    int rc = vips_webpsave(tagged, task->out, "Q", QUALITY, "strip", TRUE, "min_size", TRUE, NULL);
    g_object_unref(tagged);
    return rc;
}

static int save(VipsImage *image, const struct mx_image_task *task)
{
    if (strcmp(task->type, "image/jpeg") == 0)
        return vips_jpegsave(image, task->out, "Q", QUALITY, "strip", TRUE, "optimize_coding", TRUE, NULL);
    if (strcmp(task->type, "image/png") == 0) /* one filter that suits pictures: trying all takes twice the time */
        return vips_pngsave(image, task->out, "compression", PNG_EFFORT, "filter", VIPS_FOREIGN_PNG_FILTER_PAETH, "strip", TRUE,
                            NULL);
    return vips_webpsave(image, task->out, "Q", QUALITY, "strip", TRUE, NULL);
}

static void note_length(struct mx_image_task *task)
{
    struct stat st;
    task->length = stat(task->out, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* ---- one picture that moves ---- */

static int make_moving(const struct kind *kind, const char *source, struct mx_image_task *task)
{
    VipsImage *image = open_picture(kind, source, -1, 1), *scaled = NULL;
    int64_t until;
    if (image == NULL)
        return -1;
    bound_time(image, &until);
    int rc = scale_frames(image, &scaled, task);
    if (rc == 0)
        rc = save_moving(scaled, image, task);
    if (rc == 0)
        note_length(task);
    VIPS_UNREF(scaled);
    g_object_unref(image);
    return rc;
}

/* ---- pictures that do not ---- */

/* What all are made of, in memory and upright: the picture, or a smaller one that is large enough for the largest. */
static VipsImage *master_of(VipsImage *image, const struct mx_image_task *tasks, size_t n)
{
    bool turned = lies_on_its_side(image);
    int width = turned ? image->Ysize : image->Xsize, height = turned ? image->Xsize : image->Ysize;
    double keep = 0;
    for (size_t i = 0; i < n; i++) {
        double x = (double)SPARE * tasks[i].width / width, y = (double)SPARE * tasks[i].height / height;
        keep = x > keep ? x : keep;
        keep = y > keep ? y : keep;
    }
    VipsImage *smaller = NULL, *memory = NULL, *upright = NULL;
    const struct mx_image_task rough = {.width = (int)(width * keep) + 1, .height = (int)(height * keep) + 1};
    if (keep < 0.75 && scale(image, &smaller, &rough) == 0)
        upright = vips_image_copy_memory(smaller);
    else if (keep >= 0.75 && (memory = vips_image_copy_memory(image)) != NULL && vips_autorot(memory, &upright, NULL) != 0)
        upright = NULL;
    VIPS_UNREF(smaller);
    VIPS_UNREF(memory);
    return upright;
}

/* The smallest of what there is that is still large enough for that size, so that little has to be looked at. */
static VipsImage *best_source(VipsImage *master, VipsImage *const *made, const struct mx_image_task *tasks, size_t i)
{
    VipsImage *best = master;
    for (size_t k = 0; k < i; k++)
        if (made[k] != NULL && !tasks[k].crop && made[k]->Xsize >= SPARE * tasks[i].width &&
            made[k]->Ysize >= SPARE * tasks[i].height)
            best = made[k];
    return best;
}

/* Made, written, and kept in memory for smaller ones. */
static int make_still(VipsImage *from, VipsImage **kept, struct mx_image_task *task)
{
    VipsImage *scaled = NULL;
    int rc = scale(from, &scaled, task);
    if (rc == 0)
        rc = (*kept = vips_image_copy_memory(scaled)) != NULL ? save(*kept, task) : -1;
    if (rc == 0)
        note_length(task);
    VIPS_UNREF(scaled);
    return rc;
}

static int make_stills(VipsImage *image, struct mx_image_task *tasks, size_t n)
{
    VipsImage *made[MOST_TASKS] = {NULL}, *master = n > 1 ? master_of(image, tasks, n) : g_object_ref(image);
    int rc = master != NULL ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = tasks[i].animated ? 0 : make_still(best_source(master, made, tasks, i), &made[i], &tasks[i]);
    for (size_t i = 0; i < n; i++)
        VIPS_UNREF(made[i]);
    VIPS_UNREF(master);
    return rc;
}

/* ---- all ---- */

/* Too much for all of it: its first frame. */
static void calm(struct mx_image_task *tasks, size_t n, const struct kind *kind, VipsImage *image, int64_t max_pixels)
{
    int frames = kind->moves ? frames_of(image) : 1;
    int64_t all = (int64_t)image->Xsize * image->Ysize * frames;
    bool moving = frames > 1 && frames <= MOST_FRAMES && all < max_pixels / MOVING_PART;
    for (size_t i = 0; i < n; i++)
        tasks[i].animated = tasks[i].animated && moving;
}

static int make_of(const struct kind *kind, VipsImage *image, const char *source, struct mx_image_task *tasks, size_t n)
{
    int shrink = shrink_for(kind, image, tasks, n), rc = 0;
    int64_t until;
    VipsImage *smaller = shrink > 1 ? open_picture(kind, source, 1, shrink) : g_object_ref(image);
    if (smaller == NULL)
        return -1;
    bound_time(smaller, &until);
    rc = make_stills(smaller, tasks, n);
    g_object_unref(smaller);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = tasks[i].animated ? make_moving(kind, source, &tasks[i]) : 0;
    return rc;
}

static int make(const char *source, int64_t max_pixels, struct mx_image_task *tasks, size_t n, char *why, size_t size)
{
    const struct kind *kind = kind_of(source);
    int rc = begin(why, size);
    if (rc != 0 || kind == NULL || n > MOST_TASKS)
        return rc != 0 ? rc : failed(why, size, "no picture of a kind that is decoded");
    VipsImage *image = open_picture(kind, source, 1, 1);
    if (image == NULL)
        return failed(why, size, kind->name);
    if (too_large(image, max_pixels)) {
        snprintf(why, size, "the picture has too many pixels");
        rc = GG_E_LIMIT;
    } else {
        calm(tasks, n, kind, image, max_pixels);
        if (make_of(kind, image, source, tasks, n) != 0)
            rc = failed(why, size, "scaling");
    }
    g_object_unref(image);
    vips_thread_shutdown();
    return rc;
}

const struct mx_images ganglion_pictures = {.inspect = inspect, .make = make};
