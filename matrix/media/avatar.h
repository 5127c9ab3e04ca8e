/* matrix/media/avatar.h: which files users may show as themselves (max_avatar_size, allowed_avatar_mimetypes). */
#ifndef MX_MEDIA_AVATAR_H
#define MX_MEDIA_AVATAR_H

#include <ganglion/matrix/server.h>

/* 0: the configuration says nothing of avatars, none is meant (url is ""), or the file is known here and fits. 403 M_FORBIDDEN. */
GG_YIELDS GG_CHECKED int mx_avatar_check(struct mx_server *server, struct gg_str url, struct gg_error *err);

#endif
