/* matrix/keys.h: this server's signing keys. Private to the library. */
#ifndef MATRIX_KEYS_H
#define MATRIX_KEYS_H

#include <ganglion/config.h>
#include <ganglion/matrix/crypto.h>

/* From signing_key, else from the file signing_key_path, else from <server_name>.signing.key beside the file that names
 * the server. make: a missing file is made with a new key (the main process). Reads files: at load only. */
GG_CHECKED int mx_keys_load(const struct gg_config *config, const char *server_name, bool make, struct gg_arena *arena,
                            const struct mx_signing_key **keys_out, size_t *n_out, struct gg_error *err);
/* Can the key that is there be used? A missing file is none of the errors: main makes it. */
GG_CHECKED int mx_own_keys_check(const struct gg_config *config, const char *server_name, struct gg_error *err);

#endif
