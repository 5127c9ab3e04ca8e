/* accounts/access_token.h: the form of opaque tokens (facts database 8.2). Pure. */
#ifndef MX_ACCOUNTS_ACCESS_TOKEN_H
#define MX_ACCOUNTS_ACCESS_TOKEN_H

#include <ganglion/arena.h>

/* "syt_<base64 of the localpart>_<20 letters>_<check>", fresh at each call, in the arena. */
const char *mx_access_token_new(struct gg_arena *arena, struct gg_str localpart);
/* "syr_..." likewise: what a new access token is asked for with. */
const char *mx_refresh_token_new(struct gg_arena *arena, struct gg_str localpart);
/* "syl_<20 letters>_<check>": what another device logs in with. */
const char *mx_login_token_new(struct gg_arena *arena);
/* Has a refresh token the form of one: prefix, four parts, check? */
bool mx_refresh_token_valid(struct gg_str token);
/* Is the check at the end right (of any syt_, syr_ or syl_ token)? Says nothing about whether it was issued. */
bool mx_token_check(struct gg_str token);
/* Ten capital letters: a device id that the server chose. out holds 11 bytes. */
void mx_device_id_new(char out[11]);

#endif
