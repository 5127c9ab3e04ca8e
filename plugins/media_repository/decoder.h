/* Decoding, scaling and encoding of pictures: a module of its own. */
#ifndef MEDIA_REPOSITORY_DECODER_H
#define MEDIA_REPOSITORY_DECODER_H

#include <ganglion/matrix/media.h>

/* What the role lends to the Matrix library: loads the module with the first picture. */
extern const struct mx_images decoder;

/* What the module exports. */
#define DECODER_SYMBOL "ganglion_pictures"
GG_API extern const struct mx_images ganglion_pictures;

#endif
