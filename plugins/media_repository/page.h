/* page.h: what a page of the web says of itself (ganglion/matrix/preview.h). Runs on threads: touches no fiber and no arena. */
#ifndef MEDIA_REPOSITORY_PAGE_H
#define MEDIA_REPOSITORY_PAGE_H

#include <ganglion/matrix/preview.h>

/* What is found is bounded, and so is the time: a page that is nested deeper than 256, has a start tag of more than 64 KiB or takes
 * more than three seconds is read up to there. */
extern const struct mx_pages page_reader;

#endif
