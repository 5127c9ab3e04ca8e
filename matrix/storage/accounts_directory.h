/* storage/accounts_directory.h: the user directory's entry of a local user. */
#ifndef MX_STORAGE_ACCOUNTS_DIRECTORY_H
#define MX_STORAGE_ACCOUNTS_DIRECTORY_H

#include <ganglion/matrix/server.h>

/* Writes user_directory and user_directory_search anew from the profile; nothing for a user without profile. */
GG_YIELDS GG_CHECKED int mx_directory_renew(struct mx_server *server, struct gg_str user_id, struct gg_error *err);

#endif
