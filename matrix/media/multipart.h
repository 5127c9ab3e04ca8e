/* matrix/media/multipart.h: reads a multipart/mixed answer as it comes: a JSON object, then a file (server-server API,
 * "Content Repository"; RFC 2046, 5.1). Pure, and bounded whatever comes. */
#ifndef MX_MEDIA_MULTIPART_H
#define MX_MEDIA_MULTIPART_H

#include <ganglion/base.h>

enum { MX_MULTIPART_HEADERS = 8192, MX_MULTIPART_VALUE = 2048, MX_MULTIPART_JSON = 65536 };

struct mx_multipart {
    /* Takes bytes of the file. False: enough. */
    bool (*piece)(void *arg, const void *data, size_t n);
    void *arg;
    /* Of the file's part, "" if it has none. */
    char type[MX_MULTIPART_VALUE], disposition[MX_MULTIPART_VALUE], location[MX_MULTIPART_VALUE];
    bool done;                       /* the end was seen, and a second part */
    /* its own */
    char delimiter[80];              /* CR LF -- boundary */
    size_t n_delimiter, matched;     /* bytes of it that were seen last */
    int state, part;                 /* part: -1 before the first */
    size_t json;                     /* bytes of the object */
    char headers[MX_MULTIPART_HEADERS];
    size_t n_headers;
    char after[2];                   /* what follows a delimiter */
    size_t n_after;
};

/* False: the content type is no multipart/mixed with a boundary. */
bool mx_multipart_begin(struct mx_multipart *m, const char *content_type, bool (*piece)(void *, const void *, size_t),
                        void *arg);
/* The next bytes. False: malformed, or piece had enough. What comes after the end is not looked at. */
bool mx_multipart_feed(struct mx_multipart *m, const char *data, size_t n);

#endif
