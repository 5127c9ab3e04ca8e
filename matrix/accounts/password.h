/* accounts/password.h: hashing and checking passwords, and what a new one must look like (facts database 8.1). */
#ifndef MX_ACCOUNTS_PASSWORD_H
#define MX_ACCOUNTS_PASSWORD_H

#include <ganglion/arena.h>
#include <ganglion/config.h>
#include <ganglion/error.h>
#include <jansson.h>

enum {
    MX_PASSWORD_MAX = 512,  /* characters that a client may send */
    MX_PASSWORD_BYTES = 72, /* all that bcrypt looks at */
};

/* May a client send this as a password? s NULL: no. As bcrypt is given text, neither with a NUL. Pure. */
bool mx_password_fits(struct gg_str password);

/* What bcrypt is given: the password in NFKC, then the pepper (NULL: none), cut to 72 bytes, NUL-terminated. False: no
 * UTF-8, or it holds a NUL. Pure. */
bool mx_password_prepare(struct gg_str password, const char *pepper, char out[MX_PASSWORD_BYTES + 1]);

/* A "$2b$" hash in the arena, made on a thread. */
GG_YIELDS GG_CHECKED int mx_password_hash(const struct gg_config *config, struct gg_str password,
                                          struct gg_arena *arena, const char **hash_out, struct gg_error *err);
/* Does the password fit the hash? hash s NULL or empty (unknown user, no password): never, after the same work. */
GG_YIELDS GG_CHECKED int mx_password_verify(const struct gg_config *config, struct gg_str password, struct gg_str hash,
                                            bool *ok_out, struct gg_error *err);

/* password_config.policy: 0, or 400 with the rule's errcode. Pure. */
GG_CHECKED int mx_password_policy(const struct gg_config *config, struct gg_str password, struct gg_error *err);
/* The policy as GET /password_policy shows it: a new reference. */
json_t *mx_password_policy_json(const struct gg_config *config);

#endif
